#!/usr/bin/env bash
# Builds this repository's own programs into BIN_DIR: the Pulumi provider and the viot CLI. Go relinks only what
# has changed, so a second call takes under a second and says nothing.
set -euo pipefail
bin=${1:?usage: programs.sh BIN_DIR}
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)
cd "$(dirname "$0")/../.."
. infra/tools/lib.sh
need_go

build() { # program package
	if [ ! -e "$bin/$1" ]; then
		say "building $1, up to 2 min with an empty Go cache"
	fi
	with_pulse "building $1" env CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o "$bin/$1" "$2"
}
build pulumi-resource-viot ./infra/cmd/pulumi-resource-viot
build viot ./orchestrator/cmd/viot
