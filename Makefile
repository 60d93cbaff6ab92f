# `make help` lists the targets.
SHELL := /bin/bash
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

SOURCES := $(shell find src native -type f -not -path '*/obj/*' -not -path '*/bin/*' 2>/dev/null) \
	Directory.Build.props Directory.Build.targets Directory.Packages.props

.PHONY: build test soak demo bench lint clean help
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: artifacts/ipcs$(if $(TRACE),-trace) ## the binary artifacts/ipcs (TRACE=1: artifacts/ipcs-trace, with symbols and for dotnet-trace)

artifacts/ipcs-trace: FLAVOUR := -p:EventSourceSupport=true
artifacts/ipcs artifacts/ipcs-trace: $(SOURCES)
	scripts/setup.sh build
	native/build.sh
	@touch $@.begun
	dotnet publish src/Node -c Release -r linux-x64 -o artifacts/publish $(FLAVOUR)
	install -D -m 755 artifacts/publish/ipcs $@
	$(if $(FLAVOUR),install -m 644 src/Node/bin/Release/net10.0/linux-x64/native/ipcs.dbg artifacts/ipcs.dbg)
	scripts/sbom.py -o artifacts/ipcs.cdx.json
	@touch -r $@.begun $@ # a source that changed during the build is newer

test: ## all tests, with a line of totals at the end (SUITES="Dag journey" sets up, builds and runs only those)
	tests/run.sh $(SUITES)

soak: build ## what is too long for `make test`: 1,000 kills of a daemon, 500 rounds of failing writes (KILLS, ROUNDS, SEED; needs root)
	scripts/setup.sh lab
	scripts/setup.sh go
	python3 tests/EndToEnd/crash.py $(or $(KILLS),1000) $(SEED)
	python3 tests/EndToEnd/faults.py $(or $(ROUNDS),500) $(SEED)

demo: build ## a fleet of three hosts on this machine, step by step (needs root; IMAGE=reference for an image of yours)
	scripts/setup.sh demo
	scripts/demo.sh

bench: build ## measures everything in bench/run.sh, as Markdown tables and plots (needs root)
	scripts/setup.sh bench
	bench/run.sh

lint: ## formatting, analyzers, and the checks of tests/lint.py
	python3 tests/lint.py
	dotnet format Ipcs.sln --verify-no-changes

clean: ## removes everything that was built
	rm -rf artifacts
	find src tests bench -type d \( -name bin -o -name obj -o -name node_modules \) -prune -exec rm -rf {} +
