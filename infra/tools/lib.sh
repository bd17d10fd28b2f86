# shellcheck shell=bash
# What the scripts of this folder share. Source it from the repository's root.

say() { printf '%s\n' "$*"; }
fail() {
	printf 'viot: %s\n' "$*" >&2
	exit 1
}

# newer_or_same have want: compares versions such as 1.26.0 by their first three numbers.
newer_or_same() {
	local h w i
	IFS=.- read -ra h <<<"$1"
	IFS=.- read -ra w <<<"$2"
	for i in 0 1 2; do
		[[ ${h[i]:-0} =~ ^[0-9]+ ]] && h[i]=${BASH_REMATCH[0]} || h[i]=0
		((10#${h[i]} > 10#${w[i]:-0})) && return 0
		((10#${h[i]} < 10#${w[i]:-0})) && return 1
	done
	return 0
}

# need_go ends the script unless there is a Go that can build this repository.
need_go() {
	local want have
	want=$(sed -n 's/^go //p' go.mod)
	command -v go >/dev/null ||
		fail "Go $want or newer is needed and there is no go on PATH: install it (https://go.dev/doc/install) and run this again"
	have=$(go env GOVERSION 2>&1) || fail "Go $want or newer is needed: $have"
	[[ $have != go[0-9]* ]] || newer_or_same "${have#go}" "$want" ||
		fail "Go $want or newer is needed and $(command -v go) is ${have#go}: install a newer one (https://go.dev/doc/install)"
}

# with_pulse name command...: runs the command and shows every few seconds that it is alive. What it prints is shown
# only when it fails, which ends the script.
with_pulse() {
	local name=$1 log pulse status=0
	shift
	log=$(mktemp)
	pulse "$name" >&2 &
	pulse=$!
	# shellcheck disable=SC2064 # the values of now
	trap "kill $pulse 2>/dev/null || true; rm -f '$log'" EXIT
	"$@" >"$log" 2>&1 || status=$?
	kill "$pulse" 2>/dev/null || true
	wait "$pulse" 2>/dev/null || true
	if [ -t 2 ]; then printf '\r\033[K' >&2; fi
	if [ "$status" != 0 ]; then
		grep -v '^go: downloading ' "$log" | tail -n 20 >&2
		if grep -qi 'no space left on device' "$log"; then
			fail "$name: the disk is full; make room in $(go env GOCACHE), $(go env GOMODCACHE) and ${TMPDIR:-/tmp} (about 5 GB for a build from nothing) and run this again"
		fi
		fail "$name: could not be built; the reason is above"
	fi
	rm -f "$log"
	trap - EXIT
}

# pulse name: until killed, counts seconds in place on a terminal, else prints a line every 15 seconds.
pulse() {
	local start=$SECONDS next=15 elapsed
	while sleep 1 >/dev/null 2>&1; do
		elapsed=$((SECONDS - start))
		if [ -t 1 ]; then
			((elapsed < 2)) || printf '\r\033[K%s: %d s' "$1" "$elapsed"
		elif ((elapsed >= next)); then
			printf '%s: %d s\n' "$1" "$elapsed"
			next=$((next + 15))
		fi
	done
}

# engines makes the real Consul, HAProxy and PostgreSQL available to tests until the script ends; see test/engines.
engines() {
	say "engines: Consul, HAProxy and PostgreSQL (built on first use, about 6 min on 2 cores, once)"
	mkdir -p .viot/bin
	go build -o .viot/bin/testengines ./test/engines
	trap '.viot/bin/testengines stop -dir .viot/engines' EXIT
	.viot/bin/testengines start -dir .viot/engines >.viot/engines.env
	set -a
	. .viot/engines.env
	set +a
}
