# One command each; `make help` tells what they do.
SHELL := /bin/bash
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

SOURCES := $(shell find src native -type f -not -path '*/obj/*' -not -path '*/bin/*' 2>/dev/null) Directory.Build.props Directory.Packages.props

.PHONY: build test demo bench lint clean help
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: artifacts/ipcs ## the one binary: artifacts/ipcs

artifacts/ipcs: $(SOURCES)
	scripts/setup.sh build
	native/build.sh
	@touch artifacts/.begun
	dotnet publish src/Node -c Release -r linux-x64 -o artifacts/publish
	install -D -m 755 artifacts/publish/ipcs artifacts/ipcs
	@touch -r artifacts/.begun artifacts/ipcs # what changed meanwhile is newer

test: build ## every test, with a line of totals at the end (SUITES="Dag journey" runs some)
	scripts/setup.sh test
	tests/run.sh $(SUITES)

demo: build ## the journey on three hosts of this machine's own (needs root; IMAGE=reference for an image of yours)
	scripts/setup.sh demo
	scripts/demo.sh

bench: build ## times of a pull from a registry and from the fleet, as a Markdown table (needs root)
	scripts/setup.sh bench
	bench/run.sh

lint: ## formatting, analyzers, and what tests/lint.py looks at
	python3 tests/lint.py
	dotnet format Ipcs.sln --verify-no-changes

clean: ## takes away everything that was built
	rm -rf artifacts
	find src tests bench -type d \( -name bin -o -name obj -o -name node_modules \) -prune -exec rm -rf {} +
