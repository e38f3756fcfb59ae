# Everything runs in .venv, which is made on first use from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-adapters bench docs lint types contracts check clean

demo: .venv/demo
	$(BIN)/seqpo demo --out runs/demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term

# TRL and verl pin other versions than seqpo is developed with: each has an environment of its own
test-adapters: .venv-trl/done .venv-verl/done
	.venv-trl/bin/python -m pytest -q tests/adapters
	.venv-verl/bin/python -m pytest -q tests/adapters

bench: .venv/dev
	$(BIN)/python -m benchmarks rollout --rounds 3
	$(BIN)/python -m benchmarks update
	$(BIN)/python -m benchmarks read-write

docs: .venv/dev
	$(BIN)/python docs/build.py

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/dev
	$(BIN)/mypy

contracts: .venv/dev
	$(BIN)/lint-imports

check: lint types contracts test

# torch goes first: its CPU build fits a plain pin, and nothing else then pulls a larger one
.venv/torch: constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt torch
	touch $@

.venv/demo: .venv/torch pyproject.toml
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

.venv/dev: .venv/demo
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

.venv-trl/done .venv-verl/done: .venv-%/done: constraints-%.txt pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install -q -c constraints-$*.txt torch
	.venv-$*/bin/pip install -q -c constraints-$*.txt -e '.[$*]' pytest hypothesis
	touch $@

clean:
	rm -rf .venv .venv-* build dist src/*.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
