// Gen-sdk generates the Go SDK of viot's Pulumi provider from the provider's schema.
//
//	go run ./infra/cmd/gen-sdk          writes infra/sdk
//	go run ./infra/cmd/gen-sdk -check   lists files that are not current and ends with 1 if there are any
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"

	"github.com/viot-project/viot/infra/provider"
)

// errNotCurrent ends the program with 1 after the files have been listed.
var errNotCurrent = errors.New("the SDK is not current: run go run ./infra/cmd/gen-sdk and commit infra/sdk")

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gen-sdk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("gen-sdk", flag.ContinueOnError)
	check := flags.Bool("check", false, "compare instead of write")
	dir := flags.String("dir", "infra/sdk", "folder of the SDK")
	if err := flags.Parse(args); err != nil {
		return err
	}
	files, err := generate(ctx)
	if err != nil {
		return err
	}
	stale, err := compare(*dir, files)
	if err != nil {
		return err
	}
	if *check {
		for _, name := range stale {
			fmt.Fprintln(out, filepath.Join(*dir, name))
		}
		if len(stale) > 0 {
			return errNotCurrent
		}
		return nil
	}
	for _, name := range stale {
		if err := write(filepath.Join(*dir, name), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the SDK's files by path: schema.json and the Go package.
func generate(ctx context.Context) (map[string][]byte, error) {
	viot, err := provider.New()
	if err != nil {
		return nil, err
	}
	server, err := integration.NewServer(ctx, provider.Name, semver.MustParse(provider.Version), integration.WithProvider(viot))
	if err != nil {
		return nil, fmt.Errorf("start the provider: %w", err)
	}
	resp, err := server.GetSchema(p.GetSchemaRequest{})
	if err != nil {
		return nil, fmt.Errorf("get the provider's schema: %w", err)
	}
	var pkgSpec schema.PackageSpec
	if err := json.Unmarshal([]byte(resp.Schema), &pkgSpec); err != nil {
		return nil, fmt.Errorf("read the provider's schema: %w", err)
	}
	pkg, problems, err := schema.BindSpec(pkgSpec, schema.NewNullLoader(), schema.ValidationOptions{})
	if err != nil {
		return nil, fmt.Errorf("bind the provider's schema: %w", err)
	}
	if problems.HasErrors() {
		return nil, fmt.Errorf("bind the provider's schema: %w", problems)
	}
	generated, err := gogen.GeneratePackage("gen-sdk", pkg, nil)
	if err != nil {
		return nil, fmt.Errorf("generate Go: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(resp.Schema), "", "  "); err != nil {
		return nil, fmt.Errorf("format the provider's schema: %w", err)
	}
	files := map[string][]byte{"schema.json": append(indented.Bytes(), '\n')}
	for name, content := range generated {
		if filepath.Base(name) == "go.mod" { // the SDK is part of viot's module
			continue
		}
		files[filepath.Join("go", name)] = content
	}
	return files, nil
}

// compare returns, sorted, the files that are missing from dir, differ there, or are there and should not be.
func compare(dir string, want map[string][]byte) ([]string, error) {
	stale := map[string]bool{}
	for name, content := range want {
		is, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || !bytes.Equal(is, content) {
			stale[name] = true
		}
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && entry.IsDir() {
			return nil
		}
		name, relErr := filepath.Rel(dir, path)
		if _, ok := want[name]; !ok {
			stale[name] = true
		}
		return errors.Join(err, relErr)
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(stale))
	for name := range stale {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names, nil
}

// write puts content into a file, or removes the file when there is none.
func write(name string, content []byte) error {
	if content == nil {
		return os.Remove(name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o644)
}
