#!/usr/bin/env bash
# Sees to it that there is a Pulumi: one on PATH that is new enough, with its Go language host, or else both are
# built from source into BIN_DIR at the versions their go.mod pins. Quiet when they are there.
set -euo pipefail
cd -P "$(dirname "$0")/../.."
. infra/tools/lib.sh
bin=${1:-.viot/bin}
oldest=3.150.0

# pin tool: what its build depends on, to compare with what the last build did.
pin() { cat "infra/tools/$1/go.mod" "infra/tools/$1/go.sum" | cksum; }

current() { [ -x "$bin/$1" ] && [ "$(cat "$bin/$1.pin" 2>/dev/null)" = "$(pin "$1")" ]; }

# on_path prints the path of a program outside BIN_DIR.
on_path() {
	local own dir
	own=$(realpath -m "$bin")
	while IFS= read -r -d : dir; do
		if [ -n "$dir" ] && [ -x "$dir/$1" ] && [ "$(realpath -m "$dir")" != "$own" ]; then
			printf '%s\n' "$dir/$1"
			return
		fi
	done <<<"$PATH:"
	return 1
}

# installed looks for a usable Pulumi on PATH and says what it found.
installed() {
	local pulumi version
	pulumi=$(on_path pulumi) || return 1
	version=$(PULUMI_HOME=$PWD/.viot/home PULUMI_SKIP_UPDATE_CHECK=true "$pulumi" version 2>/dev/null) || true
	version=${version:-unknown}
	if ! newer_or_same "${version#v}" "$oldest"; then
		say "not using $pulumi: it is $version, and $oldest or newer is needed"
		return 1
	fi
	if ! on_path pulumi-language-go >/dev/null && [ ! -x "$(dirname "$(realpath "$pulumi")")/pulumi-language-go" ]; then
		say "not using $pulumi: there is no pulumi-language-go on PATH or beside it"
		return 1
	fi
	say "using $pulumi $version"
}

# build tool module-of-the-pin package title usually [ldflags]
build() {
	local tool=$1 package=$3 title=$4 usually=$5 version new pinned
	if current "$tool"; then return; fi
	version=$(sed -n "s|^.*$2 \(v[^ ]*\).*|\1|p" "infra/tools/$tool/go.mod")
	pinned=$(pin "$tool")
	new=$(realpath -m "$bin")/.$tool.$$
	say "building $title $version from source, about $usually on 2 cores, once"
	with_pulse "building $title" env -C "infra/tools/$tool" CGO_ENABLED=0 GOFLAGS= GOWORK=off \
		go build -trimpath -buildvcs=false -ldflags "-s -w ${6:+$6=$version}" -o "$new" "$package"
	mv "$new" "$bin/$tool"
	printf '%s\n' "$pinned" >"$bin/$tool.pin"
}

if current pulumi && current pulumi-language-go; then exit; fi
if installed; then
	# An outdated build of ours would come before it on PATH.
	rm -f "$bin"/pulumi{,.pin} "$bin"/pulumi-language-go{,.pin}
	exit
fi
need_go
mkdir -p "$bin"
rm -f "$bin"/.pulumi*.[0-9]* # of builds that were interrupted
build pulumi github.com/pulumi/pulumi/pkg/v3 github.com/pulumi/pulumi/pkg/v3/cmd/pulumi \
	"the Pulumi CLI" "4 min" "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
build pulumi-language-go github.com/pulumi/pulumi/sdk/v3 github.com/pulumi/pulumi/sdk/v3/go/pulumi-language-go \
	"Pulumi's Go language host" "30 s"
