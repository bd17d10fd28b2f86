package primitive

import (
	"errors"
	"fmt"
	"time"
)

// Error is a request that failed in a way its originator may see.
type Error struct {
	Status     Status
	Detail     string        // sent to the originator as m2m:dbg
	Err        error         // logged, never sent; may be nil
	RetryAfter time.Duration // when a retry may succeed; zero if never said
}

// Errorf makes an Error whose detail is formatted as by fmt.Sprintf.
func Errorf(s Status, format string, args ...any) *Error {
	return &Error{Status: s, Detail: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%d: %s: %v", e.Status, e.Detail, e.Err)
	}
	return fmt.Sprintf("%d: %s", e.Status, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an Error; one that is not becomes an internal server error whose cause is only logged.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: InternalServerError, Detail: "internal error", Err: err}
}
