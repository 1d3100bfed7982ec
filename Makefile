# Every target does its own set-up: a virtual environment in .venv, from the pinned constraints.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Tests run in a process more than there are processors (conftest.py), at most four; a file's tests share one, its
# fixtures and its Ray cluster.
AT_ONCE ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The run directory of `make search`; by default a new one under runs/.
RUN ?=
CONFIG_OPTIONS ?=

.PHONY: search test test-quick coverage lint format schema docs bench clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[dev]'
	touch $@

search: $(VENV)/.installed  ## search MNIST-1D and print what was found
	$(BIN)/evoact search configs/quickstart.yaml $(if $(RUN),-o $(RUN)) $(CONFIG_OPTIONS)

$(VENV)/.installed-for-tests: $(VENV)/.installed
	$(PIP) -e '.[triton,export]'
	touch $@

test: $(VENV)/.installed-for-tests  ## the whole test suite
	$(BIN)/python -m pytest $(AT_ONCE)

test-quick: $(VENV)/.installed-for-tests  ## what takes about a second or less and no Ray, between two edits
	$(BIN)/python -m pytest $(AT_ONCE) -m "not slow and not ray"

coverage: $(VENV)/.installed-for-tests  ## the lines of evoact/ that no test runs, Ray's workers aside
	$(BIN)/python -m pytest $(AT_ONCE) -m "not ray" --cov=evoact --cov-report=term-missing:skip-covered

lint: $(VENV)/.installed  ## formatting, lint rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/.installed  ## what editors know of configs, after a change of their keys
	$(BIN)/evoact config schema > configs/schema.json
	$(BIN)/evoact config schema --of space > search_spaces/schema.json

$(VENV)/.installed-for-docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@

docs: $(VENV)/.installed-for-docs  ## the documentation site, in site/; its notebooks run
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# All but those that take hours, a GPU, another checkout or somebody else's code.
BENCHMARKS := packed_step activation_step convolutions families limits take_home learning_curves bilevel \
	scheduling driver strategy_overhead search_throughput failing faults \
	leaderboard inspect_data report raw_data search_efficiency warm_start nulls

bench: $(VENV)/.installed  ## the benchmarks; ARGS=--quick takes about a minute each
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; done

clean:
	rm -rf $(VENV) runs site
