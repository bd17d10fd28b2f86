package primitive

// Status is a oneM2M response status code, TS-0004 clause 6.6.
type Status int

// The status codes this CSE answers with.
const (
	OK                             Status = 2000
	Created                        Status = 2001
	Deleted                        Status = 2002
	Updated                        Status = 2004
	BadRequest                     Status = 4000
	ReleaseVersionNotSupported     Status = 4001
	NotFound                       Status = 4004
	OperationNotAllowed            Status = 4005
	RequestTimeout                 Status = 4008
	UnsupportedMediaType           Status = 4015
	OriginatorHasNoPrivilege       Status = 4103
	Conflict                       Status = 4105
	SecurityAssociationRequired    Status = 4107
	InvalidChildResourceType       Status = 4108
	OriginatorHasAlreadyRegistered Status = 4117
	AppRuleValidationFailed        Status = 4126
	InternalServerError            Status = 5000
	NotImplemented                 Status = 5001
	TargetNotReachable             Status = 5103
	NonBlockingNotSupported        Status = 5206
	NotAcceptable                  Status = 5207
)

// OK reports whether s says that the request succeeded.
func (s Status) OK() bool { return s >= 2000 && s < 3000 }
