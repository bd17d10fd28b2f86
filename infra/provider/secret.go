package provider

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Secret is random text that is made once and kept in the stack's state.
type Secret struct{}

// SecretArgs are a Secret's inputs.
type SecretArgs struct {
	Bytes int `pulumi:"bytes,optional"`
}

// SecretState is a Secret as it is.
type SecretState struct {
	SecretArgs
	Value string `pulumi:"value" provider:"secret"`
}

// Annotate implements infer.Annotated.
func (s *Secret) Annotate(a infer.Annotator) {
	a.Describe(s, "Random text, such as a password: made once and kept, encrypted, in the stack's state. It cannot be imported.")
}

// Annotate implements infer.Annotated.
func (s *SecretArgs) Annotate(a infer.Annotator) {
	a.Describe(&s.Bytes, "How many random bytes the text stands for; another number makes another secret.")
	a.SetDefault(&s.Bytes, 24)
}

// Annotate implements infer.Annotated.
func (s *SecretState) Annotate(a infer.Annotator) {
	a.Describe(&s.Value, "The text: letters, digits, - and _.")
}

// Check implements infer.CustomCheck.
func (Secret) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[SecretArgs], error) {
	return check(ctx, req, func(found *problems, s *SecretArgs) {
		if s.Bytes < 16 || s.Bytes > 1024 {
			found.add("bytes", "%d: want 16, which cannot be guessed, to 1024", s.Bytes)
		}
	})
}

// Diff implements infer.CustomDiff.
func (Secret) Diff(_ context.Context, req infer.DiffRequest[SecretArgs, SecretState]) (infer.DiffResponse, error) {
	c := changes{}
	c.replace("bytes", req.State.Bytes, req.Inputs.Bytes)
	return c.response(false), nil
}

// WireDependencies implements infer.ExplicitDependencies.
func (Secret) WireDependencies(f infer.FieldSelector, _ *SecretArgs, state *SecretState) {
	f.OutputField(&state.Value).AlwaysSecret()
}

// Create implements infer.CustomResource.
func (Secret) Create(_ context.Context, req infer.CreateRequest[SecretArgs]) (infer.CreateResponse[SecretState], error) {
	resp := infer.CreateResponse[SecretState]{ID: req.Name, Output: SecretState{SecretArgs: req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	random := make([]byte, req.Inputs.Bytes)
	rand.Read(random) // never fails
	resp.Output.Value = base64.RawURLEncoding.EncodeToString(random)
	return resp, nil
}

// Read implements infer.CustomRead. A secret lives in the state alone, so it is as it was.
func (Secret) Read(_ context.Context, req infer.ReadRequest[SecretArgs, SecretState]) (infer.ReadResponse[SecretArgs, SecretState], error) {
	resp := infer.ReadResponse[SecretArgs, SecretState]{ID: req.ID, Inputs: req.Inputs, State: req.State}
	if req.State.Value == "" {
		return resp, errors.New("a secret cannot be imported: it is kept nowhere but in the stack's state")
	}
	return resp, nil
}
