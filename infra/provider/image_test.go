package provider_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// greeter writes a Go module with a program that ends with a number, and returns its directory.
func greeter(t *testing.T) string {
	dir := t.TempDir()
	writeFile(t, dir, "go.mod", "module example.org/greeter\n\ngo 1.26\n")
	writeFile(t, dir, "cmd/greeter/main.go", "package main\n\nimport \"example.org/greeter/words\"\n\nfunc main() { println(words.Hello) }\n")
	writeFile(t, dir, "words/words.go", "package words\n\nconst Hello = \"hello\"\n")
	writeFile(t, dir, "unrelated/unrelated.go", "package unrelated\n")
	writeFile(t, dir, "etc/greeter.conf", "loud\n")
	return dir
}

func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestImageOfGoBinary(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	ctx := t.Context()
	dir := greeter(t)
	binary := inputs{
		"name": "greeter", "dir": dir, "package": "./cmd/greeter", "files": inputs{"/etc/greeter.conf": "etc/greeter.conf"},
		"env": inputs{"COLOUR": "a $HOME of \"one's\" own"},
	}
	in := inputs{"stack": stack, "goBinary": binary}
	r := newResource(t, server, "Image")
	previewTouchesNothing(t, r, engine, stack, in)
	checked, err := r.check(r.props(in))
	if err != nil {
		t.Fatal(err)
	}
	preview, err := server.Create(createPreview(r, checked))
	if err != nil {
		t.Fatal(err)
	}

	r.must("create", in)
	first := r.text("reference")
	if got := preview.Properties.Get("reference"); !got.IsString() || got.AsString() != first {
		t.Errorf("the preview said %#v, the image is %s", got, first)
	}
	image, err := engine.InspectImage(ctx, first)
	if err != nil || image.Labels[spec.LabelStack] != stack || image.User != "65532:65532" || image.Env["COLOUR"] != "a $HOME of \"one's\" own" || strings.Join(image.Entrypoint, " ") != "/bin/greeter" {
		t.Errorf("got %+v (%v), want the image as declared", image, err)
	}
	if code, log := runToEnd(t, engine, stack, first); code != 0 || log != "hello" {
		t.Errorf("got exit code %d and %q, want 0 and hello", code, log)
	}
	writeFile(t, dir, "unrelated/unrelated.go", "package unrelated\n\nconst X = 1\n")
	r.must("same", in)
	if r.refresh() {
		t.Fatal("an image that is there was refreshed away")
	}
	r.must("same", in)
	imported := newResource(t, server, "Image")
	if err := imported.adopt(first); err != nil {
		t.Fatal(err)
	}

	moved := t.TempDir() // the same sources elsewhere are the same image
	if err := os.CopyFS(moved, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	r.must("same", inputs{"stack": stack, "goBinary": with(binary, inputs{"dir": moved})})

	writeFile(t, dir, "words/words.go", "package words\n\nconst Hello = \"good morning\"\n")
	r.must("update goBinary", in)
	second := r.text("reference")
	if code, log := runToEnd(t, engine, stack, second); second == first || code != 0 || log != "good morning" {
		t.Errorf("got %s that says %q, want another image that says good morning", second, log)
	}
	there := func(want ...string) {
		t.Helper()
		images, err := engine.ListImages(ctx, "viot-"+stack+"/*")
		var got []string
		for _, i := range images {
			got = append(got, i.Tags...)
		}
		if slices.Sort(want); err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("got images %q (%v), want %q", got, err, want)
		}
	}
	there(first, second) // so that a pool can go back
	r.must("same", in)
	writeFile(t, dir, "etc/greeter.conf", "quiet\n")
	r.must("update goBinary", in)
	third := r.text("reference")
	there(second, third)
	writeFile(t, dir, "etc/greeter.conf", "loud\n")
	r.must("update goBinary", in)
	if again := r.text("reference"); again != second {
		t.Errorf("got %s, want %s again, as its sources are", again, second)
	}
	there(second, third)
	if err := engine.RemoveImage(ctx, second); err != nil {
		t.Fatal(err)
	}
	if r.refresh() {
		t.Error("an image whose earlier one is still there was refreshed away")
	}
	r.must("update goBinary", in)
	there(second, third)
	if code, log := runToEnd(t, engine, stack, third); code != 0 || log != "good morning" {
		t.Errorf("the earlier image ends with %d and %q, want it to work", code, log)
	}
	user, err := engine.CreateContainer(ctx, docker.ContainerSpec{Name: "viot-" + stack + "-user", Image: third, Labels: map[string]string{spec.LabelStack: stack}})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "etc/greeter.conf", "hoarse\n")
	r.must("update goBinary", in)
	fourth := r.text("reference")
	there(second, third, fourth) // as a container is made of the third
	if err := engine.RemoveContainer(ctx, user); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "etc/greeter.conf", "mute\n")
	r.must("update goBinary", in)
	there(fourth, r.text("reference"))

	in["keepOnDelete"] = true
	r.must("update keepOnDelete", in)
	kept := r.text("reference")
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}
	there(kept, fourth)
	if err := engine.RemoveImage(ctx, fourth); err != nil {
		t.Fatal(err)
	}
	in["keepOnDelete"] = false
	r.must("create", in)
	id, err := engine.CreateContainer(ctx, docker.ContainerSpec{Name: "viot-" + stack + "-user", Image: kept, Labels: map[string]string{spec.LabelStack: stack}})
	if err != nil {
		t.Fatal(err)
	}
	used := *r
	if err := used.delete(); err != nil {
		t.Errorf("got %v from deleting an image in use, want a warning", err)
	}
	if err := engine.RemoveContainer(ctx, id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again := *r
		if err := again.delete(); err != nil {
			t.Fatal(err)
		}
	}
	if !r.refresh() {
		t.Error("an image that is gone was not refreshed away")
	}
	if left := leftovers(t, engine, stack); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// runToEnd runs an image and returns its exit code and what it logged.
func runToEnd(t *testing.T, engine *docker.Client, stack, image string) (int, string) {
	t.Helper()
	ctx := t.Context()
	id, err := engine.CreateContainer(ctx, docker.ContainerSpec{Name: "viot-" + stack + "-run", Image: image, Labels: map[string]string{spec.LabelStack: stack}})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.StartContainer(ctx, id); err != nil {
		t.Fatal(err)
	}
	c, err := engine.InspectContainer(ctx, id)
	for ; err == nil && c.State != docker.Exited; c, err = engine.InspectContainer(ctx, id) {
	}
	if err != nil {
		t.Fatal(err)
	}
	lines, err := engine.Logs(ctx, id, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.RemoveContainer(ctx, id); err != nil {
		t.Fatal(err)
	}
	return c.ExitCode, strings.Join(lines, "\n")
}

func TestImageThatDoesNotCompile(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	dir := greeter(t)
	in := inputs{"stack": stack, "goBinary": inputs{"name": "greeter", "dir": dir, "package": "./cmd/greeter"}}
	writeFile(t, dir, "words/words.go", "package words\n\nconst Hello = 1 + \"x\"\n")
	r := newResource(t, server, "Image")
	r.fails(in, "compile image greeter", "words.go:3")
	in["goBinary"] = inputs{"name": "greeter", "dir": dir, "package": "./cmd/none"}
	r.fails(in, "hash the sources of image greeter", "cmd/none")
	if left := leftovers(t, engine, stack); r.id != "" || len(left) > 0 {
		t.Errorf("recorded as %q, left behind %q", r.id, left)
	}
}

func TestImagePull(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	probe := probeInputs(t, engine, stack)["image"]
	r := newResource(t, server, "Image")
	r.must("create", inputs{"stack": stack, "pull": probe}) // it is there: nothing is pulled
	r.must("same", inputs{"stack": stack, "pull": probe})
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.InspectImage(t.Context(), probe.(string)); err != nil {
		t.Errorf("got %v, want an image that was only referred to left alone", err)
	}
	r.fails(inputs{"stack": stack, "pull": "127.0.0.1:1/none:1"}, "pull image 127.0.0.1:1/none:1")
}

// TestImageRecipe takes HAProxy from wherever this machine gets it; the first time that may be a build.
func TestImageRecipe(t *testing.T) {
	t.Parallel()
	server, engine, stack := open(t)
	in := inputs{"stack": stack, "recipe": inputs{"name": "haproxy"}}
	r := newResource(t, server, "Image")
	r.must("create", in)
	name := r.text("reference")
	if _, err := engine.InspectImage(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	r.must("same", in)
	again := newResource(t, server, "Image")
	again.must("create", in)
	if got := again.text("reference"); got != name {
		t.Errorf("got %s, want %s, which is there", got, name)
	}
	if err := r.delete(); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.InspectImage(t.Context(), name); err != nil {
		t.Errorf("got %v, want the image kept as a cache", err)
	}
}
