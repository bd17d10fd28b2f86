#!/usr/bin/env bash
# Runs the tests: all (default), unit, conformance (a part of unit), e2e, chaos or lint. Needs Go, Docker and, for crashing processes, root.
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/tools/lib.sh
what=${1:-all}
need_go

race=
if command -v gcc >/dev/null && [ "$(go env CGO_ENABLED)" = 1 ]; then
	race=-race
else
	say "no C compiler: the tests run without the race detector"
fi

lint() {
	say "lint: formatting, vet, module files, generated SDK"
	local unformatted
	unformatted=$(gofmt -l $(git ls-files '*.go'))
	[ -z "$unformatted" ] || fail "gofmt wants these formatted: $unformatted"
	go vet ./...
	# Pulumi's Go language host lists all modules, which adds lines to go.sum that no build needs. They are kept there, so
	# that make up leaves the file alone, and go mod tidy may want them away. A line that is missing fails the build.
	if go mod tidy -diff 2>&1 | grep -E '^\+|^--- current/go\.mod' | grep -v '^+++'; then
		fail "go.mod or go.sum is not tidy: run go mod tidy"
	fi
	go run ./infra/cmd/gen-sdk -check
}

unit() {
	engines
	say "unit, contract and provider life-cycle tests"
	go test $race -count=1 -timeout 20m $(go list ./... | grep -v -e /test/e2e -e /test/chaos -e /test/bench -e /test/conformance)
	clauses
}

conformance() {
	engines
	clauses -v
}

# clauses runs the conformance tests. SQLite is C translated to Go, which the race detector slows down until cases run out of the time
# that requests have; so the cases on it run without, and those on PostgreSQL with it.
clauses() {
	say "oneM2M conformance: every case on SQLite, on PostgreSQL and on a pool of three instances"
	go test -count=1 -timeout 20m "$@" -run '^TestConformance$/^sqlite$' ./test/conformance
	go test $race -count=1 -timeout 20m "$@" -skip '^TestConformance$/^sqlite$' ./test/conformance
}

stacks() { # what tests with stacks of their own need
	infra/tools/programs.sh .viot/bin
	infra/tools/tools.sh .viot/bin
	eval "$(infra/tools/env.sh .viot/bin)"
}

e2e() {
	stacks
	say "end to end: a stack from nothing to nothing (about 5 min)"
	go test -count=1 -timeout 60m -v ./test/e2e
}

chaos() {
	engines
	stacks
	say "chaos: parts of a stack killed, frozen, hung and starved under load, disks filled (${VIOT_CHAOS_KILLS:-6} kills)"
	go test -count=1 -timeout 150m -v ./test/chaos
}

case "$what" in
all) lint; unit; e2e ;;
unit) unit ;;
conformance) conformance ;;
e2e) e2e ;;
chaos) chaos ;;
lint) lint ;;
*) fail "usage: test.sh [all|unit|conformance|e2e|chaos|lint]" ;;
esac
