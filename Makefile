# make run   sets up an environment and runs the miniature study
# make test  sets up an environment and passes all checks and tests
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
NEWEST := .venv-newest
# Without a GPU the CPU build of PyTorch, which pulls no CUDA packages. With a GPU, or on a Mac, the ordinary build.
CONSTRAINTS := $(shell if [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; \
  then echo constraints-cpu.txt; else echo constraints.txt; fi)
TORCH := $(shell grep -h '^torch==' $(CONSTRAINTS))
PIP := -m pip --disable-pip-version-check install -qq
# What builds the package is pinned too. Older versions of pip do not know this variable and take the newest.
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
# From the configured index if the build is there, else from PyTorch's own.
install-torch = $(1)/bin/python $(PIP) -c $(CONSTRAINTS) '$(TORCH)' 2>/dev/null || \
  $(1)/bin/python $(PIP) -c $(CONSTRAINTS) --extra-index-url https://download.pytorch.org/whl/cpu '$(TORCH)'

.DEFAULT_GOAL := help
.PHONY: help run test test-nightly test-newest harness check format setup clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(VENV)/core  ## set up and run the miniature study: table, results, report
	@$(BIN)/restor run

test: $(VENV)/dev check  ## set up and run all checks and tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --versions pinned

test-nightly: $(VENV)/dev check  ## the same with every case of every test: the whole products that `make test` samples
	$(BIN)/python -m pytest -n 2 --dist loadfile --versions pinned -m ""

test-newest:  ## run the tests of engine, loading and training with the newest versions that pyproject.toml allows
	@test -d $(NEWEST) || $(PYTHON) -m venv $(NEWEST)
	@echo "installing the newest versions that pyproject.toml allows, and $(TORCH)"
	@$(call install-torch,$(NEWEST))
	@unset PIP_BUILD_CONSTRAINT; $(NEWEST)/bin/python $(PIP) --upgrade --upgrade-strategy eager -e '.[dev]' '$(TORCH)'
	$(NEWEST)/bin/python -m pytest -n 2 --dist loadfile --versions newest \
	  tests/evaluation/ask/engine tests/evaluation/ask/test_asker.py tests/models tests/training tests/runner/test_whole_study.py

harness: $(VENV)/dev  ## add lm-evaluation-harness to the environment, for the test that compares with it
	@$(BIN)/python $(PIP) -c $(CONSTRAINTS) lm_eval

check: $(VENV)/dev  ## formatting, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev  ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/dev  ## set up only

clean:  ## remove the environments and caches; stores of studies stay
	rm -rf $(VENV) $(NEWEST) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/pip:
	@test -n "$(PYTHON)" || { echo "restor needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/torch: $(VENV)/pip constraints.txt constraints-cpu.txt
	@echo "installing PyTorch ($(TORCH), $(if $(findstring +cpu,$(TORCH)),about 200 MB,about 3 GB with CUDA on Linux)): a minute or two"
	@$(call install-torch,$(VENV))
	@touch $@

$(VENV)/core: $(VENV)/torch pyproject.toml
	@echo "installing transformers, peft and what else restor needs (about 150 MB)"
	@$(BIN)/python $(PIP) -c $(CONSTRAINTS) -e '.[view,plot,frames]'
	@touch $@

$(VENV)/dev: $(VENV)/torch pyproject.toml
	@echo "installing what restor and its tests need (about 250 MB)"
	@$(BIN)/python $(PIP) -c $(CONSTRAINTS) -e '.[dev]'
	@touch $(VENV)/core $@
