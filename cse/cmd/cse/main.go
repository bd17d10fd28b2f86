// Command cse is one instance of the viot CSE. Alone it keeps its resources in an SQLite file; several instances share a
// PostgreSQL database.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/viot-project/viot/cse"
	"github.com/viot-project/viot/cse/store/sqlstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cse:", err)
		os.Exit(1)
	}
}

// spare is memory that is never touched, and so takes none. The garbage collector, which waits until there is as much garbage as there is
// in use, takes it for used: with the few MiB that an instance needs it would run many times a second under load.
const spare = 16 << 20

// run wires the daemon and blocks until ctx ends and the drain is over, or a part fails.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) (err error) {
	untouched := make([]byte, spare)
	defer runtime.KeepAlive(untouched)
	config, err := cse.ParseConfig(args, getenv, stderr)
	if err != nil {
		return err
	}
	log := hclog.New(&hclog.LoggerOptions{
		Name: "cse", Level: hclog.LevelFromString(config.LogLevel), Output: stderr, JSONFormat: config.LogFormat == "json",
	})
	password, passwordErr := config.StorePassword()
	resources, storeErr := sqlstore.Open(config.Store, sqlstore.Options{Connections: config.StoreConnections, Password: password,
		Notice: func(what string, why error) { log.Warn(what, "error", why) }})
	if storeErr != nil {
		storeErr = fmt.Errorf("-store: %w", storeErr)
	}
	if err := errors.Join(passwordErr, storeErr); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resources.Close()) }()
	if config.Federation.Withdraw {
		server := cse.New(config, resources, log)
		if err := server.Prepare(ctx); err != nil {
			return err
		}
		return server.Withdraw(ctx)
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	log.Info("listening", "address", listener.Addr(), "store", sqlstore.Redact(config.Store),
		"try", fmt.Sprintf("curl -H 'X-M2M-Origin: %s' -H 'X-M2M-RI: 1' http://%s/%s", config.Admin, local(listener.Addr()), config.CSEName))
	return cse.New(config, resources, log).Serve(ctx, listener)
}

// local is addr as it can be reached from this machine.
func local(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}
