# The two commands of the README are demo and test. `make help` lists the rest.

GO      ?= go
MODULES := . cmd/beamlens ext/aws ext/azure ext/gcp ext/otel ext/postgres ext/sqlite internal/e2e
export GOFLAGS := -buildvcs=false $(GOFLAGS)

.PHONY: help setup work demo test check bench fuzz simulate soak matrix generate wirecheck clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: Erlang, Elixir and, for tests, RabbitMQ
	@scripts/setup

work: go.work ## Write go.work, which joins the modules; it is not committed

go.work: Makefile
	@printf 'go 1.26.0\n\nuse (\n' > go.work
	@for m in $(MODULES); do printf '\t./%s\n' $$m >> go.work; done
	@printf ')\n' >> go.work

bin/beamlens: FORCE go.work
	@$(GO) build -o bin/beamlens ./cmd/beamlens

demo: bin/beamlens ## Start a real Elixir shop under BeamLens, break it, show the alert and the insight
	@BEAMLENS_SETUP=demo scripts/setup
	@bin/beamlens demo

test: setup go.work ## Run all tests
	@BEAMLENS_NEED_ERLANG=1 scripts/test

check: setup go.work ## gofmt, vet, staticcheck, govulncheck where its database is reached, tests under the race detector
	@scripts/check

bench: setup go.work ## Run the benchmarks, each beside what a user would pick instead
	@BEAMLENS_NEED_ERLANG=1 $(GO) test -run '^$$' -bench . -benchtime $(or $(BENCHTIME),1s) ./detect/ ./sandbox/ && \
	BEAMLENS_NEED_ERLANG=1 $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./skill/beam/ && \
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 10m ./skill/goruntime/ && \
	BEAMLENS_NEED_ERLANG=1 $(GO) test -run '^$$' -bench . -timeout 30m ./internal/e2e/... && \
	cd internal/wirecheck && GOWORK=off $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m .

wirecheck: ## The wires of language models and their fakes beside the vendors' SDKs, which take minutes and 3 GB of memory to compile
	@cd internal/wirecheck && GOWORK=off $(GO) test -count=1 -timeout 30m -v .

fuzz: go.work ## Fuzz every decoder, FUZZTIME (default 70s) each: ten minutes
	@scripts/fuzz $(or $(FUZZTIME),70s)

simulate: ## Run the detectors over 200 healthy metrics of two weeks, and over faults: where their constants come from
	@BEAMLENS_SIMULATE=1 $(GO) test -count=1 -timeout 20m -v -run 'Healthy|FaultsAreFound' ./detect/

soak: go.work ## Every scenario, a healthy shop for an hour and, replayed, for eight and thirty, RabbitMQ and ejabberd for fifteen minutes; three hours
	@BEAMLENS_SETUP=soak scripts/setup
	@BEAMLENS_NEED_ERLANG=1 BEAMLENS_SOAK=1 BEAMLENS_SOAK_MINUTES=$(or $(SOAK_MINUTES),60) $(GO) test -count=1 -timeout 240m -v ./internal/scenario/ && \
	BEAMLENS_NEED_ERLANG=1 BEAMLENS_SOAK=1 $(GO) test -count=1 -timeout 10m -v ./ext/postgres/cluster/ && \
	BEAMLENS_NEED_ERLANG=1 BEAMLENS_SOAK=1 $(GO) test -count=1 -timeout 60m -v -run 'RabbitMQ|Ejabberd' ./internal/e2e/

matrix: setup go.work ## Run the link's and the Elixir package's tests against OTP 25, 27 and 29
	@scripts/matrix && scripts/matrix elixir

screenshots: setup go.work ## Make the pictures in docs from the recorded incident of the shop
	@BEAMLENS_SCREENSHOTS=$(CURDIR)/docs $(GO) test -count=1 -run TestScreenshots ./internal/e2e/

generate: ## Compile the probe; needs OTP 25
	@erlang/probe/build.sh

clean: ## Remove what was built
	@rm -rf bin go.work go.work.sum examples/shop/_build

FORCE:
