PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test check bench bench-peers bench-recipes results docs sanitize fuzz torch_tests wheel clean

# Train the default network on the embedded digits. `make train ARGS="--network seed-004"` trains another.
train: $(VENV)/installed
	$(BIN)/unrolled train $(ARGS)

test: $(VENV)/installed
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every row beside torch.nn, about five minutes on a quiet machine: results/ and docs/benchmarks.md.
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks $(ARGS)

# Some rows beside every peer. BENCH_JAX, BENCH_TENSORFLOW and BENCH_ONNX may name environments that are there.
bench-peers: $(VENV)/installed $(foreach peer,jax tensorflow onnx,$(if $(BENCH_$(shell echo $(peer) | tr a-z A-Z)),,.venv-$(peer)/installed))
	$(BIN)/python -m benchmarks --peers all $(ARGS)

# A step of every tutorial's recipe beside TensorFlow's: DATA names the folder with the data sets.
bench-recipes: $(VENV)/installed $(if $(BENCH_TENSORFLOW),,.venv-tensorflow/installed)
	$(BIN)/python -m benchmarks.recipes --data-dir $(DATA) $(ARGS)

# Trainings that docs/results.md lacks, one thread each, and the page; to be stopped and started again at will.
results: $(VENV)/installed
	$(BIN)/python scripts/results.py run --data-dir $(DATA) $(ARGS)
	$(BIN)/python scripts/results.py write

.venv-%/installed: benchmarks/peers/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install -q -r $<
	touch $@

# The kernel tests under the address and undefined-behaviour sanitizers, on a build of their own.
SANITIZED := build/sanitized
sanitize: $(VENV)/installed
	$(BIN)/pip install -q 'nanobind>=2.4' cmake ninja
	$(BIN)/cmake -G Ninja -S . -B $(SANITIZED) -DUNROLLED_SANITIZE=ON -DPython_EXECUTABLE=$(abspath $(BIN)/python) \
		-Dnanobind_DIR=$$($(BIN)/python -m nanobind --cmake_dir)
	$(BIN)/cmake --build $(SANITIZED)
	LD_PRELOAD="$$(c++ -print-file-name=libasan.so) $$(c++ -print-file-name=libubsan.so)" \
		ASAN_OPTIONS=detect_leaks=0 UNROLLED_NATIVE=$(SANITIZED) \
		$(BIN)/python -m pytest -q -p no:cacheprovider tests/kernels tests/stream -k 'not compile and not opcheck' $(ARGS)

# Damaged files for every parser, a minute each: `make fuzz ARGS="--minutes 10 --parser idx"`. Failures stay in build/fuzz.
fuzz: $(VENV)/installed
	$(BIN)/python -m attacks.fuzz $(ARGS)

# PyTorch's own tests of its recurrent layers, with ours in their place: `make torch_tests TORCH=<its source>`.
torch_tests: $(VENV)/installed
	$(BIN)/python scripts/torch_tests.py $(TORCH) $(ARGS)

# For this machine's Python and processor family.
wheel: $(VENV)/installed
	$(BIN)/pip wheel -q --no-deps -w dist .

docs: $(VENV)/installed
	$(BIN)/pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .venv-* docs/_build build dist
