package dispatch

import (
	"context"

	"github.com/viot-project/viot/cse/access"
	"github.com/viot-project/viot/cse/primitive"
	"github.com/viot-project/viot/cse/resource"
	"github.com/viot-project/viot/cse/store"
)

// behaviour is what requests on resources of one type do beyond what they do on all. Functions that are nil do nothing.
//
// Those with a context run before anything is locked: they may read the store and talk to others, and what they saw may have changed
// when the request takes effect. The others run inside the transaction, again if it is repeated: they are quick and without side
// effects.
type behaviour struct {
	// admit checks a create and completes what it was given.
	admit func(ctx context.Context, q *request, b *birth) error
	// build completes the resource r that is to be created in parent.
	build func(q *request, b *birth, r *resource.Resource, parent store.Node) error
	// born says what the creation of r brings with it.
	born func(q *request, parent store.Node, r resource.Resource) (store.Effects, error)
	// revise checks an update of n before it is carried out and completes what it was given.
	revise func(ctx context.Context, q *request, n store.Node, given resource.Attributes) error
	// change completes the change c of n, after which it has attributes.
	change func(q *request, n store.Node, attributes resource.Attributes, c *store.Change) error
	// changed says what the change of before to r brings with it.
	changed func(q *request, before store.Node, r resource.Resource) (store.Effects, error)
	// established follows the creation of r, when it has taken effect, and may change it; if it fails, r is deleted again. It is also
	// called when the same create comes again.
	established func(ctx context.Context, q *request, r resource.Resource) (resource.Resource, error)
	// updated and deleted follow requests for the originator of which something beyond is done at once, when they have taken effect.
	// What must not be missed is among the effects too.
	updated func(ctx context.Context, q *request, before, r resource.Resource)
	deleted func(ctx context.Context, q *request, r resource.Resource)
	// permit decides about access to n in place of the rules that hold for all types.
	permit func(q *request, who access.Request, n store.Node) error
	// taken is the answer to a create whose identifier is taken; nil is OriginatorHasAlreadyRegistered.
	taken *primitive.Error
	// notify carries out a notification to n, which the originator may send; nil refuses it.
	notify func(ctx context.Context, q *request, n store.Node) (primitive.Response, error)
	// show changes how n is about to be presented to the originator of a retrieve.
	show func(ctx context.Context, q *request, n *store.Node) error
	// gone says what the removal of r, which goes itself or with one above it, brings with it. It is called for types that
	// resource.Type.Farewell reports. It is not bound to a request: resources also expire.
	gone func(d *Dispatcher, r resource.Resource) (store.Effects, error)
}

// behaviours are those of the types that have one. They are set by init so that a behaviour may itself carry out requests.
var behaviours map[resource.Type]behaviour

func init() {
	behaviours = map[resource.Type]behaviour{
		resource.TypeCSEBase:                         cseBase,
		resource.TypeAE:                              applicationEntity,
		resource.TypeSubscription:                    severing(subscription),
		resource.TypeCrossResourceSubscription:       crossResourceSubscription,
		resource.TypeAction:                          action,
		resource.TypeDependency:                      dependency,
		resource.TypeTimeSyncBeacon:                  timeSyncBeacon,
		resource.TypeNotificationTargetMgmtPolicyRef: targetPolicyReference,
		resource.TypeNotificationTargetPolicy:        targetPolicy,
		resource.TypePolicyDeletionRules:             deletionRules,
		resource.TypeContainer:                       container,
		resource.TypeContentInstance:                 contentInstance,
		resource.TypePollingChannel:                  pollingChannel,
		resource.TypeRemoteCSE:                       remoteCSE,
		resource.TypeRequest:                         requestResource,
		resource.TypeGroup:                           group,
		resource.TypeFlexContainer:                   flexContainer,
		resource.TypeLocationPolicy:                  locationPolicy,
		resource.TypeEventConfig:                     eventConfig,
		resource.TypeStatsCollect:                    statsCollect,
		resource.TypeNode:                            node,
		resource.TypeSchedule:                        schedule,
		resource.TypeSemanticDescriptor:              semanticDescriptor,
		resource.TypeMgmtCmd:                         mgmtCmd,
		resource.TypeExecInstance:                    execInstance,
		resource.TypeMgmtObj:                         mgmtObj,
		resource.TypeTimeSeries:                      timeSeries,
		resource.TypeTimeSeriesInstance:              timeSeriesInstance,
	}
}

// points carry out the requests to virtual resources other than the edges of containers.
var points map[primitive.Point]func(ctx context.Context, q *request) (primitive.Response, error)

func init() {
	points = map[primitive.Point]func(ctx context.Context, q *request) (primitive.Response, error){
		primitive.FanOutPoint:                     fanOut,
		primitive.PollingChannelURI:               pollingChannelURI,
		primitive.NotificationTargetSelfReference: targetSelfReference,
	}
}

// birth is the creation of one resource while it is carried out.
type birth struct {
	t              resource.Type
	specialisation string
	given          resource.Attributes // as the originator sent them
	attributes     resource.Attributes // as they will be kept; a copy of given to begin with, without those that are fields of resource.Resource
	policies       []string            // identifiers that accessControlPolicyIDs name
	name           string              // resource name that the type demands; empty for the originator's choice
	id             string              // identifier that has been chosen already; empty if none
}
