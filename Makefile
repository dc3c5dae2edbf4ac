# Set-up included: needs Python >= 3.11, git and make; uv is used where it is installed.
PYTHON ?= python3
BIN := .venv/bin
# What training needs; and what checks and tests need beside it.
RUNS := .venv/.runs
INSTALLED := .venv/.installed
DOCS := .venv/.docs
SERVER := .venv/.server
TORCH := "$(shell sed -n 's/^  "\(torch[<>=][^"]*\)",/\1/p' pyproject.toml)"
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

UV := $(shell command -v uv)
# Installs this package into .venv, as `$(ADD) .` or `$(ADD) '.[dev]'`.
ifdef UV
ADD = UV_TORCH_BACKEND=$${UV_TORCH_BACKEND:-auto} $(UV) pip install --python $(BIN)/python --editable
else
ADD = $(BIN)/python -m pip install --disable-pip-version-check --editable
endif
CPU_TORCH := https://download.pytorch.org/whl/cpu

.PHONY: help install train check docs gallery notebooks audit test test-slow test-server test-browser test-faults ui server clean

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED)  ## the virtual environment .venv with everything, for tests too

# uv is used where it is installed, and finds the torch that suits the machine. pip cannot:
# where Linux has no NVIDIA driver, torch comes first, from its index of CPU builds, which
# saves gigabytes. An index of your own (PIP_INDEX_URL, pip.conf) is left to decide.
$(RUNS): pyproject.toml
ifdef UV
	@echo "installing into .venv, by uv: icl-mlflow and what it needs to run"
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(ADD) .
else
	@echo "installing into .venv, by pip: icl-mlflow and what it needs to run"
	$(PYTHON) -m venv .venv
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && [ -z "$$PIP_INDEX_URL" ] \
		&& ! $(BIN)/python -m pip config get global.index-url >/dev/null 2>&1 \
		&& ! $(BIN)/python -c 'import torch' 2>/dev/null; then \
		echo "no NVIDIA driver here: torch for CPUs, from $(CPU_TORCH)"; \
		$(BIN)/python -m pip install --disable-pip-version-check --retries 1 --index-url $(CPU_TORCH) $(TORCH) \
			|| echo "not to be had there; it comes with the rest, and is larger"; \
	fi
	$(ADD) .
endif
	touch $@

$(INSTALLED): $(RUNS)
	@echo "installing into .venv: what checks and tests need beside it"
	$(ADD) '.[dev]'
	touch $@

$(DOCS): $(RUNS)
	@echo "installing into .venv: what the documentation's site needs beside it"
	$(ADD) '.[docs]'
	touch $@

$(SERVER): $(RUNS)
	@echo "installing into .venv: what a team's server needs beside it"
	$(ADD) '.[server]'
	touch $@

train: $(RUNS)  ## train task A at full length and log it
	$(RUN) mlflow run . -e train -P task=A --env-manager local

check: $(INSTALLED) docs  ## lint, format, types, import contracts, spelling, dependencies, security, the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/deptry .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml icl_mlflow entrypoints

docs: $(DOCS)  ## the documentation as a site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

gallery: $(DOCS)  ## draw docs/gallery.md and its pictures anew; trains small models in build/gallery
	$(RUN) $(BIN)/python -m docs.gallery

notebooks: $(DOCS)  ## execute the notebooks in docs/notebooks again, in place
	$(RUN) $(BIN)/python -m nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False docs/notebooks/*.ipynb

audit: $(INSTALLED)  ## known vulnerabilities of what is installed; asks PyPI
	$(BIN)/pip-audit --local --skip-editable

test: check  ## every check and every test but the slow ones
	$(RUN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow"  # one thread each

test-slow: $(INSTALLED)  ## the tests that take minutes
	$(RUN) $(BIN)/python -m pytest -q -m slow

test-server: $(INSTALLED)  ## two users at a team's server: PostgreSQL, passwords, TLS
	$(RUN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/team_server

test-browser: $(INSTALLED)  ## what MLflow's UI shows, in Chromium; pictures in build/browser
	$(RUN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/browser

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

ui: $(RUNS)  ## compare runs at http://127.0.0.1:5000
	$(BIN)/mlflow ui --backend-store-uri sqlite:///$(CURDIR)/mlflow.db

# Such as SERVER_OPTIONS='--name mlflow.example.org --host 0.0.0.0 --port 443'.
SERVER_OPTIONS ?=

server: $(SERVER)  ## a team's tracking server, here: PostgreSQL, passwords, TLS (docs/server.md)
	$(BIN)/python -m team_server $(SERVER_OPTIONS)

clean:  ## remove caches and the environment, never results
	rm -rf .venv build site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
