# Two commands do all set-up: 'make demo' and 'make test'. Needs Python 3.11 or newer, make and git.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
PEERS_VENV := .venv-bench
PEERS := $(PEERS_VENV)/.peers
DEMO_DB := .demo/catalogue.sqlite
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# Tests, benchmarks and the demo start hundreds of processes: each would compile some hundred modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench bench-full oracle lint format clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(RUNTIME) ## read the bundled sample, print what is in it, serve the site on http://127.0.0.1:8000 (PORT=)
	@mkdir -p .demo
	@CACHESCOPE=$(BIN)/cachescope CACHESCOPE_DB=$(DEMO_DB) PORT=$(PORT) scripts/demo

test: $(DEV) ## all checks that CI runs
	@scripts/check

soak: $(DEV) ## what takes long: random kills, long fuzzing, large property tests
	$(BIN)/python -m pytest -m soak --override-ini addopts= --strict-markers --import-mode=importlib -ra -v

bench: $(DEV) $(PEERS) ## measure against named peers for some minutes, and write docs/benchmarks.md
	$(BIN)/python benchmarks/run.py --profile short

bench-full: $(DEV) $(PEERS) ## the same at full size: hours, 20 GB of disk, 16 GB of memory
	$(BIN)/python benchmarks/run.py --profile full

oracle: $(DEV) ## compare fresh random queries with real Spack (needs SPACK_ROOT)
	$(BIN)/python -m benchmarks.oracle

lint: $(DEV) ## format check, ruff, mypy, import layers
	@scripts/check lint

format: $(DEV) ## format the code
	$(BIN)/ruff format . scripts/make-examples scripts/make-screenshots

clean: ## remove what these targets made
	rm -rf $(VENV) $(PEERS_VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cachescope needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=python3.12, for example."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no module 'venv'. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(VENV)/pyvenv.cfg requirements/runtime.txt requirements/build.txt pyproject.toml
	@echo "installing the locked dependencies"
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(DEV): $(RUNTIME) requirements/dev.txt
	@echo "installing the locked tools"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# Their own environment, so that what is measured is what users install.
$(PEERS): $(VENV)/pyvenv.cfg requirements/bench.txt
	@echo "installing the locked peers of the benchmarks in $(PEERS_VENV)"
	@$(PYTHON) -m venv $(PEERS_VENV)
	@$(PEERS_VENV)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/bench.txt
	@touch $@
