# Every target is documented by the text behind its name: `make help`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DAGSTER_DISABLE_TELEMETRY := yes
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

.PHONY: help install demo run ui test lint format bench clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

install: $(INSTALLED) ## create .venv with everything, pinned by constraints.txt

demo: $(INSTALLED) ## the whole pipeline on the bundled sample, offline, into data/demo
	$(BIN)/tidegauge demo

run: $(INSTALLED) ## extract what is new from the real providers into data/live
	$(BIN)/tidegauge run

ui: $(INSTALLED) ## Dagster's web server and daemon on http://127.0.0.1:3000
	$(BIN)/tidegauge ui

test: $(INSTALLED) ## the whole test suite, no network
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED) ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## time the demo beside a plain dbt build of the same project
	$(BIN)/python benchmarks/demo.py

clean: ## remove the demo's state, caches and the environment
	rm -rf $(VENV) data/demo .pytest_cache .mypy_cache .ruff_cache build *.egg-info
