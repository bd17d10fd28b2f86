package docker

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// maxOutput bounds what Exec keeps of a command's output, in bytes.
const maxOutput = 64 << 10

// Exec runs a command in a running container and returns its exit code and the beginning of its standard output and
// error, interleaved. Errors: ErrNotFound.
func (c *Client) Exec(ctx context.Context, id string, command []string) (exitCode int, output string, err error) {
	fail := func(err error) (int, string, error) {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return 0, "", fmt.Errorf("run %q in container %.12s: %w", command, id, classify(err, nil))
	}
	made, err := c.api.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return fail(err)
	}
	stream, err := c.api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return fail(err)
	}
	closeStream := sync.OnceFunc(stream.Close)
	defer closeStream()
	defer context.AfterFunc(ctx, closeStream)()
	out := &head{left: maxOutput}
	if _, err := stdcopy.StdCopy(out, out, stream.Reader); err != nil {
		return fail(err)
	}
	done, err := c.api.ContainerExecInspect(ctx, made.ID)
	if err != nil {
		return fail(err)
	}
	return done.ExitCode, out.kept.String(), nil
}

// head keeps the beginning of what is written to it.
type head struct {
	kept bytes.Buffer
	left int
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.left)
	h.kept.Write(p[:n])
	h.left -= n
	return len(p), nil
}

// Logs returns the last lines a container wrote to standard output and error, oldest first. Errors: ErrNotFound.
func (c *Client) Logs(ctx context.Context, id string, lines int) ([]string, error) {
	fail := func(err error) ([]string, error) {
		return nil, fmt.Errorf("read logs of container %.12s: %w", id, classify(err, nil))
	}
	stream, err := c.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines)})
	if err != nil {
		return fail(err)
	}
	defer stream.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		return fail(err)
	}
	return splitLines(&text), nil
}

func splitLines(r io.Reader) []string {
	var lines []string
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	return lines
}
