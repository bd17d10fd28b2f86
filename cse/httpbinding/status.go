package httpbinding

import (
	"net/http"

	"github.com/viot-project/viot/cse/primitive"
)

// statuses maps response status codes to HTTP, TS-0009 table 6.3.2-1. It is the only such table.
var statuses = map[primitive.Status]int{
	primitive.OK:                             http.StatusOK,
	primitive.Created:                        http.StatusCreated,
	primitive.Deleted:                        http.StatusOK,
	primitive.Updated:                        http.StatusOK,
	primitive.BadRequest:                     http.StatusBadRequest,
	primitive.ReleaseVersionNotSupported:     http.StatusNotImplemented,
	primitive.NotFound:                       http.StatusNotFound,
	primitive.OperationNotAllowed:            http.StatusMethodNotAllowed,
	primitive.RequestTimeout:                 http.StatusGatewayTimeout,
	primitive.UnsupportedMediaType:           http.StatusUnsupportedMediaType,
	primitive.OriginatorHasNoPrivilege:       http.StatusForbidden,
	primitive.Conflict:                       http.StatusConflict,
	primitive.SecurityAssociationRequired:    http.StatusForbidden,
	primitive.InvalidChildResourceType:       http.StatusForbidden,
	primitive.OriginatorHasAlreadyRegistered: http.StatusForbidden,
	primitive.AppRuleValidationFailed:        http.StatusForbidden,
	primitive.InternalServerError:            http.StatusInternalServerError,
	primitive.NotImplemented:                 http.StatusNotImplemented,
	primitive.TargetNotReachable:             http.StatusNotFound,
	primitive.NonBlockingNotSupported:        http.StatusNotImplemented,
	primitive.NotAcceptable:                  http.StatusNotAcceptable,
}

// httpStatus is the HTTP status for a response. A failure that a retry may cure is 503, so that proxies honour Retry-After.
func httpStatus(r primitive.Response) int {
	if r.RetryAfter > 0 {
		return http.StatusServiceUnavailable
	}
	if s, ok := statuses[r.Status]; ok {
		return s
	}
	return http.StatusInternalServerError
}
