package provider

import (
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Image is an image on the engine.
type Image struct{}

// ImageArgs are an Image's inputs: the stack, and one source.
type ImageArgs struct {
	Stack        string       `pulumi:"stack"`
	GoBinary     *GoBinary    `pulumi:"goBinary,optional"`
	Recipe       *ImageRecipe `pulumi:"recipe,optional"`
	Pull         string       `pulumi:"pull,optional"`
	KeepOnDelete *bool        `pulumi:"keepOnDelete,optional"`
}

// GoBinary makes an image of one static Go program and nothing else.
type GoBinary struct {
	Name       string            `pulumi:"name"`
	Dir        string            `pulumi:"dir"`
	Package    string            `pulumi:"package"`
	Files      map[string]string `pulumi:"files,optional"`
	Env        map[string]string `pulumi:"env,optional"`
	Entrypoint []string          `pulumi:"entrypoint,optional"`
	User       string            `pulumi:"user,optional"`
	StopSignal string            `pulumi:"stopSignal,optional"`
}

// ImageRecipe makes an image of a program that viot uses but does not own.
type ImageRecipe struct {
	Name string `pulumi:"name"`
	Mode string `pulumi:"mode,optional"`
	Root string `pulumi:"root,optional"`
}

// ImageState is an Image as it is. Earlier are those of earlier content that are still on the engine, the latest first.
type ImageState struct {
	ImageArgs
	Reference string   `pulumi:"reference"`
	ImageID   string   `pulumi:"imageId"`
	Earlier   []string `pulumi:"earlier,optional"`
}

// Values of ImageRecipe.Mode.
const (
	modeAuto     = "auto"
	modeRegistry = "registry"
	modeBuild    = "build"
)

// Annotate implements infer.Annotated.
func (i *Image) Annotate(a infer.Annotator) {
	a.Describe(i, "An image on the Docker Engine, from exactly one of goBinary, recipe and pull. It is built or pulled only when it is "+
		"not there yet, and only when its content changes is there another. The one before stays beside it, so that what ran with it can "+
		"go back, until the content changes once more or the resource is deleted. Import it by its reference.")
}

// Annotate implements infer.Annotated.
func (i *ImageArgs) Annotate(a infer.Annotator) {
	a.Describe(&i.Stack, "Stack it belongs to; becomes the label io.viot.stack of an image that is the stack's own.")
	a.Describe(&i.GoBinary, "Compile a Go program, static and reproducibly, into an image that holds nothing else. Its tag is the hash of its sources.")
	a.Describe(&i.Recipe, "Take one of the programs viot uses, haproxy, postgres, consul or prometheus, from its registry or build it here.")
	a.Describe(&i.Pull, "Take this reference, such as example/cse:1.0, from the engine or else from its registry.")
	a.Describe(&i.KeepOnDelete, "Whether the image stays on the engine when the resource is deleted. Default: true for recipe and pull, as it is a cache; false for goBinary.")
}

// Annotate implements infer.Annotated.
func (g *GoBinary) Annotate(a infer.Annotator) {
	a.Describe(&g.Name, "Name of the program, which is /bin/<name>, and of the image, which is viot-<stack>/<name>:<hash>.")
	a.Describe(&g.Dir, "Directory of the Go module.")
	a.Describe(&g.Package, "Package to compile, such as ./cmd/server, relative to dir.")
	a.Describe(&g.Files, "Further files: absolute path in the image to path on this machine, relative to dir.")
	a.Describe(&g.Env, "Environment variables set in the image.")
	a.Describe(&g.Entrypoint, "What the image runs. Default: the program.")
	a.Describe(&g.User, "User to run as, uid[:gid].")
	a.SetDefault(&g.User, "65532:65532")
	a.Describe(&g.StopSignal, "Signal that asks it to end. Default: SIGTERM.")
}

// Annotate implements infer.Annotated.
func (r *ImageRecipe) Annotate(a infer.Annotator) {
	a.Describe(&r.Name, "haproxy, postgres, consul or prometheus.")
	a.Describe(&r.Mode, "auto takes the image from its registry when that answers quickly, else builds it; registry only pulls; build only builds. "+
		"What is on the engine already is used in any case.")
	a.SetDefault(&r.Mode, modeAuto)
	a.Describe(&r.Root, "Directory of viot's repository, where Go programs are compiled from. Default: the current one.")
}

// Annotate implements infer.Annotated.
func (i *ImageState) Annotate(a infer.Annotator) {
	a.Describe(&i.Reference, "Reference to use in containers.")
	a.Describe(&i.ImageID, "ID on the engine.")
	a.Describe(&i.Earlier, "References of what it was before: one, and those that containers were still made of when they were to go.")
}
