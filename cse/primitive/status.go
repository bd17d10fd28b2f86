package primitive

// Status is a oneM2M response status code, TS-0004 clause 6.6.
type Status int

// The status codes of Release 2, and of later releases where their clients know them. Those of Release 2 are named as there, but for
// 4106, which Release 2 calls "originator has not registered".
const (
	// Accepted, of non-blocking requests.
	Accepted                  Status = 1000
	AcceptedNonBlockingSynch  Status = 1001
	AcceptedNonBlockingAsynch Status = 1002

	// The request succeeded.
	OK      Status = 2000
	Created Status = 2001
	Deleted Status = 2002
	Updated Status = 2004

	// The originator is at fault.
	BadRequest                                 Status = 4000
	ReleaseVersionNotSupported                 Status = 4001
	NotFound                                   Status = 4004
	OperationNotAllowed                        Status = 4005
	RequestTimeout                             Status = 4008
	UnsupportedMediaType                       Status = 4015
	SubscriptionCreatorHasNoPrivilege          Status = 4101
	ContentsUnacceptable                       Status = 4102
	OriginatorHasNoPrivilege                   Status = 4103
	GroupRequestIdentifierExists               Status = 4104
	Conflict                                   Status = 4105
	OriginatorNotAuthenticated                 Status = 4106
	SecurityAssociationRequired                Status = 4107
	InvalidChildResourceType                   Status = 4108
	NoMembers                                  Status = 4109
	GroupMemberTypeInconsistent                Status = 4110
	EsprimUnsupportedOption                    Status = 4111
	EsprimUnknownKeyID                         Status = 4112
	EsprimUnknownOrigRandID                    Status = 4113
	EsprimUnknownRecvRandID                    Status = 4114
	EsprimBadMAC                               Status = 4115
	EsprimImpersonationError                   Status = 4116
	OriginatorHasAlreadyRegistered             Status = 4117
	OntologyNotAvailable                       Status = 4118
	LinkedSemanticsNotAvailable                Status = 4119
	InvalidSemantics                           Status = 4120
	MashupMemberNotFound                       Status = 4121
	InvalidTriggerPurpose                      Status = 4122
	IllegalTransactionStateTransitionAttempted Status = 4123
	BlockingSubscriptionAlreadyExists          Status = 4124
	SpecializationSchemaNotFound               Status = 4125
	AppRuleValidationFailed                    Status = 4126
	OperationDeniedByRemoteEntity              Status = 4127
	ServiceSubscriptionNotEstablished          Status = 4128
	InvalidSPARQLQuery                         Status = 4143

	// The receiver is at fault.
	InternalServerError                      Status = 5000
	NotImplemented                           Status = 5001
	TargetNotReachable                       Status = 5103
	ReceiverHasNoPrivilege                   Status = 5105
	AlreadyExists                            Status = 5106
	RemoteEntityNotReachable                 Status = 5107
	TargetNotSubscribable                    Status = 5203
	SubscriptionVerificationInitiationFailed Status = 5204
	SubscriptionHostHasNoPrivilege           Status = 5205
	NonBlockingNotSupported                  Status = 5206
	NotAcceptable                            Status = 5207
	DiscoveryDeniedByIPE                     Status = 5208
	GroupMembersNotResponded                 Status = 5209
	EsprimDecryptionError                    Status = 5210
	EsprimEncryptionError                    Status = 5211
	SPARQLUpdateError                        Status = 5212
	TargetHasNoSessionCapability             Status = 5214
	SessionIsOnline                          Status = 5215
	JoinMulticastGroupFailed                 Status = 5216
	LeaveMulticastGroupFailed                Status = 5217
	TriggeringDisabledForRecipient           Status = 5218
	UnableToReplaceRequest                   Status = 5219
	UnableToRecallRequest                    Status = 5220
	CrossResourceOperationFailure            Status = 5221
	TransactionProcessingIsIncomplete        Status = 5222

	// Something outside the CSE, or its management, is at fault.
	ExternalObjectNotReachable                         Status = 6003
	ExternalObjectNotFound                             Status = 6005
	MaxNumberOfMemberExceeded                          Status = 6010
	MgmtSessionCannotBeEstablished                     Status = 6020
	MgmtSessionEstablishmentTimeout                    Status = 6021
	InvalidCmdType                                     Status = 6022
	InvalidArguments                                   Status = 6023
	InsufficientArguments                              Status = 6024
	MgmtConversionError                                Status = 6025
	MgmtCancellationFailed                             Status = 6026
	AlreadyComplete                                    Status = 6028
	MgmtCommandNotCancellable                          Status = 6029
	ExternalObjectNotReachableBeforeRequestExpiration  Status = 6030
	ExternalObjectNotReachableBeforeOperationExecution Status = 6031
)

// OK reports whether s says that the request succeeded or, being non-blocking, was accepted.
func (s Status) OK() bool { return s >= 1000 && s < 3000 }
