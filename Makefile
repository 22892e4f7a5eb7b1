# `make help` lists everything. `run` and `test` install what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8080
KILLS ?= 200
CHAOS_SECONDS ?= 1200
SOAK_SECONDS ?= 1800
# Passed on to pytest: make test ARGS="-k TKN-46"
ARGS ?=

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mintgate needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/system-package python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.server: $(VENV)/.python requirements/server.lock pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/server.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.server requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

.PHONY: install
install: $(VENV)/.dev ## Install everything for development into .venv

.PHONY: run
run: $(VENV)/.server ## Run a demo instance (PORT=8080) and print how to try it
	@exec $(BIN)/mintgate serve --demo --host $(HOST) --port $(PORT) $(ARGS)

# Debian's package, where it may be installed; where not, the browser tests say that they are skipped.
.PHONY: browser
browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  ! command -v $$name >/dev/null || exit 0; done; scripts/system-package chromium || true

# Debian's packages again; RUNLEVEL=1 keeps their services from being started.
.PHONY: edge
edge: ## Install the servers that tests put in front and in between
	@for name in nginx caddy haproxy apache2 pgbouncer; do \
	  PATH="$$PATH:/usr/sbin" command -v $$name >/dev/null || RUNLEVEL=1 scripts/system-package $$name || true; done
	@command -v valkey-server redis-server >/dev/null || RUNLEVEL=1 scripts/system-package valkey-server \
	  || RUNLEVEL=1 scripts/system-package redis-server || true
	@ls /usr/share/lua/5.*/socket.lua >/dev/null 2>&1 || scripts/system-package lua-socket || true

.PHONY: test
test: lint browser edge ## Lint, then run every test (ARGS="-k TKN-46" for some)
	$(BIN)/pytest -n auto $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.dev edge ## Have everything go wrong under load (CHAOS_SECONDS=1200, KILLS=200)
	MINTGATE_CHAOS_SECONDS=$(CHAOS_SECONDS) MINTGATE_CHAOS_KILLS=$(KILLS) $(BIN)/pytest -q -s tests/chaos $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev ## Mixed traffic for 30 minutes (SOAK_SECONDS=1800): memory flat, slots exact
	MINTGATE_SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/pytest -q -s tests/soak $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## Style, types and the layers between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.dev ## Bring the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: translate
translate: $(VENV)/.dev ## Bring the catalogues of translations in line with the pages, and compile them
	$(BIN)/python scripts/translate

.PHONY: screenshots
screenshots: $(VENV)/.dev browser ## Draw every page into docs/screenshots (ARGS=sign-in for some)
	$(BIN)/python scripts/screenshots $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev ## Measure against the floor and peers (ARGS="growth", "plans", "pages": many rows)
	$(BIN)/python -m bench $(ARGS)

.PHONY: docs
docs: ## List the documents
	@grep -rHm1 '^# ' README.md CONTRIBUTING.md CHANGELOG.md docs --include='*.md' | sed 's/:# /  —  /'

.PHONY: lock
lock: $(VENV)/.dev ## Resolve the lock files anew (needs: pip install uv)
	scripts/lock

.PHONY: clean
clean: ## Remove what was installed and built; databases stay
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
