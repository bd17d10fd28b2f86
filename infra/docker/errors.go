package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/viot-project/viot/infra/spec"
)

// What an engine's refusal means, for errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrNameTaken   = errors.New("name taken")         // see NameTakenError
	ErrPortTaken   = errors.New("port taken")         // see PortTakenError
	ErrNoSpace     = errors.New("no space left")      // where the engine keeps its data
	ErrInUse       = errors.New("in use")             // cannot be removed yet
	ErrUnavailable = errors.New("engine unavailable") // the engine did not answer
)

// NameTakenError says who has the name that was asked for. It is ErrNameTaken.
type NameTakenError struct {
	Kind   string            // container, network or volume
	Name   string            // what was asked for
	ID     string            // of the owner of the name; empty when that is gone again
	Labels map[string]string // of the owner of the name
}

func (e *NameTakenError) Error() string {
	who := "with labels of its own"
	if len(e.Labels) == 0 {
		who = "without labels"
	}
	if stack := e.Labels[spec.LabelStack]; stack != "" {
		who = "of stack " + stack
	}
	return fmt.Sprintf("%s name %s is taken by a %s %s (id %.12s): remove or rename it, or choose another name", e.Kind, e.Name, e.Kind, who, e.ID)
}

// Is makes a NameTakenError an ErrNameTaken.
func (e *NameTakenError) Is(target error) bool { return target == ErrNameTaken }

// PortTakenError names the address another program or container listens on. It is ErrPortTaken.
type PortTakenError struct {
	Address string // host address and port such as 127.0.0.1:8080; empty when the engine did not say
	Err     error  // what the engine said
}

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("port %s is in use by another program", e.Address)
}

// Is makes a PortTakenError an ErrPortTaken.
func (e *PortTakenError) Is(target error) bool { return target == ErrPortTaken }

// Unwrap returns what the engine said.
func (e *PortTakenError) Unwrap() error { return e.Err }

// engineError is an engine's refusal together with what it means.
type engineError struct {
	kind error
	err  error
}

func (e *engineError) Error() string {
	text := plain(e.err)
	if e.kind == ErrNoSpace {
		text += " (make room where Docker keeps its data; `docker system df` shows what uses it)"
	}
	return text
}

func (e *engineError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.err}
	}
	return []error{e.kind, e.err}
}

var (
	prefixRE = regexp.MustCompile(`^(Error response from daemon: |Error: |error during connect: )+`)
	bindRE   = regexp.MustCompile(`(?:Bind for|listen \w+) (\S+:\d+)`)
)

// plain is what the engine said as one of our errors says it: no prefix and no capital.
func plain(err error) string {
	text := prefixRE.ReplaceAllString(err.Error(), "")
	first, size := utf8.DecodeRuneInString(text)
	if second, _ := utf8.DecodeRuneInString(text[size:]); unicode.IsUpper(second) {
		return text
	}
	return string(unicode.ToLower(first)) + text[size:]
}

// classify is the one place where an engine's error gets its meaning: by the class of its answer, and by its text only
// where the class says nothing. onConflict is what a conflict means to the call; nil when it means nothing in particular.
func classify(err, onConflict error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	text := err.Error()
	var netErr net.Error
	switch {
	case strings.Contains(text, "no space left on device"):
		return &engineError{ErrNoSpace, err}
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		taken := &PortTakenError{Err: err}
		if m := bindRE.FindStringSubmatch(text); m != nil {
			taken.Address = m[1]
		}
		return taken
	case strings.Contains(text, "has active endpoints"):
		return &engineError{ErrInUse, err}
	case cerrdefs.IsNotFound(err):
		return &engineError{ErrNotFound, err}
	case cerrdefs.IsConflict(err) && onConflict != nil:
		return &engineError{onConflict, err}
	case client.IsErrConnectionFailed(err), errors.As(err, &netErr), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &engineError{ErrUnavailable, err}
	}
	return &engineError{nil, err}
}
