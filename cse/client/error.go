package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Status is a oneM2M response status code, TS-0004 clause 6.6. Zero is none: the answer did not come from a CSE.
type Status int

// The status codes an application may want to tell apart; others are possible.
const (
	StatusAccepted                 Status = 1000
	StatusOK                       Status = 2000
	StatusCreated                  Status = 2001
	StatusDeleted                  Status = 2002
	StatusUpdated                  Status = 2004
	StatusBadRequest               Status = 4000
	StatusNotFound                 Status = 4004
	StatusOperationNotAllowed      Status = 4005
	StatusRequestTimeout           Status = 4008
	StatusUnsupportedMediaType     Status = 4015
	StatusSubscriptionCreator      Status = 4101 // SUBSCRIPTION_CREATOR_HAS_NO_PRIVILEGE
	StatusContentsUnacceptable     Status = 4102
	StatusOriginatorHasNoPrivilege Status = 4103
	StatusConflict                 Status = 4105
	StatusSecurityAssociation      Status = 4107 // SECURITY_ASSOCIATION_REQUIRED
	StatusInvalidChildResourceType Status = 4108
	StatusAlreadyRegistered        Status = 4117 // ORIGINATOR_HAS_ALREADY_REGISTERED
	StatusAppRuleValidationFailed  Status = 4126
	StatusInternalServerError      Status = 5000
	StatusNotImplemented           Status = 5001
	StatusTargetNotReachable       Status = 5103
	StatusReceiverHasNoPrivilege   Status = 5105
	StatusAlreadyExists            Status = 5106
	StatusRemoteNotReachable       Status = 5107 // REMOTE_ENTITY_NOT_REACHABLE
	StatusVerificationFailed       Status = 5204 // SUBSCRIPTION_VERIFICATION_INITIATION_FAILED
	StatusSubscriptionHost         Status = 5205 // SUBSCRIPTION_HOST_HAS_NO_PRIVILEGE
	StatusNotAcceptable            Status = 5207
)

// OK reports whether s says that the request succeeded, or was accepted to be carried out later.
func (s Status) OK() bool { return s >= 1000 && s < 3000 }

// What requests fail with, for errors.Is. An *Error has the details.
var (
	ErrBadRequest        = errors.New("bad request")            // the CSE does not accept the content or a parameter
	ErrForbidden         = errors.New("no privilege")           // the originator may not do that
	ErrNotFound          = errors.New("not found")              // there is no such resource
	ErrNotAllowed        = errors.New("operation not allowed")  // not for this resource, whoever asks
	ErrConflict          = errors.New("conflict")               // the name is taken
	ErrAlreadyRegistered = errors.New("already registered")     // the originator has an AE already
	ErrNotImplemented    = errors.New("not implemented")        // this CSE cannot do that
	ErrNotReachable      = errors.New("target not reachable")   // another CSE or AE that is needed does not answer
	ErrTimeout           = errors.New("request timeout")        // the request expired before it was carried out
	ErrUnavailable       = errors.New("temporarily not served") // a later repetition may succeed
)

// kinds are the status codes of each sentinel.
var kinds = map[error][]Status{
	ErrBadRequest: {StatusBadRequest, StatusContentsUnacceptable, StatusUnsupportedMediaType, StatusNotAcceptable},
	ErrForbidden: {
		StatusSubscriptionCreator, StatusOriginatorHasNoPrivilege, StatusSecurityAssociation, StatusAppRuleValidationFailed,
		StatusReceiverHasNoPrivilege, StatusSubscriptionHost,
	},
	ErrNotFound:          {StatusNotFound},
	ErrNotAllowed:        {StatusOperationNotAllowed, StatusInvalidChildResourceType},
	ErrConflict:          {StatusConflict, StatusAlreadyExists},
	ErrAlreadyRegistered: {StatusAlreadyRegistered},
	ErrNotImplemented:    {StatusNotImplemented},
	ErrNotReachable:      {StatusTargetNotReachable, StatusRemoteNotReachable, StatusVerificationFailed},
	ErrTimeout:           {StatusRequestTimeout},
}

// Error is an answer that says the request failed.
type Error struct {
	Operation  Operation
	To         string
	Status     Status        // zero if the answer has none, as one from a proxy
	HTTPStatus int           // of the HTTP response; zero if the failure did not come over HTTP
	Debug      string        // what the CSE says about it (m2m:dbg), or the beginning of an answer that is not oneM2M
	RetryAfter time.Duration // when the CSE says a repetition may succeed; zero if it does not
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Operation, e.To)
	if e.Status == 0 {
		fmt.Fprintf(&b, "no oneM2M status (HTTP %d)", e.HTTPStatus)
	} else {
		fmt.Fprintf(&b, "%d (HTTP %d)", e.Status, e.HTTPStatus)
	}
	if e.Debug != "" {
		b.WriteString(": " + e.Debug)
	}
	return b.String()
}

// Is reports whether e is of the kind target, one of the sentinels of this package.
func (e *Error) Is(target error) bool {
	if target == ErrUnavailable {
		return e.HTTPStatus == 502 || e.HTTPStatus == 503 || e.RetryAfter > 0 || e.Status == 0 && e.HTTPStatus == 504
	}
	return slices.Contains(kinds[target], e.Status)
}

// encodeError is a value that JSON cannot carry.
type encodeError struct {
	what string
	err  error
}

func (e *encodeError) Error() string { return "encode " + e.what + ": " + e.err.Error() }
func (e *encodeError) Unwrap() error { return e.err }

// maxDebug bounds what is kept of an answer that is not oneM2M.
const maxDebug = 200

// debug is the error text of an answer.
func debug(body []byte) string {
	var content struct {
		Debug any `json:"m2m:dbg"`
	}
	if json.Unmarshal(body, &content) == nil && content.Debug != nil {
		return fmt.Sprint(content.Debug)
	}
	text := strings.Join(strings.Fields(string(body)), " ")
	if len(text) > maxDebug {
		text = text[:maxDebug]
		for !utf8.ValidString(text) && len(text) > maxDebug-utf8.UTFMax {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	return text
}
