# Conclave's commands. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PROGRAM := target/release/conclave
PAGE := web/dist/index.html
MODULES := web/node_modules/.package-lock.json

# What each product is made of: a second `make run` builds nothing.
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find crates -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.sql' -o -name '*.html' -o -name '*.proto' \) -not -path '*/tests/*' -not -path '*/benches/*')
PAGE_SOURCES := $(wildcard web/index.html web/package.json web/*.config.ts web/svelte.config.js web/tsconfig*.json) $(shell find web/src web/public -type f -not -name '*.test.ts' 2>/dev/null)

# Extra arguments of the program: make run ARGS="--listen 0.0.0.0:443"
ARGS ?=
# Seconds that `make fuzz` gives each target.
FUZZ_SECONDS ?= 60

.PHONY: help
help: ## Lists these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

.PHONY: run
run: $(PROGRAM) ## Builds what changed, starts Conclave and prints its address
	@exec $(PROGRAM) serve $(ARGS)

.PHONY: build
build: $(PROGRAM) ## Builds target/release/conclave, the page inside

# Cargo decides by itself what to compile; the touch tells make that it has looked.
$(PROGRAM): $(RUST_SOURCES) $(PAGE)
	@scripts/setup.sh build
	cargo build --release --locked -p conclave
	@touch $@

$(PAGE): $(PAGE_SOURCES) $(MODULES)
	npm --prefix web run build
	@touch $@

$(MODULES): web/package.json web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

.PHONY: page
page: $(PAGE)

.PHONY: test
test: ## Sets everything up (browsers included) and runs every test
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory $(MODULES)
	@node scripts/test.mjs $(STEPS)

.PHONY: bench
bench: $(PAGE) ## Measures; figures are also appended to target/bench/results.jsonl
	@scripts/setup.sh bench
	cargo bench --locked -p conclave-qos --bench scenarios
	cargo bench --locked -p conclave-qos --bench cost
	cargo bench --locked -p conclave-qos --bench fec
	cargo bench --locked -p conclave-qos --bench playout
	cargo bench --locked -p conclave-sfu --bench forwarding
	cargo bench --locked -p conclave-room --bench joining
	cargo bench --locked -p conclave-rtp --bench sealing
	cargo bench --locked -p conclave-rtp --bench sending
	cargo bench --locked -p conclave-turn --bench relaying
	cargo bench --locked -p conclave --bench relay
	@$(MAKE) --no-print-directory bench-media
	@$(MAKE) --no-print-directory bench-join

# What the evaluation of congestion control is told: make bench-qos QOS="--only 5.1 --seeds 3", or QOS=--write
QOS ?=

.PHONY: bench-qos
bench-qos: ## Evaluates congestion control in virtual time (docs/qos.md)
	cargo bench --locked -p conclave-network --bench evaluate -- $(QOS)
	$(if $(QOS),,cargo bench --locked -p conclave-qos --bench repair)

.PHONY: bench-join
bench-join: $(PROGRAM) ## Measures joining in a browser: from the press to the first frame
	cd web && E2E_PROGRAM=$(abspath $(PROGRAM)) npx playwright test --config e2e/bench/playwright.config.ts

# What the comparison of media planes is told: make bench-media BENCH="--quick --only delay"
BENCH ?=

.PHONY: bench-media
bench-media: $(PROGRAM) ## Compares the media plane with the floor and with Janus
	@scripts/setup.sh bench
	cargo build --release --locked -p conclave-sim
	scripts/bench-media.sh $(PROGRAM) target/release/conclave-load $(BENCH)

# Seconds of the churn run, and what else it is told: make soak SOAK="--seed 7 --media-threads 1"
SOAK_SECONDS ?= 600
SOAK ?=

.PHONY: soak
soak: $(PROGRAM) ## Lets people come and go for ten minutes; the server must be as it was before
	cargo build --release --locked -p conclave-sim --bin conclave-soak
	target/release/conclave-soak --program $(PROGRAM) --seconds $(SOAK_SECONDS) $(SOAK)

.PHONY: fuzz
fuzz: ## Feeds the parsers with made-up input: make fuzz FUZZ_SECONDS=600
	@scripts/fuzz.sh $(FUZZ_SECONDS)

.PHONY: fmt
fmt: $(MODULES) ## Formats all code
	cargo fmt --all
	npm --prefix web run format

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

.PHONY: dev
dev: $(MODULES) ## Starts the server and a page that reloads as you edit it
	@scripts/dev.sh

.PHONY: clean
clean: ## Removes what was built
	rm -rf target web/dist web/node_modules web/test-results web/screenshots
