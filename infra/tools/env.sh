#!/usr/bin/env bash
# Prints the settings with which `pulumi` works here from a plain shell: eval "$(infra/tools/env.sh)".
#
# Stacks are kept in .viot/state unless the user chose another backend, by PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN or
# `pulumi login`; backend and home are then left as they are. Secrets are encrypted with a passphrase generated into
# .viot/passphrase unless the user has set one. Printing twice changes nothing.
set -euo pipefail
cd -P "$(dirname "$0")/../.."
. infra/tools/lib.sh
bin=$(realpath -m "${1:-.viot/bin}")
home=$PWD/.viot/home
passphrase=$PWD/.viot/passphrase
backend=file://$PWD/.viot/state

# assign name value: prints it quoted for any POSIX shell.
assign() { printf "export %s='%s'\n" "$1" "${2//\'/\'\\\'\'}"; }

# elsewhere says whether the user keeps stacks in a backend of their own.
elsewhere() {
	case "${PULUMI_BACKEND_URL:-}" in
	"$backend") return 1 ;;
	?*) return 0 ;;
	esac
	[ -z "${PULUMI_ACCESS_TOKEN:-}" ] || return 0
	[ "${PULUMI_HOME:-}" != "$home" ] || return 1
	grep -Eqs '"current": *"[^"]' "${PULUMI_HOME:-${HOME:-}/.pulumi}/credentials.json"
}

# make_passphrase keeps one that is there; of two calls at once the first wins.
make_passphrase() {
	if [ -s "$passphrase" ]; then return; fi
	local new=$passphrase.$$
	(
		umask 077
		head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$new"
	)
	[ "$(wc -c <"$new")" = 64 ] || fail "write $new: the passphrase is incomplete; is the disk full?"
	ln "$new" "$passphrase" 2>/dev/null || [ -s "$passphrase" ] || fail "make $passphrase: is the folder writable?"
	rm -f "$new"
}

case ":$PATH:" in
*":$bin:"*) ;;
*) printf '%s:"%s"\n' "$(assign PATH "$bin")" "\$PATH" ;;
esac
if ! elsewhere; then
	mkdir -p .viot/state .viot/home
	assign PULUMI_BACKEND_URL "$backend"
	assign PULUMI_HOME "$home"
fi
if [ -z "${PULUMI_CONFIG_PASSPHRASE+set}" ] &&
	{ [ -z "${PULUMI_CONFIG_PASSPHRASE_FILE:-}" ] || [ "$PULUMI_CONFIG_PASSPHRASE_FILE" = "$passphrase" ]; }; then
	mkdir -p .viot
	make_passphrase
	assign PULUMI_CONFIG_PASSPHRASE_FILE "$passphrase"
fi
assign PULUMI_SKIP_UPDATE_CHECK true
assign PULUMI_STACK "${STACK:-${PULUMI_STACK:-dev}}"
