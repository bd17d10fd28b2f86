package testkit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Beside is a project of its own beside a stack: what it declares carries the stack's label, is in its network and is kept by
// its orchestrator, as a service of one's own beside the CSE would be.
type Beside struct {
	stack  *Stack
	pulumi auto.Stack
}

// NewBeside prepares a project; nothing of it runs yet. It must be destroyed before the stack is.
func (s *Stack) NewBeside(ctx context.Context, project string, program pulumi.RunFunc) (*Beside, error) {
	dir := filepath.Join(s.dir, project)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make project %s: %w", project, err)
	}
	made, err := auto.UpsertStackInlineSource(ctx, s.Name, project, program, auto.WorkDir(dir), auto.EnvVars(s.env), auto.Project(workspace.Project{
		Name: tokens.PackageName(project), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
		Plugins: &workspace.Plugins{Providers: []workspace.PluginOptions{{Name: "viot", Path: filepath.Join(s.root, ".viot/bin")}}},
	}))
	if err != nil {
		return nil, fmt.Errorf("make project %s beside stack %s: %w", project, s.Name, err)
	}
	return &Beside{stack: s, pulumi: made}, nil
}

// Up runs pulumi up and returns what the project exports.
func (b *Beside) Up(ctx context.Context) (auto.OutputMap, error) {
	result, err := b.pulumi.Up(ctx, optup.ProgressStreams(b.stack.Log), optup.SuppressProgress())
	if err != nil {
		return nil, fmt.Errorf("bring up what is beside stack %s: %w", b.stack.Name, err)
	}
	return result.Outputs, nil
}

// Destroy runs pulumi destroy.
func (b *Beside) Destroy(ctx context.Context) error {
	if _, err := b.pulumi.Destroy(ctx, optdestroy.ProgressStreams(b.stack.Log), optdestroy.SuppressProgress()); err != nil {
		return fmt.Errorf("destroy what is beside stack %s: %w", b.stack.Name, err)
	}
	return nil
}
