# Flyball's chores. `make demo` and `make test` work on a fresh Debian 12 with rustup's toolchain;
# what else they need they install. `make help` lists everything.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export PATH := $(HOME)/.cargo/bin:$(PATH)

# One set of features everywhere: every cargo call below takes the whole workspace. With `-p` cargo
# would choose other features and build Arrow and DataFusion once more.
CARGO := cargo
WHOLE := --locked --workspace
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# `quick` is release speed without LTO; `make demo PROFILE=dev` uses what `make test` has built.
PROFILE ?= quick
OUTPUT := $(or $(CARGO_TARGET_DIR),target)
FLYBALL := $(OUTPUT)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/flyball

PREFIX ?= /usr/local

# Seconds for each fuzz target; TARGET chooses one of them.
SECONDS_EACH ?= 60

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

.PHONY: demo
demo: tools ## Build, replay a real access log against two SLOs, write demo-out/report.html
	$(CARGO) build $(WHOLE) --profile $(PROFILE) --bin flyball
	@demo/run $(FLYBALL)

.PHONY: install
install: tools ## Build, then install the command, its manual and completions below PREFIX (/usr/local)
	$(CARGO) build $(WHOLE) --profile $(PROFILE) --bin flyball
	install -D -m 755 $(FLYBALL) $(PREFIX)/bin/flyball
	install -d $(PREFIX)/share/man/man1 $(PREFIX)/share/bash-completion/completions
	$(FLYBALL) man $(PREFIX)/share/man/man1
	$(FLYBALL) completions bash > $(PREFIX)/share/bash-completion/completions/flyball

.PHONY: clients
clients: tools ## Real clients send and compare counts, people log in, schemathesis compares the API
	$(CARGO) build $(WHOLE) --bin flyball
	@clients/run $(OUTPUT)/debug/flyball $(OUTPUT)

.PHONY: crash
crash: tools ## Kill a server 200 times under load, then compare its ledger with what was acknowledged
	$(CARGO) xtask crash

.PHONY: test
test: tools duckdb clients ## Run the tests of the workspace and of real clients, `xtask tidy` among them
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run $(WHOLE); \
	else \
		set -x; $(CARGO) test $(WHOLE) --no-fail-fast; \
	fi

.PHONY: lint
lint: tools ## Check formatting, lints, and the repository's own rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(WHOLE) --all-targets -- -D warnings
	$(MAKE) --no-print-directory tidy

.PHONY: tidy
tidy: tools ## Check crate arrows, layout, links, decision records and formats
	$(CARGO) build $(WHOLE) --quiet --bin xtask
	$(OUTPUT)/debug/xtask tidy

.PHONY: bench
bench: tools ## Run the benchmarks; they print ratios
	$(CARGO) bench $(WHOLE) --profile quick --bench '*'

.PHONY: alerting
alerting: tools ## Simulate services under the six alert strategies of the SRE Workbook and ours
	@$(CARGO) bench --locked -p flyball-budget --bench alerting

.PHONY: fuzz
fuzz: tools ## Run every fuzz target for SECONDS_EACH (60), or TARGET alone
	@rustup toolchain list | grep -q nightly || rustup toolchain install nightly --profile minimal
	@cargo fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@cd fuzz && for target in $(or $(TARGET),$$(cargo +nightly fuzz list)); do \
		echo "fuzz: $$target"; \
		cargo +nightly fuzz run "$$target" -- -max_total_time=$(SECONDS_EACH); \
	done

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean
	rm -rf demo-out

# DuckDB, with which a test reads stored events as any other tool would.
DUCKDB := $(OUTPUT)/tools/duckdb

.PHONY: duckdb
duckdb:
	@$(DUCKDB)/bin/python -c 'import duckdb' 2>/dev/null || { \
		python3 -m venv $(DUCKDB) 2>/dev/null || { $(SUDO) apt-get update -q && \
			$(SUDO) apt-get install -y -q --no-install-recommends python3-venv && \
			python3 -m venv $(DUCKDB); }; \
		$(DUCKDB)/bin/pip install -q duckdb==1.4.2; }

# Cargo, the C compiler that Rust links with and zstd is built by, and OpenSSL, which makes the
# certificates of tests.
.PHONY: tools
tools:
	@command -v cargo >/dev/null || { \
		echo "cargo is missing; install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -y -q --no-install-recommends build-essential; }
	@command -v openssl >/dev/null || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -y -q --no-install-recommends openssl; }
	@for peer in prometheus prometheus-alertmanager; do \
		command -v $$peer >/dev/null || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -y -q --no-install-recommends $$peer; }; done
