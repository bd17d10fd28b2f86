#!/usr/bin/env bash
# Runs one benchmark of a whole stack: up, reaction or drain. Figures go to standard output and build/bench.
set -euo pipefail
cd "$(dirname "$0")/../.."
case "${1:-}" in
up) name=BenchmarkUp ;;
reaction) name=BenchmarkReaction ;;
drain) name=BenchmarkDrain ;;
*) echo "usage: bench.sh up|reaction|drain" >&2; exit 2 ;;
esac
eval "$(infra/tools/env.sh .viot/bin)"
exec go test -run '^$' -bench "^$name\$" -benchtime 1x -count 1 -timeout 60m ./test/bench
