# codecanvas: "make help" lists what can be done.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# What "make run" passes on: make run ARGS="--listen 127.0.0.1:8080"
ARGS ?=

##@ Use it

.PHONY: run
run: build ## install what is missing, build, and start the service on http://127.0.0.1:10100
	exec target/release/codecanvas serve $(ARGS)

.PHONY: build
build: setup web ## build the executable, with the app in it
	cargo build --release --bin codecanvas

.PHONY: setup
setup: ## install what "make run" needs: Debian packages, npm packages
	scripts/setup run

.PHONY: languages
languages: ## install the toolchains of all languages
	scripts/setup languages

.PHONY: demo
demo: build ## start a service of its own and run programs in seven languages through HTTP and WebSocket
	tests/demo/run

.PHONY: doctor
doctor: build ## say which protections hold on this host, and what is missing
	target/release/codecanvas doctor $(ARGS)

# Where "make install" puts things; DESTDIR stands before it in packages.
PREFIX ?= /usr/local
DESTDIR ?=
EXECUTABLE ?= target/release/codecanvas

.PHONY: install
install: ## the executable, its manual page, completions and systemd units, below PREFIX=/usr/local
	@test -x $(EXECUTABLE) || { echo "make install: there is no $(EXECUTABLE): run make build first" >&2; exit 1; }
	scripts/install $(EXECUTABLE) $(PREFIX) $(DESTDIR)

##@ Work on it

.PHONY: test
test: setup-test checks web-test rust-test conformance fuzz-api e2e test-cgroup2 test-examples test-deploy ## everything that is checked
	@echo "make test: all passed"

.PHONY: setup-test
setup-test: ## install what "make test" needs
	scripts/setup test

.PHONY: checks
checks: ## formats, lints, licences, unused dependencies, spelling
	cargo fmt --all --check
	shellcheck $$(git ls-files | xargs grep -lE '^#!.*(bash|/sh)')
	.tools/bin/typos
	.tools/bin/hadolint docker/Dockerfile
	.tools/bin/squawk --config .squawk.toml migrations/*.sql
	cargo deny --log-level error check bans licenses sources
	cargo machete --skip-target-dir
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

.PHONY: rust-test
rust-test: ## unit and integration tests: real Postgres, real boxes
	@# Half of what tests do is to wait, for leases to end and for programs to be stopped.
	trap scripts/remove-groups EXIT; RUST_TEST_THREADS=$$((2 * $$(nproc))) REQUIRE_SANDBOX=1 \
	  cargo test --workspace -- --skip attacks::
	@# Each attack is judged by what it leaves on the host: nothing else may run beside them.
	trap scripts/remove-groups EXIT; REQUIRE_SANDBOX=1 cargo test --test it attacks::

.PHONY: web
web: ## build the app
	cd web && npm run build --silent

.PHONY: web-test
web-test: web ## lints, unit tests and size of the app
	cd web && npm run check --silent && npm test --silent && npm run size --silent

# Toolchains are warmed up once for all tests.
conformance fuzz-api e2e demo test-languages: export CODECANVAS_WORKER_CACHE_DIR = $(CURDIR)/target/tmp/executor

.PHONY: e2e
e2e: web ## the app in Chromium against the real service
	cargo build --bin codecanvas
	scripts/with-service target/debug/codecanvas npm --prefix web run e2e --silent

.PHONY: conformance
conformance: ## protocol audits by the reference clients
	cargo build --bin codecanvas
	cd tests/conformance && npm test --silent

.PHONY: fuzz-api
fuzz-api: export CODECANVAS_WORKER_LANGUAGES = bash
fuzz-api: export CODECANVAS_QUOTA_ADMIN_PER_MINUTE = 1000000
fuzz-api: ## every query and mutation with made-up arguments, against the real service
	cargo build --bin codecanvas
	scripts/with-service target/debug/codecanvas tests/fuzz-api/run

.PHONY: test-cgroup2
test-cgroup2: ## limits under control groups version 2, in a small virtual machine
	tests/cgroup2/run

.PHONY: test-examples
test-examples: ## the programs in examples/ against the real service
	cargo build --bin codecanvas
	tests/examples/run target/debug/codecanvas

.PHONY: test-deploy
test-deploy: ## what is installed, systemd units, Kubernetes manifests, Dockerfiles
	cargo build --bin codecanvas
	tests/deploy/run target/debug/codecanvas

.PHONY: test-languages
test-languages: languages ## programs in every language; installs all toolchains first
	cargo build --bin codecanvas
	scripts/with-service target/debug/codecanvas tests/languages/run target/debug/codecanvas

.PHONY: test-systemd
test-systemd: ## boot a Debian with the systemd units and run the service in it
	cargo build --bin codecanvas
	tests/systemd/run target/debug/codecanvas

.PHONY: test-containers
test-containers: ## build both images and run the service in them
	tests/containers/run

.PHONY: bench-executor
bench-executor: ## time per step against fork and exec, and languages against the shell
	trap scripts/remove-groups EXIT; cargo bench -p codecanvas-sandbox --bench steps
	trap scripts/remove-groups EXIT; cargo bench --bench executor

.PHONY: bench-service
bench-service: ## what users of the service wait for
	cargo bench --bench service -- $(ARGS)

.PHONY: bench-history
bench-history: ## pages of history among a million submissions; ARGS=10000000 for more
	cargo bench --bench history -- $(ARGS)

FUZZ_SECONDS ?= 30

.PHONY: fuzz
fuzz: ## try to break what is parsed by hand, FUZZ_SECONDS for each check; ARGS=settings for one
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(ARGS)

.PHONY: fmt
fmt: ## format everything
	cargo fmt --all
	cd web && npm run format --silent

.PHONY: schema
schema: ## renew schema.graphql from the code
	cargo run --quiet --bin codecanvas -- schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

.PHONY: sqlx
sqlx: ## renew .sqlx after changing a query or a migration
	scripts/sqlx-prepare

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
