package spec

import (
	"slices"
	"strings"
	"time"
)

// Status is what the acting orchestrator reports about a pool under StatusKey, on change and at least every
// 10 s. A reader trusts the counts when ObservedIndex is at least the index of the document it wrote.
type Status struct {
	Pool          string    `json:"pool"`
	ObservedIndex uint64    `json:"observedIndex"` // Consul ModifyIndex of the pool document acted on
	Template      string    `json:"template"`      // Template.Hash of that document
	Desired       int       `json:"desired"`       // size decided on
	Ready         int       `json:"ready"`         // passing their check and registered
	Updated       int       `json:"updated"`       // ready and of the current template
	Booting       int       `json:"booting"`
	Draining      int       `json:"draining"`
	Standby       int       `json:"standby,omitempty"`  // warm, not in service
	Rollout       string    `json:"rollout,omitempty"`  // state of an update in words; empty when none is under way
	Override      string    `json:"override,omitempty"` // what an operator has asked for, in words; empty when nothing
	Next          int       `json:"next"`               // number of the next instance to start
	Cause         string    `json:"cause"`              // why the size is what it is, newest decision
	Problem       string    `json:"problem,omitempty"`  // what keeps the pool from being as declared; empty when nothing does
	Leader        string    `json:"leader"`             // name of the orchestrator that wrote this
	UpdatedAt     time.Time `json:"updatedAt"`
}

// sorted orders problems by their text, so that a message reads the same every time.
func sorted(problems []error) []error {
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}
