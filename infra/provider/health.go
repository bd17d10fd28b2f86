package provider

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/viot-project/viot/infra/docker"
)

const (
	defaultHealthTimeout  = 60 * time.Second
	defaultHealthInterval = 50 * time.Millisecond

	probeTimeout  = 2 * time.Second // of one look
	refreshProbes = 3               // how often a refresh looks before it calls a container unhealthy
	crashLimit    = 5               // how often a container may end and be restarted before that is its answer
	logLines      = 20              // shown of a container that failed
)

// prober looks at containers without following redirects or keeping connections.
var prober = &http.Client{
	Timeout:       probeTimeout,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// waitHealthy blocks until a started container is healthy. Its error says what was wrong when last looked at, whether
// and how the container ended, and what it logged.
func waitHealthy(ctx context.Context, in ContainerArgs, id string) error {
	timeout, interval := defaultHealthTimeout, defaultHealthInterval
	if in.HealthCheck != nil {
		timeout, interval = orDefault(in.HealthCheck.Timeout, timeout), orDefault(in.HealthCheck.Interval, interval)
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	last := "it was not looked at"
	for {
		found, err := engine(ctx).InspectContainer(waiting, id)
		switch {
		case waiting.Err() != nil:
		case err != nil:
			return err
		case ended(in, found):
			return unhealthy(ctx, in, found.ID, fmt.Sprintf("it %s", ending(found)))
		default:
			err := probe(waiting, in.HealthCheck, found)
			if err == nil {
				return nil
			}
			if waiting.Err() == nil {
				last = err.Error()
			}
		}
		select {
		case <-tick.C:
		case <-waiting.Done():
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("wait for container %s to become healthy: %w; it is kept, and the next update goes on with it", in.Name, err)
			}
			return unhealthy(ctx, in, id, fmt.Sprintf("after %s: %s", timeout, last))
		}
	}
}

// ended says whether a container has ended for good: by itself without a restart policy, or again and again.
func ended(in ContainerArgs, c docker.Container) bool {
	if c.Restarts >= crashLimit {
		return true
	}
	restarts := in.Restart == string(docker.RestartAlways) || in.Restart == string(docker.RestartUnlessStopped) ||
		in.Restart == string(docker.RestartOnFailure) && c.ExitCode != 0
	return !restarts && (c.State == docker.Exited || c.State == docker.Dead)
}

func ending(c docker.Container) string {
	text := fmt.Sprintf("ended with exit code %d", c.ExitCode)
	if c.OOMKilled {
		text += ", out of memory"
	}
	if c.Restarts > 0 {
		text += fmt.Sprintf(", and %d times before", c.Restarts)
	}
	if c.Error != "" {
		text += ": " + c.Error
	}
	return text
}

// unhealthy is the error of a container that did not become healthy, with the end of its log.
func unhealthy(ctx context.Context, in ContainerArgs, id, why string) error {
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	return fmt.Errorf("container %s is not healthy: %s\n%s", in.Name, why, logTail(ctx, engine(ctx), id))
}

// logTail is the end of a container's log, for an error message.
func logTail(ctx context.Context, engine *docker.Client, id string) string {
	lines, err := engine.Logs(ctx, id, logLines)
	switch {
	case err != nil:
		return err.Error()
	case len(lines) == 0:
		return "it logged nothing"
	}
	return "the last lines of its log:\n  " + strings.Join(lines, "\n  ")
}

// probe looks once whether a container is healthy and says why not.
func probe(ctx context.Context, check *HealthCheck, c docker.Container) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	switch {
	case c.State != docker.Running:
		return fmt.Errorf("it is %s", c.State)
	case check == nil:
		return nil
	case check.HTTP != nil:
		return probeHTTP(ctx, *check.HTTP, c)
	case check.TCP != nil:
		return probeTCP(ctx, *check.TCP, c)
	}
	code, output, err := engine(ctx).Exec(ctx, c.ID, check.Exec)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("%q ended with exit code %d: %s", check.Exec, code, strings.TrimSpace(output))
	}
	return nil
}

func probeHTTP(ctx context.Context, check HTTPCheck, c docker.Container) error {
	address, err := reach(c, check.Port)
	if err != nil {
		return err
	}
	url := "http://" + address + check.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := prober.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("GET %s answered %s", url, resp.Status)
	}
	return nil
}

// probeTCP connects to the container itself where it can: the engine's proxy for a published port accepts at once.
func probeTCP(ctx context.Context, check TCPCheck, c docker.Container) error {
	itself := c
	if runtime.GOOS == "linux" {
		itself.Ports = nil
	}
	address, err := reach(itself, check.Port)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// reach is the address under which this machine reaches a container's port: the published one, else the container's.
func reach(c docker.Container, port int) (string, error) {
	for _, p := range c.Ports {
		if p.ContainerPort != port || p.HostPort == 0 {
			continue
		}
		host := p.HostAddress
		if addr := net.ParseIP(host); host == "" || addr != nil && addr.IsUnspecified() {
			host = "127.0.0.1"
		}
		return net.JoinHostPort(host, strconv.Itoa(p.HostPort)), nil
	}
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("port %d is not published, and only Linux reaches a container's own address: publish it", port)
	}
	address := ip(c)
	if address == "" {
		return "", fmt.Errorf("it has no address yet")
	}
	return net.JoinHostPort(address, strconv.Itoa(port)), nil
}

// statusOf looks at a container for a refresh.
func statusOf(ctx context.Context, in ContainerArgs, c docker.Container) string {
	if c.State != docker.Running {
		return statusStopped
	}
	for range refreshProbes {
		if probe(ctx, in.HealthCheck, c) == nil {
			return statusHealthy
		}
		select {
		case <-ctx.Done():
		case <-time.After(defaultHealthInterval):
		}
	}
	return statusUnhealthy
}
