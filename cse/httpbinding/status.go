package httpbinding

import (
	"net/http"

	"github.com/viot-project/viot/cse/primitive"
)

// statuses maps response status codes to HTTP, TS-0009 table 6.3.2-1. It is the only such table.
var statuses = map[primitive.Status]int{
	primitive.Accepted:                                           http.StatusAccepted,
	primitive.AcceptedNonBlockingSynch:                           http.StatusAccepted,
	primitive.AcceptedNonBlockingAsynch:                          http.StatusAccepted,
	primitive.OK:                                                 http.StatusOK,
	primitive.Created:                                            http.StatusCreated,
	primitive.Deleted:                                            http.StatusOK,
	primitive.Updated:                                            http.StatusOK,
	primitive.BadRequest:                                         http.StatusBadRequest,
	primitive.ReleaseVersionNotSupported:                         http.StatusNotImplemented,
	primitive.NotFound:                                           http.StatusNotFound,
	primitive.OperationNotAllowed:                                http.StatusMethodNotAllowed,
	primitive.RequestTimeout:                                     http.StatusGatewayTimeout,
	primitive.UnsupportedMediaType:                               http.StatusUnsupportedMediaType,
	primitive.SubscriptionCreatorHasNoPrivilege:                  http.StatusForbidden,
	primitive.ContentsUnacceptable:                               http.StatusBadRequest,
	primitive.OriginatorHasNoPrivilege:                           http.StatusForbidden,
	primitive.GroupRequestIdentifierExists:                       http.StatusConflict,
	primitive.Conflict:                                           http.StatusConflict,
	primitive.OriginatorNotAuthenticated:                         http.StatusForbidden,
	primitive.SecurityAssociationRequired:                        http.StatusForbidden,
	primitive.InvalidChildResourceType:                           http.StatusForbidden,
	primitive.NoMembers:                                          http.StatusForbidden,
	primitive.GroupMemberTypeInconsistent:                        http.StatusBadRequest,
	primitive.EsprimUnsupportedOption:                            http.StatusForbidden,
	primitive.EsprimUnknownKeyID:                                 http.StatusForbidden,
	primitive.EsprimUnknownOrigRandID:                            http.StatusForbidden,
	primitive.EsprimUnknownRecvRandID:                            http.StatusForbidden,
	primitive.EsprimBadMAC:                                       http.StatusForbidden,
	primitive.EsprimImpersonationError:                           http.StatusForbidden,
	primitive.OriginatorHasAlreadyRegistered:                     http.StatusForbidden,
	primitive.OntologyNotAvailable:                               http.StatusNotFound,
	primitive.LinkedSemanticsNotAvailable:                        http.StatusNotFound,
	primitive.InvalidSemantics:                                   http.StatusBadRequest,
	primitive.MashupMemberNotFound:                               http.StatusNotFound,
	primitive.InvalidTriggerPurpose:                              http.StatusBadRequest,
	primitive.IllegalTransactionStateTransitionAttempted:         http.StatusBadRequest,
	primitive.BlockingSubscriptionAlreadyExists:                  http.StatusConflict,
	primitive.SpecializationSchemaNotFound:                       http.StatusNotImplemented,
	primitive.AppRuleValidationFailed:                            http.StatusForbidden,
	primitive.OperationDeniedByRemoteEntity:                      http.StatusForbidden,
	primitive.ServiceSubscriptionNotEstablished:                  http.StatusForbidden,
	primitive.InvalidSPARQLQuery:                                 http.StatusBadRequest,
	primitive.InternalServerError:                                http.StatusInternalServerError,
	primitive.NotImplemented:                                     http.StatusNotImplemented,
	primitive.TargetNotReachable:                                 http.StatusNotFound,
	primitive.ReceiverHasNoPrivilege:                             http.StatusForbidden,
	primitive.AlreadyExists:                                      http.StatusConflict,
	primitive.RemoteEntityNotReachable:                           http.StatusNotFound,
	primitive.TargetNotSubscribable:                              http.StatusForbidden,
	primitive.SubscriptionVerificationInitiationFailed:           http.StatusInternalServerError,
	primitive.SubscriptionHostHasNoPrivilege:                     http.StatusForbidden,
	primitive.NonBlockingNotSupported:                            http.StatusNotImplemented,
	primitive.NotAcceptable:                                      http.StatusNotAcceptable,
	primitive.DiscoveryDeniedByIPE:                               http.StatusForbidden,
	primitive.GroupMembersNotResponded:                           http.StatusInternalServerError,
	primitive.EsprimDecryptionError:                              http.StatusInternalServerError,
	primitive.EsprimEncryptionError:                              http.StatusInternalServerError,
	primitive.SPARQLUpdateError:                                  http.StatusInternalServerError,
	primitive.TargetHasNoSessionCapability:                       http.StatusForbidden,
	primitive.SessionIsOnline:                                    http.StatusForbidden,
	primitive.JoinMulticastGroupFailed:                           http.StatusInternalServerError,
	primitive.LeaveMulticastGroupFailed:                          http.StatusInternalServerError,
	primitive.TriggeringDisabledForRecipient:                     http.StatusForbidden,
	primitive.UnableToReplaceRequest:                             http.StatusConflict,
	primitive.UnableToRecallRequest:                              http.StatusConflict,
	primitive.CrossResourceOperationFailure:                      http.StatusInternalServerError,
	primitive.TransactionProcessingIsIncomplete:                  http.StatusForbidden,
	primitive.ExternalObjectNotReachable:                         http.StatusNotFound,
	primitive.ExternalObjectNotFound:                             http.StatusNotFound,
	primitive.MaxNumberOfMemberExceeded:                          http.StatusBadRequest,
	primitive.MgmtSessionCannotBeEstablished:                     http.StatusInternalServerError,
	primitive.MgmtSessionEstablishmentTimeout:                    http.StatusInternalServerError,
	primitive.InvalidCmdType:                                     http.StatusBadRequest,
	primitive.InvalidArguments:                                   http.StatusBadRequest,
	primitive.InsufficientArguments:                              http.StatusBadRequest,
	primitive.MgmtConversionError:                                http.StatusInternalServerError,
	primitive.MgmtCancellationFailed:                             http.StatusInternalServerError,
	primitive.AlreadyComplete:                                    http.StatusConflict,
	primitive.MgmtCommandNotCancellable:                          http.StatusConflict,
	primitive.ExternalObjectNotReachableBeforeRequestExpiration:  http.StatusGatewayTimeout,
	primitive.ExternalObjectNotReachableBeforeOperationExecution: http.StatusGatewayTimeout,
}

// httpStatus is the HTTP status for a response. A failure that a retry may cure is 503, so that proxies honour Retry-After.
func httpStatus(r primitive.Response) int {
	if r.RetryAfter > 0 && r.Status/1000 == 4 {
		return http.StatusTooManyRequests
	}
	if r.RetryAfter > 0 {
		return http.StatusServiceUnavailable
	}
	if s, ok := statuses[r.Status]; ok {
		return s
	}
	return http.StatusInternalServerError
}
