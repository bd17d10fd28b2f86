#!/usr/bin/env bash
# Runs one benchmark: up, scale or drain of a whole stack, balancer, round, or cse. Figures go to standard output and build/bench.
set -euo pipefail
cd "$(dirname "$0")/../.."
. infra/tools/lib.sh
case "${1:-}" in
up) name=BenchmarkUp ;;
scale) name=BenchmarkScale ;;
drain) name=BenchmarkDrain ;;
calibration) name=BenchmarkCalibration ;;
balancer)
	engines
	go test -run '^$' -bench '^BenchmarkRegistration$' -benchtime 200x -count 1 ./orchestrator/balancer
	go test -run '^$' -bench '^BenchmarkHold$' -benchtime 30x -count 1 ./orchestrator/balancer
	exit
	;;
round)
	go test -run '^$' -bench '^BenchmarkRound$' -benchtime 1x -count 1 ./orchestrator/loop
	exit
	;;
cse)
	# Durable commits are measured on a server of our own where PostgreSQL is installed, and on the container's where not.
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || engines
	go test -run '^$' -bench '^BenchmarkCSE' -benchtime 1x -count 1 -timeout 60m ./test/bench
	exit
	;;
simulate)
	VIOT_TRACES=${TRACES:+$(cd "$TRACES" && pwd)} go test -run '^$' -bench '^BenchmarkSimulate$' -benchtime 1x -count 1 -timeout 120m ./test/bench
	exit
	;;
*) fail "usage: bench.sh up|scale|drain|calibration|balancer|round|cse|simulate" ;;
esac
eval "$(infra/tools/env.sh .viot/bin)"
exec go test -run '^$' -bench "^$name\$" -benchtime 1x -count 1 -timeout 60m ./test/bench
