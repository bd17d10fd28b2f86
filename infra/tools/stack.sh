#!/usr/bin/env bash
# Drives the stack $STACK with Pulumi: up, preview, refresh, down, status, demo, clean. One at a time per checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/tools/lib.sh
action=${1:?usage: stack.sh up|preview|refresh|down|status|demo|clean}
stack=${STACK-dev}

# An empty name is refused like any other bad one: whoever meant another stack must not change dev.
if ((${#stack} > 40)) || ! [[ $stack =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]]; then
	fail "STACK=$stack: want 1 to 40 lower-case letters, digits and dashes, a letter first and no dash last"
fi
settings=$(infra/tools/env.sh .viot/bin) || exit 1
eval "$settings"
export PULUMI_STACK="$stack"

# alone lets one changing command run at a time; a second one is told at once instead of meeting Pulumi's lock.
alone() {
	mkdir -p .viot
	exec 9>".viot/lock"
	flock -n 9 || fail "another make up, down or refresh is at work in this folder; wait for it to end, then run this again"
}

# What Pulumi starts may outlive a run that is killed, and must not keep its lock.
pulumi() { command pulumi "$@" 9>&-; }

local_backend() { case "${PULUMI_BACKEND_URL:-}" in file://*) true ;; *) false ;; esac; }

stack_exists() { pulumi stack select "$stack" >/dev/null 2>&1; }

# lives says whether a process is a Pulumi at work. One that was just killed takes a moment to be gone.
lives() {
	local state
	for _ in {1..20}; do
		state=$(ps -p "${1:-0}" -o stat=,comm= 2>/dev/null) || return 1
		case $state in
		Z*) return 1 ;;
		*pulumi) sleep 0.1 ;;
		*) return 1 ;;
		esac
	done
}

# unlock clears what a killed run left in the local state: its lock and creations it had begun, whose objects the
# provider finds again by name. The lock of a Pulumi that lives, be it one that was started by hand, is respected.
unlock() {
	local_backend || return 0
	local lock pid
	for lock in .viot/state/.pulumi/locks/organization/viot/"$stack"/*.json; do
		[ -e "$lock" ] || continue
		pid=$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p' "$lock" 2>/dev/null) || continue # it has just ended
		if lives "$pid"; then
			fail "pulumi is at work on stack $stack (process $pid); wait for it to end or end it with kill $pid, then run this again"
		fi
		say "an earlier run was interrupted: taking over from it"
		rm -f "$lock" "$lock.attrs"
	done
	if grep -q '"pending_operations": \[$' ".viot/state/.pulumi/stacks/viot/$stack.json" 2>/dev/null; then
		pulumi refresh --clear-pending-creates --yes --skip-preview --suppress-outputs >.viot/refresh.log 2>&1 ||
			fail "cannot clear what an interrupted run left half-made: $(tail -n 3 .viot/refresh.log)"
	fi
}

# changes prints what the last update did, such as "create: 3 update: 1"; nothing when all stayed the same.
changes() {
	pulumi stack history --json --page-size 1 | tr -d '", \t' |
		sed -n '/^resourceChanges:{/,/^}/p' | grep -E '^(create|update|delete|replace|create-replacement|delete-replaced):' | tr '\n' ' ' || true
}

# full names the folders a build writes to whose disk is full, which no message of a failed build explains.
full() {
	local dir free
	for dir in . "${TMPDIR:-/tmp}" "$(go env GOCACHE)" /var/lib/docker; do
		free=$(df -Pm "$dir" 2>/dev/null | awk 'NR == 2 { print $4 }')
		if ((${free:-1000} < 500)); then
			say "the disk of $dir is full ($free MiB left): make room, about 5 GB for a build from nothing"
		fi
	done
}

up() {
	alone
	viot inventory -stack "$stack" >/dev/null || exit 1 # without an engine nothing is begun
	if ! stack_exists; then
		pulumi stack init "$stack" >/dev/null
		say "made the stack $stack; its state is kept in ${PULUMI_BACKEND_URL:-your Pulumi backend}"
	fi
	unlock
	if ! pulumi up --yes --skip-preview --refresh --suppress-outputs; then
		full
		fail "the stack is not as declared: the message above says why. What was made is recorded; mend the cause and run make up again, or make down to remove it all"
	fi
	local changed
	changed=$(changes)
	say
	if [ -z "$changed" ]; then say "Nothing to change: stack $stack is as declared."; else say "Stack $stack is up ($changed)."; fi
	status
}

# token gives what asks the orchestrator its token, unless the user has chosen one: that of the stack's settings.
token() {
	[ -z "${VIOT_TOKEN:-}" ] || return 0
	local key
	for key in readToken writeToken; do
		VIOT_TOKEN=$(pulumi config get "viot:$key" 2>/dev/null) && [ -n "$VIOT_TOKEN" ] && break
	done
	export VIOT_TOKEN
}

status() {
	stack_exists || fail "there is no stack $stack here; make up makes it"
	local outputs
	outputs=$(pulumi stack output --json)
	local orchestrator
	printf '%s\n' "$outputs" | sed -n 's/^ *"\([a-zA-Z]*\)": "\(.*\)",\{0,1\}$/\1: \2/p'
	orchestrator=$(printf '%s\n' "$outputs" | sed -n 's/^ *"orchestratorUrl": "\(.*\)",\{0,1\}$/\1/p')
	[ -n "$orchestrator" ] || fail "stack $stack is not up; run make up"
	token
	viot status -url "$orchestrator"
}

down() {
	alone
	local before after consul
	before=$(viot inventory -stack "$stack") || exit 1 # without an engine nothing is begun
	if stack_exists && consul=$(pulumi stack output consulUrl 2>/dev/null); then
		before=$(viot inventory -stack "$stack" -consul "$consul") || exit 1
	fi
	if stack_exists; then
		unlock
		pulumi destroy --yes --skip-preview --suppress-outputs ||
			say "Pulumi could not remove everything; what is left is removed by its label now."
	fi
	viot sweep -stack "$stack"
	if stack_exists; then
		if grep -q '^config:' "Pulumi.$stack.yaml" 2>/dev/null; then
			pulumi stack rm --force --yes --preserve-config "$stack" >/dev/null 2>&1
			say "kept your settings: Pulumi.$stack.yaml"
		else
			pulumi stack rm --force --yes "$stack" >/dev/null 2>&1
		fi
	fi
	say
	say "removed:"
	if [ -n "$before" ]; then sed 's/^/  /' <<<"$before"; else say "  nothing was there"; fi
	after=$(viot inventory -stack "$stack") || exit 1
	if [ -n "$after" ]; then
		sed 's/^/  /' <<<"$after"
		fail "the above are still there; make down again, or remove them by hand"
	fi
	if stack_exists; then fail "the state of stack $stack could not be removed; pulumi stack rm --force $stack says why"; fi
	say "checked: no container, network, volume, image, registration or state of stack $stack remains."
	say "kept for the next make up: tools in .viot, images viot-base, viot-consul, viot-haproxy, viot-postgres (make clean removes them)."
}

case "$action" in
up) up ;;
preview) stack_exists || pulumi stack init "$stack" >/dev/null; pulumi preview --diff ;;
refresh) alone; unlock; pulumi refresh --yes --skip-preview ;;
down) down ;;
status) status ;;
demo) stack_exists || fail "there is no stack $stack here; run make up first"; token; exec go run ./test/demo -mca "$(pulumi stack output mcaUrl)" -orchestrator "$(pulumi stack output orchestratorUrl)" -plot build/demo.svg ;;
clean)
	alone
	others=$(viot inventory -any) || exit 1
	[ -z "$others" ] || { say "$others"; fail "the above belong to stacks that are up; run make down for each first"; }
	viot sweep -cache
	rm -rf .viot/bin .viot/cache .viot/home .viot/state .viot/passphrase build
	;;
*) fail "unknown action $action" ;;
esac
