# Every target does its own set-up: a virtual environment in .venv, from the pinned constraints.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN ?= runs/quickstart

.PHONY: search test lint bench format clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

search: $(VENV)/.installed  ## search MNIST-1D and print the leaderboard
	$(BIN)/evoact search configs/quickstart.yaml -o $(RUN)

test: $(VENV)/.installed  ## the whole test suite
	$(BIN)/python -m pytest

lint: $(VENV)/.installed  ## formatting, lint rules, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed  ## the benchmarks; pass ARGS=--quick for a minute each
	$(BIN)/python benchmarks/packed_step.py $(ARGS)
	$(BIN)/python benchmarks/scheduling.py $(ARGS)
	$(BIN)/python benchmarks/leaderboard.py $(ARGS)
	$(BIN)/python benchmarks/search_throughput.py $(ARGS)

clean:
	rm -rf $(VENV) runs
