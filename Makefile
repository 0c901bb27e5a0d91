# Two commands do everything on a machine with Python 3.11 and cargo:
#
#     make run     build, and start with collector.yaml
#     make test    build, and run all tests
#
# Nothing is done twice: the environment follows requirements/dev.txt, the kernel follows its sources.

PYTHON  ?= python3
CONFIG  ?= collector.yaml
SECONDS_PER_TARGET ?= 60

BIN     := .venv/bin
ENV     := .venv/installed
KERNEL  := collector/_kernel.abi3.so
SOURCES := pyproject.toml kernel/Cargo.toml kernel/Cargo.lock $(shell find kernel/src -name '*.rs')
CARGO   := cargo
CRATE   := --manifest-path kernel/Cargo.toml --locked
# Load generator and sink of the testbed: built in release mode, and tested so, since that is what is used.
ENGINE  := testbed/engine/target/release/spanmill-testbed
HOT     := --manifest-path testbed/engine/Cargo.toml --locked --release
TESTBED  = $(BIN)/python -m testbed
# PyO3 asks the interpreter of the environment, not whichever is first on the path.
# pip calls the environment's maturin by its name.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export VIRTUAL_ENV := $(CURDIR)/.venv
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help install run demo test interop check lint format bench fuzz audit docs dist dist-check lock clean
.PHONY: testbed testbed-full testbed-ci testbed-peers testbed-engine chaos differential corpus

help: ## show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(KERNEL) ## build everything; leaves .venv/bin/spanmill

run: install ## start the collector with collector.yaml, or CONFIG=other.yaml
	$(BIN)/spanmill run --config $(CONFIG)

demo: $(ENV) ## send the traffic of a small LLM application to a running collector
	@$(BIN)/python -m testbed.demo

test: install $(ENGINE) ## run all tests, of the kernel, the collector and the testbed
	$(CARGO) test $(CRATE) --features net --quiet
	$(CARGO) test $(HOT) --quiet
	$(BIN)/python -m pytest

interop: install ## SDKs for Go and Java, curl and h2spec against a collector: wants Go, Maven and curl
	$(BIN)/python -m pytest tests/interop

lint: install ## style and types, of Python and of Rust
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest collector._kernel --mypy-config-file pyproject.toml
	$(CARGO) fmt --manifest-path kernel/Cargo.toml --check
	$(CARGO) fmt --manifest-path testbed/engine/Cargo.toml --check
	$(CARGO) clippy $(CRATE) --all-targets --features python --quiet -- -D warnings
	$(CARGO) clippy $(HOT) --all-targets --quiet -- -D warnings

format: $(ENV) cargo ## rewrite sources in the house style
	$(BIN)/ruff check --fix --select I --quiet
	$(BIN)/ruff format
	$(CARGO) fmt --manifest-path kernel/Cargo.toml
	$(CARGO) fmt --manifest-path testbed/engine/Cargo.toml

check: lint test ## what CI runs

bench: install ## measure the kernel alone: see docs/performance.md
	$(BIN)/python -m testbed.bench
	@echo && $(CARGO) run $(CRATE) --release --quiet --example detect

testbed: install $(ENGINE) testbed-peers ## compare with other collectors in 20 minutes, and rewrite docs/performance.md
	$(TESTBED) run standard --out results/standard
	$(TESTBED) document results/standard

testbed-full: install $(ENGINE) testbed-peers ## measure everything there is, in some hours
	$(TESTBED) run full --out results/full

testbed-ci: install $(ENGINE) ## a burst and an overload: nothing lost, memory bounded, a span's cost bounded
	$(TESTBED) run ci --out results/ci --check --cpu-limit $(CPU_LIMIT)
# Of what parsing the same spans with Python's protobuf costs in the same run: some 7 times is what we see.
CPU_LIMIT ?= 20

chaos: install $(ENGINE) ## restarts, reloads and crashes under load, and a million hostile requests, in twenty minutes
	$(TESTBED) run chaos --out results/chaos --check
	$(BIN)/python -m testbed.hostile

differential: install ## a minute of processors and spans made at random, beside the Go collector
	$(BIN)/python -m testbed.corpus.differential

corpus: install ## record anew what the Go collector does: OTTL, tail_sampling, and where load_balancing sends spans
	$(BIN)/python -m testbed.corpus
	$(BIN)/python -m testbed.corpus.tail
	$(BIN)/python -m testbed.corpus.owners

testbed-peers: install ## build the collectors to compare with; those that cannot be are reported
	@$(TESTBED) peers

testbed-engine: $(ENGINE) ## build the load generator and the sink

fuzz: cargo ## fuzz what reads foreign bytes and foreign expressions, a minute each
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz
	cd kernel && for target in $$(cargo fuzz list); do \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=$(SECONDS_PER_TARGET) || exit 1; \
	done

audit: install ## look up known weaknesses of the dependencies, and list what is pinned
	@$(BIN)/python -c 'import pip_audit' 2>/dev/null || $(BIN)/pip install --quiet pip-audit
	@command -v cargo-audit >/dev/null || cargo install --quiet --locked cargo-audit || true
	@$(BIN)/python -m testbed.audit

docs: install ## write docs/components.md, docs/processors and docs/result.schema.json anew from the docstrings
	$(BIN)/python -m testbed.manual

dist: install ## build a wheel into dist/
	$(BIN)/maturin build --release --locked --out dist

dist-check: dist ## install that wheel into an environment of its own, without cargo, and pass a span through it
	$(BIN)/python -m testbed.wheel

lock: $(ENV) ## pin the newest dependencies, with their hashes
	@test -x $(BIN)/uv || $(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile $(PINNING) pyproject.toml --output-file requirements/run.txt
	$(BIN)/uv pip compile $(PINNING) pyproject.toml --group dev -c requirements/run.txt --output-file requirements/dev.txt
PINNING := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## remove everything that was built
	rm -rf .venv kernel/target kernel/fuzz/target testbed/engine/target dist $(KERNEL)

.PHONY: cargo
cargo:
	@command -v cargo >/dev/null || { echo "Spanmill's kernel is written in Rust and cargo is not on the PATH: install it from https://rustup.rs and run make again." >&2; exit 1; }

$(ENV): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Spanmill needs Python 3.11 or newer: name one with make PYTHON=python3.12." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement $<
	@touch $@

$(KERNEL): $(SOURCES) $(ENV) | cargo
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(ENGINE): testbed/engine/Cargo.toml testbed/engine/Cargo.lock $(shell find testbed/engine/src -name '*.rs') | cargo
	$(CARGO) build $(HOT) --quiet
	@touch $@
