package infra

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/viot-project/viot/infra/sdk/go/viot"
	"github.com/viot-project/viot/infra/spec"
)

// PostgreSQLArgs are the settings of a PostgreSQL.
type PostgreSQLArgs struct {
	Network        pulumi.StringInput
	Images         SoftwareImages
	Database       string // name of the database and of its owner
	MaxConnections int    // of all instances together
}

// PostgreSQL is one database server with a data volume. It restarts by itself after a crash and loses nothing that
// was committed.
type PostgreSQL struct {
	pulumi.ResourceState

	URL pulumi.StringOutput // postgres://…, with the password: a secret
}

// NewPostgreSQL stands a database up; it is there when it takes queries. Its password is random and in the state only.
func NewPostgreSQL(ctx *pulumi.Context, name string, args PostgreSQLArgs, opts ...pulumi.ResourceOption) (*PostgreSQL, error) {
	p := &PostgreSQL{}
	child, err := register(ctx, "PostgreSQL", name, p, opts)
	if err != nil {
		return nil, err
	}
	image, err := args.Images.image(ctx, name, "postgres", child)
	if err != nil {
		return nil, err
	}
	password, err := viot.NewSecret(ctx, name, nil, child)
	if err != nil {
		return nil, fmt.Errorf("password of %s: %w", name, err)
	}
	volume, err := viot.NewVolume(ctx, name, &viot.VolumeArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, name)), Role: pulumi.String(spec.RoleDatabase),
	}, child)
	if err != nil {
		return nil, fmt.Errorf("volume of %s: %w", name, err)
	}
	container, err := viot.NewContainer(ctx, name, &viot.ContainerArgs{
		Stack: pulumi.String(ctx.Stack()), Name: pulumi.String(objectName(ctx, name)), Role: pulumi.String(spec.RoleDatabase),
		Image: image, Network: args.Network,
		Command: pulumi.ToStringArray([]string{"postgres", "-c", fmt.Sprintf("max_connections=%d", args.MaxConnections),
			"-c", "shared_buffers=256MB", "-c", "synchronous_commit=on"}),
		Env: pulumi.StringMap{
			"POSTGRES_USER": pulumi.String(args.Database), "POSTGRES_DB": pulumi.String(args.Database),
			"POSTGRES_PASSWORD_FILE": pulumi.String("/run/viot/password"),
		},
		Files:     viot.FileArray{viot.FileArgs{Path: pulumi.String("/run/viot/password"), Content: password.Value, Mode: pulumi.String("0400"), Uid: pulumi.Int(999), Gid: pulumi.Int(999)}},
		Mounts:    viot.MountArray{viot.MountArgs{Volume: volume.Name, Target: pulumi.String("/var/lib/postgresql/data")}},
		Restart:   pulumi.String("unless-stopped"),
		StopGrace: pulumi.String("30s"),
		HealthCheck: viot.HealthCheckArgs{Exec: pulumi.ToStringArray([]string{
			"pg_isready", "--quiet", "--host=127.0.0.1", "--username=" + args.Database, "--dbname=" + args.Database}), Interval: pulumi.String("100ms")},
	}, child)
	if err != nil {
		return nil, fmt.Errorf("container of %s: %w", name, err)
	}
	url := pulumi.Sprintf("postgres://%s:%s@%s:5432/%s?sslmode=disable", args.Database, password.Value, container.Name, args.Database)
	p.URL = pulumi.ToSecret(url).(pulumi.StringOutput)
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{"url": p.URL})
}
