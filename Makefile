# Two commands do all: `make demo` shows the agent at work, `make test` checks everything.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Whole files to each process, so that what a file sets up is set up once; tests/support/marking.py orders them.
# What was compiled once is kept, whatever the machine's own habit: a fifth of the quick run.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: demo test lint types unit quick fuzz lock sbom deb arm64 booted clean

demo: $(VENV)/.demo
	$(BIN)/emotion-agent demo

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(PYTEST) --cov --cov-report=term:skip-covered

# While writing: no broker, no camera, no training, no child process.
quick: $(VENV)/.dev
	HYPOTHESIS_PROFILE=quick $(PYTEST) -m 'not broker and not camera and not train and not slow'

# Every way in, fed with what chance makes of good input; ten minutes, or SECONDS=60.
SECONDS ?= 600
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The marker files stand for "installed as pyproject.toml and the lock file say".
$(VENV)/.demo: pyproject.toml requirements.lock | $(BIN)/python
	$(INSTALL) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml requirements.lock | $(BIN)/python
	$(INSTALL) --editable '.[demo,dev,litert,openvino,quantize,train]'
	touch $@ $(VENV)/.demo

# The wheels of a device, their hashes, and the bill of materials dist/wheels/sbom.cdx.json.
sbom: $(VENV)/.dev
	systemd/packaging/make_wheelhouse.sh dist/wheels

# A Debian package with those wheels inside; needs dpkg-deb.
deb: sbom
	systemd/packaging/make_deb.sh dist/wheels dist

# Installs and runs the agent in an emulated Raspberry Pi system; slow, and needs root.
arm64:
	tests/system/arm64_root.sh build/arm64

# Installs the agent as a service in a booted Debian 12 and checks what is promised of it; slow, and needs root.
booted: $(VENV)/.demo
	PYTHON=$(abspath $(BIN))/python tests/system/booted_root.sh build/booted

# torch is pinned by hand: a resolver would pick the build with CUDA and its gigabytes; the rest of the train extra
# is named to it one by one. backports-strenum is left open: its newest release refuses the Pythons that litert asks
# it for.
lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet uv
	printf 'matplotlib\nscikit-learn\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--extra demo --extra dev --extra litert --extra openvino --extra quantize \
		--no-emit-package backports-strenum pyproject.toml - --output-file requirements.lock
	echo 'torch==2.13.0' >> requirements.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
