# `make run` and `make test` each do all of their own set-up: Python 3.11 or later, git and a
# package registry are all they need.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export TOKENIZERS_PARALLELISM := true

.PHONY: run test check-lock compare bench bench-gpu setup clean

run: setup  ## the pipeline of params.yaml, then its results
	dvc repro
	@python -m tinybert.report

test: setup  ## lint, format and tests
	ruff check .
	ruff format --check .
	pytest -q

check-lock: setup  ## whether dvc.lock is that of this code, without its data
	@said=$$(dvc repro --allow-missing --dry) && ! echo "$$said" | grep "Running stage"

compare: setup  ## make compare A=HEAD B=soft: two experiments or commits
	@dvc metrics diff --md $(A) $(B)
	@dvc params diff --md $(A) $(B)

bench: setup  ## the quick benchmarks, some minutes; benchmarks/README.md has the others
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
	rm -rf data/corpus data/tasks data/augmented data/labels data/raw/pydocs data/raw/docs_corpus models report
