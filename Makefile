# Everything that is done with this project; `make` lists it. Any target sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .local/venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Test processes side by side; `make test JOBS=0` runs them in one.
JOBS ?= auto
# More words for pytest: make test-unit ARGS="-k credit"
ARGS ?=
PYTEST = $(BIN)/pytest $(if $(filter-out 0,$(JOBS)),-n $(JOBS) --dist worksteal,)
LOCK_WORDS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ See it
.PHONY: demo
demo: $(READY) ## start everything afresh with a consortium's data, and say where to look; Ctrl-C ends it
	@$(BIN)/python -m deploy.demo

##@ Run it
.PHONY: up down status audit clean-data env
up: $(READY) ## start everything in the background; its data stay in .local/run; BROKERS=3 for three brokers
	@$(BIN)/python -m deploy.local.launcher up

down: $(READY) ## end it, also after a crash
	@$(BIN)/python -m deploy.local.launcher down

status: $(READY) ## how each process is
	@$(BIN)/python -m deploy.local.launcher status

audit: $(READY) ## look in what runs for anything lost, doubled, invented or out of balance
	@$(BIN)/python -m deploy.local.launcher audit

clean-data: $(READY) ## end it and delete its data
	@$(BIN)/python -m deploy.local.launcher delete

env: $(READY) ## development secrets for `docker compose up`, in .env
	@test ! -e .env || { echo ".env is there already; delete it first"; exit 1; }
	@umask 077; $(BIN)/python -m deploy.local.launcher env > .env.part && mv .env.part .env

##@ Test it
.PHONY: test test-services test-system test-compose test-unit test-integration schemathesis acceptance e2e browser
.PHONY: faults faults-quick planted bench
test: test-services test-system ## all tests, on a real PostgreSQL and Kafka that start and end with them

test-services: $(READY) ## rules, contracts, the domain's cases, single services on real servers
	@$(PYTEST) tests/unit tests/contract tests/acceptance tests/integration $(ARGS)

test-system: e2e browser faults-quick ## the whole system as it is run: end to end, in a browser, under faults

test-compose: $(READY) ## docker-compose.yml in containers, where a Docker engine answers: built, started, used, stopped
	@$(BIN)/pytest -rs tests/compose $(ARGS)

test-unit: $(READY) ## rules and contracts only: no servers, seconds
	@$(BIN)/pytest tests/unit tests/contract $(ARGS)

test-integration: $(READY) ## single services on real servers
	@$(PYTEST) tests/integration $(ARGS)

schemathesis: $(READY) ## every OpenAPI document against its service, at length; CONCORD_EXAMPLES=n takes n a caller
	@CONCORD_EXAMPLES=$${CONCORD_EXAMPLES:-100} $(BIN)/pytest tests/integration/openapi $(ARGS)

acceptance: $(READY) ## the domain's case files; RECOGNITION_CASES=path runs another file
	@$(BIN)/python -m tests.acceptance.run

e2e: $(READY) ## the whole system: every process, as it is run
	@$(BIN)/pytest -rs tests/e2e $(ARGS)

browser: $(READY) ## its pages in a Chromium, beside axe and the keyboard alone
	@$(BIN)/pytest -rs tests/browser $(ARGS)

faults: $(READY) ## every process killed under load, over 60 times, and other faults; CONCORD_SEED=n takes another story
	@CONCORD_ROUNDS=$${CONCORD_ROUNDS:-6} CONCORD_LEARNERS=$${CONCORD_LEARNERS:-1200} $(BIN)/pytest -rs tests/faults $(ARGS)

faults-quick: $(READY) ## the same in minutes: over 15 kills; `make test` ends with it
	@$(BIN)/pytest -rs tests/faults $(ARGS)

planted: $(READY) ## plant bugs in copies of the tree, and see that the auditor names each; BUGS="name …" for some
	@$(BIN)/python -m tests.faults.planted $(BUGS)

bench: $(READY) ## how fast it is; it ends with the whole path beside the floor under it, and QUICK=1 takes minutes
	@for each in $$(grep -l __main__ bench/*.py); do echo "$$each"; $(BIN)/python -m "bench.$$(basename "$$each" .py)"; done

##@ Change it
.PHONY: check check-format check-lint check-types check-imports check-contracts check-configuration
.PHONY: format contracts configuration acls lock clean
check: check-format check-lint check-types check-imports check-contracts check-configuration ## everything that needs no run: format, lint, types, imports, generated files

check-format: $(READY)
	@$(BIN)/ruff format --check --quiet . || { echo "run \`make format\`"; exit 1; }

check-lint: $(READY)
	@$(BIN)/ruff check --quiet .

check-types: $(READY)
	@$(BIN)/mypy

check-imports: $(READY)
	@$(BIN)/lint-imports

check-contracts: $(READY)
	@$(BIN)/python -m contracts.generate --check

check-configuration: $(READY)
	@$(BIN)/python -m deploy.configuration --check

format: $(READY) ## format the code, and mend what the linter can
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

contracts: $(READY) ## write the schemas and the AsyncAPI document anew
	@$(BIN)/python -m contracts.generate

configuration: $(READY) ## write docs/configuration.md, the reference of all settings, anew
	@$(BIN)/python -m deploy.configuration

acls: $(READY) ## print each service's rights in Kafka, as a script for its administrator
	@$(BIN)/python -m deploy.acls

lock: $(READY) ## pin the newest versions that fit: Python's with hashes, Kafka's jars with checksums
	@$(BIN)/uv pip compile pyproject.toml --all-extras $(LOCK_WORDS) --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --constraint requirements.lock $(LOCK_WORDS) --output-file deploy/requirements.lock
	@$(BIN)/python -m deploy.local.jars

clean: ## end what runs, and delete everything that was made here
	@if [ -e $(READY) ]; then $(BIN)/python -m deploy.local.launcher down; fi
	@rm -rf .local .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis mutants *.egg-info

# The virtual environment, from the hashed lock; made again when what it is made from changes.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Concord needs Python 3.11 or newer as '$(PYTHON)'; name another one with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Concord needs Python's venv module; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "setting up $(VENV) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
