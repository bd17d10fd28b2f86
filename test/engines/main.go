// Command engines makes the real Consul, HAProxy and PostgreSQL available to tests that run outside containers, from
// the same images that stacks use: the first two as programs in a folder, the third as a container.
//
//	engines start -dir DIR   prints the variables that tests read, NAME=value each
//	engines stop  -dir DIR   removes the container
package main

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("engines", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "folder for the programs")
	mode := flags.String("images", "auto", "auto, registry or build")
	if len(args) == 0 {
		return errors.New("want start or stop")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("want -dir")
	}
	root, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	engine, err := docker.Open(ctx, "")
	if err != nil {
		return err
	}
	defer engine.Close()
	// The folder's path tells this checkout's container from another's.
	label := map[string]string{spec.LabelStack: "test-engines", "io.viot.test-engines": root}
	if err := remove(ctx, engine, label); err != nil {
		return err
	}
	switch args[0] {
	case "stop":
		return nil
	case "start":
		return start(ctx, engine, root, *mode, label, stdout)
	}
	return fmt.Errorf("%q: want start or stop", args[0])
}

func remove(ctx context.Context, engine *docker.Client, label map[string]string) error {
	containers, err := engine.ListContainers(ctx, label)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if err := engine.RemoveContainer(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

func start(ctx context.Context, engine *docker.Client, dir, mode string, label map[string]string, stdout io.Writer) error {
	software, err := newSoftware(ctx)
	if err != nil {
		return err
	}
	for _, p := range []struct{ recipe, path, variable string }{
		{"consul", "bin/consul", "VIOT_TEST_CONSUL"},
		{"haproxy", "usr/sbin/haproxy", "VIOT_TEST_HAPROXY"},
	} {
		reference, err := software.image(p.recipe, mode)
		if err != nil {
			return err
		}
		program, err := extract(ctx, reference, filepath.Join(dir, p.recipe), p.path)
		if err != nil {
			return fmt.Errorf("take %s out of %s: %w", p.recipe, reference, err)
		}
		fmt.Fprintf(stdout, "%s=%s\n", p.variable, program)
	}
	reference, err := software.image("postgres", mode)
	if err != nil {
		return err
	}
	url, err := postgres(ctx, engine, reference, label)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	fmt.Fprintf(stdout, "VIOT_TEST_POSTGRES=%s\n", url)
	return nil
}

// extract unpacks an image below dir and returns what runs one of its programs: the program itself when it is static,
// else a script that runs it with the libraries it came with. What was unpacked before from the same image is used again.
func extract(ctx context.Context, reference, dir, program string) (string, error) {
	runnable, wrapper := filepath.Join(dir, program), filepath.Join(dir, "run")
	loader := func() (string, bool) {
		loaders, _ := filepath.Glob(filepath.Join(dir, "usr/lib*/ld-linux*.so.*"))
		return strings.Join(loaders, ""), len(loaders) == 1
	}
	if made, err := os.ReadFile(filepath.Join(dir, "reference")); err == nil && string(made) == reference {
		if _, dynamic := loader(); dynamic {
			runnable = wrapper
		}
		return runnable, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return "", err
	}
	defer api.Close()
	made, err := api.ContainerCreate(ctx, &container.Config{Image: reference}, nil, nil, nil, "")
	if err != nil {
		return "", err
	}
	defer api.ContainerRemove(context.WithoutCancel(ctx), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	files, err := api.ContainerExport(ctx, made.ID)
	if err != nil {
		return "", err
	}
	defer files.Close()
	if err := unpack(files, dir); err != nil {
		return "", err
	}
	if ld, dynamic := loader(); dynamic {
		libraries, _ := filepath.Glob(filepath.Join(dir, "usr/lib/*-linux-gnu*"))
		script := fmt.Sprintf("#!/bin/sh\nexec %s --library-path %s %s \"$@\"\n", ld, strings.Join(libraries, ":"), runnable)
		if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
			return "", err
		}
		runnable = wrapper
	}
	return runnable, os.WriteFile(filepath.Join(dir, "reference"), []byte(reference), 0o644)
}

// unpack writes the regular files and symbolic links of a tar archive below dir, and nothing outside of it.
func unpack(archive io.Reader, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(archive); ; {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Clean(entry.Name)
		switch entry.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		case tar.TypeSymlink:
			if err := root.Symlink(entry.Linkname, name); err != nil {
				return err
			}
		case tar.TypeReg:
			f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, entry.FileInfo().Mode().Perm()|0o200)
			if err != nil {
				return err
			}
			_, err = io.Copy(f, r)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
	}
}

// postgres starts a server on a free port of the loopback address and returns its URL when it takes queries.
func postgres(ctx context.Context, engine *docker.Client, image string, label map[string]string) (string, error) {
	random := make([]byte, 16)
	rand.Read(random)
	password := hex.EncodeToString(random)
	id, err := engine.CreateContainer(ctx, docker.ContainerSpec{
		Name: "viot-test-postgres-" + password[:8], Image: image, Labels: label,
		Command: []string{"postgres", "-c", "max_connections=400"},
		Env:     map[string]string{"POSTGRES_PASSWORD": password, "PGDATA": "/pgdata/data"},
		// In memory: tests make and drop hundreds of databases, which on a layered file system takes longer than all else.
		Tmpfs: map[string]string{"/pgdata": "size=4g,mode=1777"},
		Ports: []docker.Port{{ContainerPort: 5432, HostAddress: "127.0.0.1"}},
	})
	if err != nil {
		return "", err
	}
	if err := engine.StartContainer(ctx, id); err != nil {
		return "", err
	}
	for {
		code, output, err := engine.Exec(ctx, id, []string{"pg_isready", "--quiet", "--host=127.0.0.1"})
		if err == nil && code == 0 {
			break
		}
		c, inspectErr := engine.InspectContainer(ctx, id)
		if inspectErr != nil || c.State != docker.Running {
			return "", fmt.Errorf("it ended: %s %w", output, errors.Join(err, inspectErr))
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	c, err := engine.InspectContainer(ctx, id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, c.Ports[0].HostPort), nil
}
