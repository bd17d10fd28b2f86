// Package images holds the recipes of the images viot needs but does not own: HAProxy, PostgreSQL, Consul and Prometheus. Each
// names an official image, for where a registry answers, and carries what it takes to build a stand-in for it that
// the same container specification runs: same command, uid, paths and environment variables.
//
// The package reads no registry and talks to no Docker Engine: it writes build contexts and, for machines without a
// registry, the file system of the base image that they start from.
package images

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed contexts
var contexts embed.FS

// A Recipe says how to come by one image.
type Recipe struct {
	Name     string // "haproxy"; also the name of its build context
	Version  string // of the software in a local build; a registry may serve a newer one
	Registry string // official image that the local one stands in for

	// NeedsBase says that the Dockerfile takes the build argument BASE: BaseImage(), or nothing where a registry
	// serves Debian. Such a build downloads packages, so give it the host's network: a package proxy may listen on
	// the loopback. Its stages are labelled BuildStageLabel and stay on the engine until removed.
	NeedsBase bool

	// Binary is the program that the build context needs beside its files; nil where it needs none.
	Binary *Binary

	// UsuallyTakes is the duration of a first build on two cores with cold caches, without that of the base.
	UsuallyTakes time.Duration
}

// Binary is a Go program that is compiled on the host, because its image starts from nothing.
type Binary struct {
	Name    string // in the build context
	Package string // import path
	Module  string // folder of the Go module that pins it, relative to the repository's root
}

// BuildStageLabel marks the images of build stages, which nothing needs once the build has ended.
const BuildStageLabel = "io.viot.role=build-stage"

var recipes = []Recipe{
	{
		Name:     "consul",
		Version:  "1.19.2",
		Registry: "hashicorp/consul:1.21",
		Binary: &Binary{
			Name:    "consul",
			Package: "github.com/hashicorp/consul",
			Module:  "infra/images/consul",
		},
		UsuallyTakes: 4 * time.Minute,
	},
	{
		Name:         "haproxy",
		Version:      "2.6",
		Registry:     "haproxy:2.8",
		NeedsBase:    true,
		UsuallyTakes: 10 * time.Second,
	},
	{
		Name:         "postgres",
		Version:      "15",
		Registry:     "postgres:15",
		NeedsBase:    true,
		UsuallyTakes: 30 * time.Second,
	},
	{
		Name:         "prometheus",
		Version:      "2.42",
		Registry:     "prom/prometheus:v2.53.0",
		NeedsBase:    true,
		UsuallyTakes: 10 * time.Second,
	},
}

// Lookup returns the recipe of that name. Its error names those that exist.
func Lookup(name string) (Recipe, error) {
	var known []string
	for _, r := range recipes {
		if r.Name == name {
			return r, nil
		}
		known = append(known, r.Name)
	}
	return Recipe{}, fmt.Errorf("no image recipe %q: there are %s", name, strings.Join(known, ", "))
}

// Image returns the name of the locally built image, "viot-haproxy:3f0c…". It changes exactly when the recipe does.
func (r Recipe) Image() string {
	return "viot-" + r.Name + ":" + r.Digest()
}

// Digest returns 12 hexadecimal digits of the SHA-256 of the recipe: its build context and the pin of its binary. The
// base is not part of it, as either base yields the same software.
func (r Recipe) Digest() string {
	h := sha256.New()
	if r.Binary != nil {
		fmt.Fprintf(h, "%s %s\n", r.Binary.Package, r.Version)
	}
	tw := tar.NewWriter(h)
	if err := errors.Join(r.writeFiles(tw), tw.Close()); err != nil {
		panic(err) // the files are embedded and a hash takes every write
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Tar writes the build context, Dockerfile included, to w. The same recipe and binary give the same bytes on every
// machine. binary is the path of the compiled r.Binary, and empty for a recipe without one.
func (r Recipe) Tar(w io.Writer, binary string) error {
	if (r.Binary != nil) != (binary != "") {
		return fmt.Errorf("build context of %s: its binary is %q, which does not fit the recipe", r.Name, binary)
	}
	tw := tar.NewWriter(w)
	if err := r.writeFiles(tw); err != nil {
		return fmt.Errorf("build context of %s: %w", r.Name, err)
	}
	if r.Binary != nil {
		if err := writeProgram(tw, r.Binary.Name, binary); err != nil {
			return fmt.Errorf("build context of %s: %w", r.Name, err)
		}
	}
	return tw.Close()
}

// writeFiles adds the embedded files in lexical order, without owner or time. Every file is executable, because
// package embed keeps no modes and a Dockerfile needs at most that bit.
func (r Recipe) writeFiles(tw *tar.Writer) error {
	dir, err := fs.Sub(contexts, "contexts/"+r.Name)
	if err != nil {
		return err
	}
	return fs.WalkDir(dir, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(dir, path)
		if err != nil {
			return err
		}
		if err := tw.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err = tw.Write(data)
		return err
	})
}

// writeProgram adds the file at path as an executable called name.
func writeProgram(tw *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// Command returns the call of the Go tool that compiles the program to out, static and stripped, where root is the
// repository's. It builds for the host; a caller with another engine appends GOARCH to its environment. A second call
// is answered from Go's cache in seconds.
func (b Binary) Command(ctx context.Context, root, out string) (*exec.Cmd, error) {
	out, err := filepath.Abs(out)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", b.Name, err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, b.Package)
	cmd.Dir = filepath.Join(root, filepath.FromSlash(b.Module))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd, nil
}
