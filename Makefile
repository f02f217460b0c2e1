PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test check bench docs clean

# Train the default network on the embedded digits. `make train ARGS="--network seed-004"` trains another.
train: $(VENV)/installed
	$(BIN)/unrolled train $(ARGS)

test: $(VENV)/installed
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed
	$(BIN)/python benchmarks/unrolling.py $(ARGS)

docs: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) docs/_build build dist
