# make run   sets up an environment and runs the miniature study
# make test  sets up an environment and passes all checks and tests
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
TORCH_CPU := $(shell grep '^torch==' constraints-cpu.txt)

.DEFAULT_GOAL := help
.PHONY: help run test harness check format setup clean

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(VENV)/core  ## set up and run the miniature study: table, results, report
	$(BIN)/restor run

test: $(VENV)/dev check  ## set up and run all checks and tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

harness: $(VENV)/dev  ## add lm-evaluation-harness to the environment, for the test that compares with it
	$(BIN)/pip install -q 'lm_eval==0.4.13'

check: $(VENV)/dev  ## formatting, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev  ## format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/dev  ## set up only

clean:  ## remove the environment and caches; stores of studies stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/pip:
	@test -n "$(PYTHON)" || { echo "restor needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# Without a GPU the CPU build of PyTorch, which pulls no CUDA packages: from the configured index if it is there, else
# from PyTorch's own. With a GPU, or on a Mac, the ordinary build.
$(VENV)/torch: $(VENV)/pip constraints-cpu.txt
	@if [ "$$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; then \
	  echo "no GPU found: installing $(TORCH_CPU)+cpu"; \
	  $(BIN)/pip install -q "$(TORCH_CPU)+cpu" 2>/dev/null || \
	  $(BIN)/pip install -q --extra-index-url https://download.pytorch.org/whl/cpu "$(TORCH_CPU)+cpu"; \
	else $(BIN)/pip install -q 'torch>=2.11,<3'; fi
	touch $@

$(VENV)/core: $(VENV)/torch pyproject.toml
	$(BIN)/pip install -q -e '.[view,plot,frames]'
	touch $@

$(VENV)/dev: $(VENV)/torch pyproject.toml
	$(BIN)/pip install -q -e '.[dev]'
	touch $(VENV)/core $@
