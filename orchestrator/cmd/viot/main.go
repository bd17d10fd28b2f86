// Command viot is the operator's view of a stack: what its pools do, what it has on the Docker Engine, and the
// removal of what an interrupted run left behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: viot COMMAND [flags]

  explain    say why a pool is as large as it is: load, votes, clamps, what would be otherwise
  scale      keep a pool at a size, or give it back to its policy: scale POOL 4 -for 1h, scale POOL auto
  pause      leave a pool as it is; resume takes it back
  hold       keep a pool from shrinking (-in) or growing (-out); resume takes it back
  drain      have instances removed
  policy     check a policy or a pool document in a file
  status     print the pools of a running stack as key: value lines
  inventory  list what a stack has on the Docker Engine and in its Consul
  sweep      remove what a stack left on the Docker Engine
  simulate   replay a load through scaling policies and compare them

viot COMMAND -h lists the flags of a command.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "viot:", err)
		}
		os.Exit(1)
	}
}

// run carries out one command. It writes its result to stdout and the text of -h to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	commands := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"status": status, "inventory": inventory, "sweep": sweep, "simulate": simulateCommand,
		"explain": explain, "scale": scale, "pause": pause, "resume": resume, "hold": hold, "drain": drain, "policy": policy,
	}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return flag.ErrHelp
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprint(stderr, usage)
		return fmt.Errorf("there is no command %q", args[0])
	}
	return command(ctx, args[1:], stdout, stderr)
}
