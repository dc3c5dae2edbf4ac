# Set-up included: needs Python >= 3.11, git and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help install train check audit test test-slow test-faults ui clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED)  ## the virtual environment .venv with everything

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

train: $(INSTALLED)  ## train task A at full length and log it
	$(RUN) mlflow run . -e train -P task=A --env-manager local

check: $(INSTALLED)  ## lint, format, types, import contracts, spelling, dependencies, security
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/deptry .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml icl_mlflow entrypoints

audit: $(INSTALLED)  ## known vulnerabilities of what is installed; asks pypi.org
	$(BIN)/pip-audit --local --skip-editable

test: check  ## every check and every test but the slow ones
	$(RUN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m "not slow"  # a process a core, one thread each

test-slow: $(INSTALLED)  ## the tests that take minutes
	$(RUN) $(BIN)/python -m pytest -q -m slow

KILLS ?= 100
ABLATE_KILLS ?= 20
EXAMPLES ?= 1000
SERVER_KILLS ?= 10
OUTAGE ?= 300
INPUTS ?= 2000
DISKS ?= 12
STACK_KILLS ?= 10
OWNERS ?= 20
CREATORS ?= 10
# Counts of less than these are no evidence to keep: name docs/faults_measured.md for it.
TABLE ?= build/faults.md

test-faults: $(INSTALLED)  ## everything that can go wrong, with counts: KILLS=100 ABLATE_KILLS=20 EXAMPLES=1000 SERVER_KILLS=10 OUTAGE=300 INPUTS=2000 DISKS=12 STACK_KILLS=10 OWNERS=20 CREATORS=10; the table goes to TABLE
	$(RUN) OMP_NUM_THREADS=1 ICL_FAULTS_KILLS=$(KILLS) ICL_FAULTS_ABLATE_KILLS=$(ABLATE_KILLS) ICL_FAULTS_EXAMPLES=$(EXAMPLES) \
		ICL_FAULTS_SERVER_KILLS=$(SERVER_KILLS) ICL_FAULTS_OUTAGE=$(OUTAGE) ICL_FAULTS_INPUTS=$(INPUTS) \
		ICL_FAULTS_DISKS=$(DISKS) ICL_FAULTS_STACK_KILLS=$(STACK_KILLS) ICL_FAULTS_OWNERS=$(OWNERS) ICL_FAULTS_CREATORS=$(CREATORS) ICL_FAULTS_TABLE=$(TABLE) \
		$(BIN)/python -m pytest -q tests/faults tests/training/test_checkpoint.py tests/cli/test_bad_input.py

ui: $(INSTALLED)  ## compare runs at http://127.0.0.1:5000
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(CURDIR)/mlflow.db

clean:  ## remove caches and the environment, never results
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
