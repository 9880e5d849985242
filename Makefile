# Everything a developer does; `make` alone lists it.
# Variables that the service reads (HOST, PORT, DATA_DIR, DATABASE_URL, ...) pass through, from the
# environment or from the command line: make run PORT=9000

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test check lint types contracts fmt migrate openapi promises guards fuzz conduct chaos lock clean \
	bench bench-labs bench-panels bench-bulk bench-messages bench-storage bench-scale bench-series \
	bench-metrics bench-seal

PYTHON ?= python3
EXAMPLES ?= 1000
TRIALS ?= 200
SECONDS ?= 60
SEED ?= 0
ROUNDS ?= 200
CUTS ?= all
BIN := .venv/bin
INSTALLED := .venv/installed
INSTALLED_DEV := .venv/installed-dev
PYTEST := $(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install
COMPILE := uv pip compile --quiet --generate-hashes --no-annotate --no-header \
	--universal --python-version 3.11 --extra build pyproject.toml

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(INSTALLED) ## Serve on http://127.0.0.1:8000; PostgreSQL included (HOST, PORT, DATA_DIR, DATABASE_URL)
	@exec $(BIN)/msc-icaht serve

demo: $(INSTALLED) ## Replay a whole trial against the running service
	@exec $(BIN)/msc-icaht demo

migrate: $(INSTALLED) ## Bring the database to the newest schema
	@exec $(BIN)/msc-icaht migrate

test: $(INSTALLED_DEV) ## Run the tests; those of app/domain have to cover it completely
	$(PYTEST) tests/domain \
		--cov=app/domain --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100
	$(PYTEST) --ignore tests/domain

check: $(INSTALLED_DEV) ## Everything that CI checks: format, lint, types, layers, tests, OpenAPI
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types contracts
	@$(MAKE) --no-print-directory test

lint: $(INSTALLED_DEV) ## Check the format and the style
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: $(INSTALLED_DEV) ## Check the types
	$(BIN)/mypy

contracts: $(INSTALLED_DEV) ## Check that no layer imports what it must not
	$(BIN)/lint-imports --no-logo

fmt: $(INSTALLED_DEV) ## Format, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

guards: $(INSTALLED_DEV) ## Write app/services/guards.json from the migrations
	$(BIN)/python -m tests.migrations.guards

openapi: $(INSTALLED_DEV) ## Write openapi/openapi.json
	$(BIN)/msc-icaht openapi

fuzz: $(INSTALLED_DEV) ## Fuzz every operation for longer (EXAMPLES=1000)
	MSC_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest tests/promises/test_P24*

conduct: $(INSTALLED_DEV) ## Conduct trials in any order of steps, against the invariants (TRIALS=200)
	MSC_CONDUCT_EXAMPLES=$(TRIALS) $(BIN)/pytest tests/scenarios/test_conduct_machine.py

promises: $(INSTALLED_DEV) ## Show each promise by its tests, and write promises.json
	$(PYTEST) tests/promises --promises promises.json

chaos: $(INSTALLED_DEV) ## Kill, cut and race at random for longer (SECONDS=60, SEED=, ROUNDS=200, CUTS=all)
	MSC_CHAOS_SECONDS=$(SECONDS) MSC_CHAOS_SEED=$(SEED) MSC_PROMISE_SEED=$(SEED) \
		MSC_PROMISE_ROUNDS=$(ROUNDS) MSC_PROMISE_CUTS=$(CUTS) $(BIN)/pytest -s \
		tests/promises/test_P01* tests/promises/test_P02* tests/promises/test_P05* \
		tests/promises/test_P06* tests/promises/test_P07* --promises promises-chaos.json

bench: $(INSTALLED) ## Measure the start and the memory
	$(BIN)/python benchmarks/start.py

bench-labs: $(INSTALLED) ## Measure one result a request beside the database's own limit (BENCH=options)
	$(BIN)/python -m benchmarks.labs $(BENCH)

bench-panels: $(INSTALLED) ## Measure twenty results a request
	$(BIN)/python -m benchmarks.labs --results 20 $(BENCH)

bench-bulk: $(INSTALLED) ## Measure two thousand results a request
	$(BIN)/python -m benchmarks.labs --results 2000 --connections 1 4 $(BENCH)

bench-messages: $(INSTALLED) ## Measure HL7 v2 messages over MLLP and HTTP, new ones and resends
	$(BIN)/python -m benchmarks.messages $(BENCH)

bench-storage: $(INSTALLED) ## Measure the bytes of a result on disk and in the WAL
	$(BIN)/python -m benchmarks.storage $(BENCH)

bench-scale: $(INSTALLED) ## Measure panels beside half a million results that are there
	$(BIN)/python -m benchmarks.scale $(BENCH)

bench-series: $(INSTALLED) ## Measure reading fifty results beside the database's own JSON
	$(BIN)/python -m benchmarks.series $(BENCH)

bench-metrics: $(INSTALLED) ## Measure one study's metrics alone and beside 10 million other results
	$(BIN)/python -m benchmarks.metrics $(BENCH)

bench-seal: $(INSTALLED) ## Measure operations sealed a second, and what that costs who writes
	$(BIN)/python -m benchmarks.seal $(BENCH)

lock: ## Pin the dependencies anew, with hashes; needs uv
	$(COMPILE) --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## Remove the environment and the caches; the data stay
	rm -rf .venv build *.egg-info .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .schemathesis
	find app alembic tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew only when its lock changes.
$(INSTALLED): requirements.lock | $(BIN)/python
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q app
	@touch $@

$(INSTALLED_DEV): requirements-dev.lock $(INSTALLED)
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null \
		|| { echo "Python's venv is needed; as root: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
