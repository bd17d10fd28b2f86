// Package spec holds the documents that the two halves of viot share: what the Pulumi side declares about a
// pool and what the orchestrator reports back, with the labels, names and Consul KV paths under which each is
// found. It is pure: values, validation and text, nothing that does I/O.
package spec

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Labels of every Docker object viot makes. An object without LabelStack is not ours and is never touched.
const (
	LabelStack    = "io.viot.stack"    // name of the Pulumi stack the object belongs to
	LabelRole     = "io.viot.role"     // what it is for: one of the Role constants
	LabelPool     = "io.viot.pool"     // pool of an instance; only on RoleInstance
	LabelTemplate = "io.viot.template" // Template.Hash an instance was started from; only on RoleInstance
	LabelSlice    = "io.viot.slice"    // network slice that an instance is in; only on RoleInstance of a pool with slices
)

// Roles, the values of LabelRole.
const (
	RoleInstance     = "instance" // one member of a pool, owned by the orchestrator
	RoleConsul       = "consul"
	RoleDatabase     = "database"
	RoleLoadBalancer = "load-balancer"
	RoleBalancer     = "balancer" // the load balancer's companion
	RoleOrchestrator = "orchestrator"
	RoleNetwork      = "network"
)

// Keys of the metadata an instance is registered with in Consul.
const (
	MetaStack          = "viot-stack"
	MetaPool           = "viot-pool"
	MetaTemplate       = "viot-template"
	MetaMaxConnections = "viot-max-connections" // Service.MaxConnections in decimal; absent when unlimited
)

// SliceTag is the tag that an instance in a slice is registered with in Consul.
func SliceTag(slice string) string { return "slice=" + slice }

// BuiltImage says whether an image is one that pulumi up builds for a stack, which no registry has.
func BuiltImage(stack, reference string) bool { return strings.HasPrefix(reference, "viot-"+stack+"/") }

// InstanceName is the one identity of an instance: its container name, its Consul service ID and its server name
// in the load balancer. Numbers count from 1 and are not used twice in the life of a pool.
func InstanceName(stack, pool string, number int) string {
	return "viot-" + stack + "-" + pool + "-" + strconv.Itoa(number)
}

// InstanceNumber is the inverse of InstanceName; ok is false for a name that is not of that stack and pool.
func InstanceNumber(stack, pool, name string) (number int, ok bool) {
	digits, ok := strings.CutPrefix(name, "viot-"+stack+"-"+pool+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || strconv.Itoa(n) != digits {
		return 0, false
	}
	return n, true
}

// Consul KV keys of one stack.
func root(stack string) string { return "viot/" + stack + "/" }

// RootKey is the prefix of every key viot keeps for a stack; it ends in a slash.
func RootKey(stack string) string { return root(stack) }

// PoolsKey is the prefix of all pool documents of a stack.
func PoolsKey(stack string) string { return root(stack) + "pools/" }

// PoolKey holds the Pool document, written by the Pulumi side only.
func PoolKey(stack, pool string) string { return PoolsKey(stack) + pool }

// StatusKey holds the Status document of a pool, written by the acting orchestrator only.
func StatusKey(stack, pool string) string { return root(stack) + "status/" + pool }

// DecisionsKey holds the newest decisions of a pool, written by the acting orchestrator only.
func DecisionsKey(stack, pool string) string { return root(stack) + "decisions/" + pool }

// AllDrainsKey is the prefix of the drain journals of all pools of a stack.
func AllDrainsKey(stack string) string { return root(stack) + "drains/" }

// DrainsKey is the prefix of a pool's drain journal: one key per instance that is being removed or is kept as a standby.
func DrainsKey(stack, pool string) string { return AllDrainsKey(stack) + pool + "/" }

// DrainKey is the drain journal entry of one instance.
func DrainKey(stack, pool, instance string) string { return DrainsKey(stack, pool) + instance }

// OverridesKey is the prefix of the overrides of all pools of a stack.
func OverridesKey(stack string) string { return root(stack) + "overrides/" }

// OverrideKey holds the Override document of a pool, written by an orchestrator's HTTP interface.
func OverrideKey(stack, pool string) string { return OverridesKey(stack) + pool }

// LearnedKey holds what the acting orchestrator has learnt about a pool's load, for its successor.
func LearnedKey(stack, pool string) string { return root(stack) + "learned/" + pool }

// RolloutKey holds the state of a pool's update, written by the acting orchestrator only.
func RolloutKey(stack, pool string) string { return root(stack) + "rollouts/" + pool }

// LeaderKey is locked by the session of the acting orchestrator.
func LeaderKey(stack string) string { return root(stack) + "leader" }

// Duration is a time.Duration that reads and writes as text such as "1m30s" in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration %q: want a number with a unit, such as 500ms, 10s or 2m", text)
	}
	*d = Duration(v)
	return nil
}

// String is time.Duration's text form.
func (d Duration) String() string { return time.Duration(d).String() }
