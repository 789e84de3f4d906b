# Softrouter. `make` lists the targets; CI calls the same ones.
.DEFAULT_GOAL := help
.PHONY: help run ping test test-peers setup-peers check fmt cases bench bench-tap measure fuzz anomalies train train-text gguf exam clean

CARGO ?= cargo
PYTHON ?= /usr/bin/python3
PROOF := stack/no-alloc-proof/target
# A virtual environment for training only.
VENV ?= model-trainer/.venv
# One for export as GGUF and for llama.cpp.
LLAMA_VENV ?= target/llama-venv
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
TRAINER := $(RELEASE)/model-trainer
# Where the embedded models are.
MODELS ?= llm-slowpath/model

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## The lab: two Linux hosts, the router between them, 20 s of mixed load, a report
	$(CARGO) run --release -p firmware-sim -- lab $(ARGS)

ping: ## The ping experiment: echo requests answered by the embedded language model
	$(CARGO) run --release -p firmware-sim -- lab --ping $(ARGS)

test: ## Every test that needs nothing but cargo (skips are printed)
	$(CARGO) test $(FLAGS)
	$(CARGO) test -p model-trainer $(FLAGS)
	$(CARGO) check -p stack --no-default-features --features defmt
	$(CARGO) check -p stack --no-default-features --features log
	$(CARGO) run --manifest-path stack/no-alloc-proof/Cargo.toml --target-dir $(PROOF)
	@! nm $(PROOF)/debug/no-alloc-proof \
		| grep -E '__(rust|rg|rdl)_(alloc|realloc)|_ZN5alloc|U (malloc|calloc|realloc)' \
		|| { echo "the no-alloc proof links an allocator"; exit 1; }
	@echo "make test: all passed"

setup-peers: ## Install what test-peers and bench-tap need from Debian (asks first; YES=1 does not)
	@packages="tshark python3-scapy python3-prometheus-client python3-venv iputils-ping curl iperf3 iproute2 chromium openvswitch-switch hping3 tcpreplay wireshark-common"; \
	missing=$$(for p in $$packages; do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -z "$$missing" ]; then echo "nothing is missing"; exit 0; fi; \
	echo "to be installed by apt-get:" $$missing; \
	if [ -z "$(YES)" ]; then printf 'go on? [y/N] '; read answer; [ "$$answer" = y ] || exit 1; fi; \
	sudo=$$([ $$(id -u) = 0 ] || echo sudo); \
	$$sudo apt-get update -qq && \
	$$sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing

test-peers: $(LLAMA_VENV)/ready ## Tests that need peers: scapy, tshark, Open vSwitch, chromium, llama.cpp ...; SOFTROUTER_CAPTURES
	$(CARGO) test -p pktgen --features peers --test peers $(FLAGS)
	$(CARGO) test -p firmware-sim --features peers --test peers --test exam --test page --test metrics --test comparison --test sources $(FLAGS)
	$(CARGO) test -p tests --features peers --test captures $(FLAGS)
	$(PYTHON) tests/cases/make.py --check
	PYTHON=$(PYTHON) $(CARGO) test -p firmware-sim --features peers --test conformance $(FLAGS) -- --nocapture
	$(CARGO) build --release -p model-trainer -p firmware-sim
	$(LLAMA_VENV)/bin/python model-trainer/test_llama_cpp.py --models $(MODELS) --binary $(TRAINER)
	$(LLAMA_VENV)/bin/python model-trainer/test_servers.py --binary $(TRAINER) --router $(RELEASE)/softrouter
	@echo "make test-peers: all passed"

check: ## Formatting, lints, documentation, generated tables, file lengths
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) run -q -p firmware-sim -- anomalies | diff - docs/anomalies.md \
		|| { echo "docs/anomalies.md is stale: run make anomalies"; exit 1; }
	@long=$$(git ls-files '*.rs' | xargs wc -l | awk '$$2 != "total" && $$1 > 500'); \
		[ -z "$$long" ] || { echo "over 500 lines, split by idea:"; echo "$$long"; exit 1; }

fmt: ## Format all code
	$(CARGO) fmt --all

anomalies: ## Write docs/anomalies.md from the code's table
	$(CARGO) run -q -p firmware-sim -- anomalies > docs/anomalies.md

cases: ## Write the hex of the conformance cases anew from their scapy expressions
	$(PYTHON) tests/cases/make.py

bench: ## Nanoseconds and allocations a frame; divert to inject on one core
	$(CARGO) bench -p tests

fuzz: ## Run every fuzz target (ARGS="--seconds 600", "--target classify"); needs cargo-fuzz and a C++ compiler
	sh tests/fuzz/run.sh $(ARGS)

bench-tap: ## Between two Linux hosts over TAPs, beside a bare loop and a Linux kernel; under a flood (as root; skips are printed)
	$(CARGO) bench -p firmware-sim --bench tap -- $(ARGS)

train: $(VENV)/bin/python ## Train the embedded models anew (makes a virtual environment; ARGS="--model decide")
	$(CARGO) build --release -p model-trainer
	$(VENV)/bin/python model-trainer/train.py --binary $(TRAINER) $(ARGS)

train-text: $(VENV)/bin/python ## Train the text model anew, which test-peers serves: after a change of the prompts
	$(CARGO) build --release -p model-trainer
	$(VENV)/bin/python model-trainer/train_text.py --binary $(TRAINER) $(ARGS)

$(VENV)/bin/python:
	python3 -m venv $(VENV) && $(VENV)/bin/pip install torch numpy safetensors

gguf: $(LLAMA_VENV)/ready ## Export the embedded models as GGUF for llama.cpp (ARGS="--out FOLDER --model ping")
	$(CARGO) build --release -p model-trainer
	$(LLAMA_VENV)/bin/python model-trainer/export_gguf.py --models $(MODELS) --binary $(TRAINER) $(ARGS)

$(LLAMA_VENV)/ready: model-trainer/requirements.txt
	$(PYTHON) -m venv --clear $(LLAMA_VENV)
	$(LLAMA_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

measure: ## The standard report: fast path against slow path (ARGS="--quick --html report.html")
	$(CARGO) run --release -p firmware-sim -- measure $(ARGS)

exam: ## Examine the embedded model beside two baselines (ARGS="--quick --html exam.html")
	$(CARGO) run --release -p firmware-sim -- exam $(ARGS)

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf $(PROOF) $(LLAMA_VENV)
