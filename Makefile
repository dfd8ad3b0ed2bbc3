# One file for a person, pre-commit and CI: `make` lists what there is.
#
# Nothing has to be installed by hand but Python 3.11 or newer: uv comes into .uv, with a hash, and
# everything else into .venv, with hashes, both only when something they rest on has changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The newest of these that runs and is new enough. A name on PATH may be a shim without a Python
# behind it, so each is asked.
PYTHON_IS_FIT := import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (4,))
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	"$$name" -c '$(PYTHON_IS_FIT)' 2>/dev/null && { command -v "$$name"; break; }; done)

# The members of the workspace. `./tools`, because `tools` alone would be a package of an index.
MEMBERS := $(patsubst %/pyproject.toml,./%,$(sort $(wildcard packages/*/pyproject.toml \
	services/*/pyproject.toml tools/pyproject.toml)))
# What mypy looks at: every folder that has a Python file; it refuses to be given another one.
has_python = $(if $(shell find $(1) -name '*.py' -print -quit),$(1))
CHECKED = $(foreach path,$(wildcard $(MEMBERS:%=%/src) $(MEMBERS:%=%/tests) requirements tests \
	benchmarks conftest.py),$(call has_python,$(path)))
# So that a new service is type-checked without being named here.
export MYPYPATH := $(subst $() ,:,$(patsubst ./%,%,$(MEMBERS:%=%/src)))

UV := .uv/bin/uv
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

##@ For everyone

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Options of the demo, each passed on when it is given.
DEMO_OPTIONS := $(if $(filter-out 0,$(CHECK)),--check) $(if $(SOURCE),--source $(SOURCE)) \
	$(if $(SPEED),--speed $(SPEED)) $(if $(DAYS),--days $(DAYS)) $(ARGS)

.PHONY: demo
demo: .venv/.complete ## Everything on this machine: CHECK=1 SOURCE=auto|kraken|simulator SPEED=1
	$(BIN)/candlecast demo $(strip $(DEMO_OPTIONS))

.PHONY: stop
stop: .venv/.complete ## Stop what a demo left running
	$(BIN)/candlecast stop

.PHONY: test
test: .venv/.complete ## Run the tests: ONLY=services/trade_producer for some of them
	$(BIN)/pytest $(ONLY) $(ARGS)

.PHONY: bench
bench: .venv/.complete ## Measure: ONLY=pipeline for one benchmark
	$(BIN)/python -m benchmarks $(ONLY) $(ARGS)

##@ For developers

.PHONY: check
check: lint test ## All that CI checks

.PHONY: lint
lint: .venv/.complete ## Style, types, layers, spelling, locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(CHECKED)
	@for directory in services/*/src/*/; do name=$$(basename "$$directory"); \
		[[ "$$name" == *.egg-info ]] || grep -q "^ *$$name$$" .importlinter \
		|| { echo "service $$name is not named in .importlinter" >&2; exit 1; }; done
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python requirements/service_locks.py --check

.PHONY: format
format: .venv/.complete ## Put the code into shape, as far as tools can
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

.PHONY: environment
environment: .venv/.complete ## Make or renew .venv only

UPGRADE_OPTIONS := $(if $(filter 1,$(UPGRADE)),--upgrade,$(UPGRADE:%=--upgrade-package %))

.PHONY: lock
lock: .venv/.complete ## Renew the locks: UPGRADE=1 for the newest, UPGRADE=httpx for one
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-emit-package candlecast --custom-compile-command 'make lock' $(UPGRADE_OPTIONS) \
		$(MEMBERS:./%=%/pyproject.toml) --all-extras --group pyproject.toml:dev \
		--output-file requirements/workspace.lock
	$(BIN)/python requirements/service_locks.py

.PHONY: lock-uv
lock-uv: $(UV) ## Take the newest uv
	echo uv | $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--upgrade --no-header --no-annotate - --output-file requirements/uv.txt

.PHONY: clean
clean: ## Remove everything that can be made again, but not the data of .data
	rm -rf .venv .uv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name .git -prune -o -type d -name __pycache__ -print0 | xargs -0 rm -rf

# A private uv: `python3 -m venv` and pip are all that Python itself brings.
$(UV): requirements/uv.txt
	@if [[ -z "$(PYTHON)" ]]; then \
		echo "candlecast needs Python 3.11 or newer with its venv module, and found none:" \
			"install python3 and python3-venv, or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@rm -rf .uv
	@"$(PYTHON)" -m venv .uv > /dev/null || { rm -rf .uv; \
		echo "'$(PYTHON) -m venv' does not work; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
		exit 1; }
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--only-binary :all: --requirement requirements/uv.txt
	@touch $(UV)

# `sync` takes away what the lock no longer has; the members themselves follow as editable installs,
# without dependencies (the lock has them) and without a download (uv itself builds them).
.venv/.complete: $(UV) requirements/workspace.lock pyproject.toml $(MEMBERS:%=%/pyproject.toml)
	@[[ -x $(BIN)/python ]] && $(BIN)/python -c '$(PYTHON_IS_FIT)' \
		|| $(UV) venv --quiet --clear --python "$(PYTHON)" .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/workspace.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --offline \
		$(MEMBERS:%=--editable %)
	@touch $@
