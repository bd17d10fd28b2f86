# viot: `make up` stands up a self-scaling oneM2M service layer, `make down` removes it, `make test` proves it.
# Everything below writes only inside this folder (.viot, build), Docker objects labelled io.viot.stack, and the
# caches of Go and Docker.

STACK ?= dev
BIN   := .viot/bin
TOOL  := infra/tools
export STACK

GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w"

.DEFAULT_GOAL := help
.PHONY: help tools env up preview refresh down status demo test unit conformance e2e sdk lint bench bench-up bench-scale bench-drain bench-balancer bench-round bench-cse simulate-all bench-calibration chaos clean programs

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "  STACK=name picks another stack than dev. Settings: pulumi config (see Pulumi.yaml)."

tools: programs ## Install what the project needs into .viot/bin: Pulumi (unless a new enough one is on PATH), the provider, the CLI.
	@$(TOOL)/tools.sh $(BIN)

programs:
	@$(TOOL)/programs.sh $(BIN)

env: ## Print settings for a plain shell: eval "$$(make env)".
	@$(TOOL)/env.sh $(BIN)

up: tools ## Stand the stack up, or bring it up to date.
	@$(TOOL)/stack.sh up

preview: tools ## Show what `make up` would change.
	@$(TOOL)/stack.sh preview

refresh: tools ## Compare what is recorded with what is there.
	@$(TOOL)/stack.sh refresh

down: tools ## Remove the stack and check that nothing of it is left.
	@$(TOOL)/stack.sh down

status: programs ## Print the stack's addresses and its pools.
	@$(TOOL)/stack.sh status

demo: tools ## Drive a load ramp through the load balancer and watch the pool follow it.
	@$(TOOL)/stack.sh demo

test: ## Run every test: unit, contract, provider life cycle, end to end.
	@$(TOOL)/test.sh

unit: ## Run the tests that need no stack of their own.
	@$(TOOL)/test.sh unit

conformance: ## Run the oneM2M conformance suite on SQLite, on PostgreSQL and on a pool of three instances.
	@$(TOOL)/test.sh conformance

e2e: ## Run the end-to-end test on a stack of its own.
	@$(TOOL)/test.sh e2e

sdk: ## Generate the provider's Go SDK.
	go run ./infra/cmd/gen-sdk

lint: ## Check formatting, vet, the generated SDK and the module files.
	@$(TOOL)/test.sh lint

bench: bench-up bench-scale bench-drain bench-balancer bench-round bench-cse ## Run every benchmark; figures are printed and kept in build/bench.

bench-up: tools ## Time make up, unchanged and from nothing, and make down.
	@$(TOOL)/bench.sh up

bench-scale: tools ## Time from a load step to the first request served by a new instance, and by one that stood by.
	@$(TOOL)/bench.sh scale

bench-drain: tools ## Count failed requests over scale-in and rolling-update cycles.
	@$(TOOL)/bench.sh drain

bench-balancer: ## Time from a registration in Consul to the first request served, from a deregistration to the last, and to the answers of held requests.
	@$(TOOL)/bench.sh balancer

bench-round: ## Time rounds of an orchestrator with 10 to 10,000 instances, on one core.
	@$(TOOL)/bench.sh round

bench-cse: ## Measure one CSE on PostgreSQL: creates, retrieves, discovery and memory at a million resources, fan-out, and two beside one.
	@$(TOOL)/bench.sh cse

simulate-all: ## Compare viot's sizing with that of other autoscalers on every trace of a folder (TRACES=dir).
	@TRACES="$(TRACES)" $(TOOL)/bench.sh simulate

bench-calibration: tools ## Play the same load to a pool on Docker and to the simulator and print how far apart they are.
	@$(TOOL)/bench.sh calibration

chaos: ## Kill parts of a stack under load 100 times, freeze, hang and starve instances, fill disks, and count what was lost.
	@VIOT_CHAOS_KILLS=$${VIOT_CHAOS_KILLS:-100} $(TOOL)/test.sh chaos

clean: ## Remove what make down keeps for the next time: tools, local state, built images.
	@$(TOOL)/stack.sh clean
