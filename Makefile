# Lumina's verbs. Everything starts from `python3` alone: a virtual environment, `uv` inside it, the packages
# as constraints.txt pins them. Nothing is installed outside of this folder and the caches of pip and uv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

PACKAGES := schemas streams api sdk
EDITABLE := $(foreach package,$(PACKAGES),-e $(package))
MANIFESTS := constraints.txt pyproject.toml $(PACKAGES:%=%/pyproject.toml)
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -b constraints.txt

# ARGS goes to the command behind `up`, `demo`, `test` and `reset`: make up ARGS="--port 8090"
ARGS ?=

.PHONY: help up demo test faults lint format bench reset setup schemas plots constraints
.DEFAULT_GOAL := help

help:
	@echo "make up       start Lumina here: Kafka, gateway, stream, api, demo traffic (DEMO=0: without it)"
	@echo "make demo     play demo traffic to a running Lumina"
	@echo "make test     run all tests, on a real Kafka"
	@echo "make faults   attack a running Lumina, many times, and print what each attack cost"
	@echo "make lint     check format, style, types and generated files"
	@echo "make bench    measure speed on this machine, and accuracy"
	@echo "make reset    empty the local data folder"
	@echo "make format   let ruff write format and fixable findings"
	@echo "make schemas  write the generated files: JSON Schemas, tables of settings and topics"
	@echo "make plots    draw the plots of docs/alerts.md anew (ARGS=--check: say which differ)"
	@echo "make constraints  pin the newest packages that fit (constraints.txt)"

up: $(VENV)/.runtime
	@exec $(BIN)/lumina up $(ARGS)

demo: $(VENV)/.runtime
	@exec $(BIN)/lumina demo $(ARGS)

reset: $(VENV)/.runtime
	@exec $(BIN)/lumina reset $(ARGS)

# Many tests wait more than they work: two files, two attacks at a time, each beside a broker of its own.
test: $(VENV)/.dev
ifeq ($(ARGS),)
	$(BIN)/pytest -n 2 --dist loadfile --ignore=tests/faults
	$(BIN)/pytest -n 2 tests/faults
else
	$(BIN)/pytest $(ARGS)
endif

# Runs for hours with its 20 repetitions: make faults ARGS="--repetitions 2 --only kill-9"
faults: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m lumina_schemas.jsonschema --check
	$(BIN)/python -m lumina_schemas.reference --check

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(VENV)/.dev
	$(BIN)/python -m lumina_schemas.jsonschema
	$(BIN)/python -m lumina_schemas.reference
	@PYTHONPATH=tests $(BIN)/python -m corpus.table

plots: $(VENV)/.runtime
	$(BIN)/python bench/plots.py $(ARGS)

bench: $(VENV)/.runtime
	$(BIN)/python bench/normalise.py
	$(BIN)/python bench/detect.py --calls 40000
	$(BIN)/python bench/detect.py --text 2000 --series 1000 --calls 20000
	$(BIN)/python bench/quality.py
	$(BIN)/python bench/accuracy.py --series 12 --days 8 --fastest 4 --sizes 20 1000
	$(BIN)/python bench/accuracy.py --cold
	$(BIN)/python bench/series.py --synthetic 1000
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/latency.py
	$(BIN)/python bench/api.py

setup: $(VENV)/.dev

# The oldest Python decides; --universal keeps one file for every platform and later Python.
constraints: $(BIN)/uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --no-emit-index-url --no-annotate --no-header \
	  --no-emit-package lumina-schemas --no-emit-package lumina-streams \
	  $(PACKAGES:%=%/pyproject.toml) --group build --group dev -o constraints.txt

# Two stamps, so that `make up` never waits for what only tests need. A stamp is newer than all manifests, or
# the packages are installed again.
$(VENV)/.runtime: $(BIN)/uv $(MANIFESTS)
	@echo "Installing Lumina's packages into $(VENV) (once) ..."
	@$(INSTALL) $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "Installing what tests and checks need into $(VENV) (once) ..."
	@$(INSTALL) --group dev
	@touch $@

$(BIN)/uv:
	@command -v $(PYTHON) >/dev/null || { echo >&2 \
	  "Lumina needs Python 3.11 or newer, and there is no $(PYTHON) here. Debian, Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo >&2 \
	  "Lumina needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo >&2 \
	  "$(PYTHON) cannot make virtual environments. Debian, Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
