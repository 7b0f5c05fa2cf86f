# Every command below works from a bare clone with nothing but make and Python 3.11 or newer.
#
#   PYTHON=python3.12   the interpreter that creates the environment
#   VENV=path           where the environment lives
#   WORKERS=4           processes that share the tests
#   PYTEST_ARGS="-k x"  further arguments for pytest
#   PHOTO=path TEXT="…" a photograph for the demo, and what to find in it

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt $(wildcard hatch_build.py src/laconvnet/ops/native/*.h src/laconvnet/ops/native/*.cpp src/laconvnet/ops/native/build.py)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed ## show the shipped networks on scenes and, with PHOTO=path TEXT="the man in red", on a photograph, in demo_output/
	$(BIN)/laconvnet demo --output demo_output $(if $(PHOTO),--photo "$(PHOTO)")$(if $(TEXT), --text "$(TEXT)")

test: lint ## check style, types and imports, then run every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## check style, types and imports between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## rewrite the sources in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove demo_output/, builds and caches (the environment stays)
	rm -rf demo_output build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# An environment that exists already, of another tool or with VENV=, is used as it is.
$(VENV)/.created:
	@$(PYTHON) -c '' 2>/dev/null || { \
	  echo "error: '$(PYTHON)' does not run; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: '$(PYTHON)' is $$($(PYTHON) -V 2>&1), and laconvnet needs Python 3.11 or newer;" \
	       "name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: '$(PYTHON)' cannot create environments: its venv module is missing" \
	       "(on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "Creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@touch $@

$(VENV)/.torch: $(VENV)/.created constraints.txt
	@echo "Installing torch into $(VENV)"
	@$(PIP_INSTALL) torch
	@touch $@

$(VENV)/.installed: $(VENV)/.torch $(REQUIREMENTS)
	@echo "Installing laconvnet into $(VENV)"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed $(REQUIREMENTS)
	@echo "Installing the development tools into $(VENV)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@
