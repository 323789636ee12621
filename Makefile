# `make run` and `make test` set up everything they need, from Python 3.11 or later, git and a package
# registry.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export TOKENIZERS_PARALLELISM := true

.PHONY: run test test-all lint check-lock compare bench bench-gpu setup clean

run: setup  ## the pipeline of params.yaml, size and speed on this machine, and the results
	dvc repro
	tinybert speed > /dev/null
	tinybert report

lint: setup
	ruff check .
	ruff format --check .

# One process a core, with one thread each. Tests of one group run in one process: they share a clone.
test: lint  ## lint, and the tests that are not slow
	OMP_NUM_THREADS=1 pytest -q -n auto --dist loadgroup -m "not slow"

test-all: lint  ## lint, and all tests
	OMP_NUM_THREADS=1 pytest -q -n auto --dist loadgroup

check-lock: setup  ## whether dvc.lock belongs to this code; needs no data
	@plan=$$(dvc repro --allow-missing --dry) && ! echo "$$plan" | grep "Running stage"

compare: setup  ## make compare A=HEAD B=soft: two experiments or commits
	@dvc metrics diff --md $(A) $(B)
	@dvc params diff --md $(A) $(B)
	@tinybert compare $(A) $(B)

bench: setup  ## the quick benchmarks, some minutes; benchmarks/README.md lists the others
	python -m benchmarks.distillation --only full_128 sst2_64 prediction
	python -m benchmarks.augmentation --texts 60 --rounds 1
	python -m benchmarks.corpus --megabytes 5 --rounds 1
	python -m benchmarks.inference
	python -m benchmarks.export

bench-gpu: setup  ## distillation on a GPU
	python -m benchmarks.gpu

setup: $(BIN)/.ready

# One environment for everything, with exactly the versions of constraints.txt.
$(BIN)/.ready: pyproject.toml constraints.txt
	@echo "installing the pinned dependencies into .venv (once, some minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:  ## everything that dvc repro can make again, but not the cache
	rm -rf data/corpus data/tasks data/texts data/augmented data/labels data/raw/pydocs data/raw/docs_corpus models report
