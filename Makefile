# The verbs of this repository; `make` lists them.
PYTHON ?= python3
BIN := .venv/bin
ONCE ?=
FUZZ_SECONDS ?= 300
MODE ?=
SERVERS := $(if $(filter distributed,$(MODE)),servers)

.DEFAULT_GOAL := help
.PHONY: help install servers demo up check test mutants bench screenshots clean audit-deps licences sbom fuzz

help: ## list the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/.installed: requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: .venv/.installed ## create .venv with the locked dependencies

servers: install ## PostgreSQL, RabbitMQ, Prometheus and ClamAV, where apt-get may install them; they are not started
	@sh tests/servers.sh $$($(BIN)/python -c "from hub.servers import missing; print(*missing())") \
	  $$(command -v promtool >/dev/null || echo prometheus) \
	  $$(command -v clamd >/dev/null || test -x /usr/sbin/clamd || echo clamav-daemon) \
	  $$(command -v chromium >/dev/null || echo chromium fonts-dejavu-core)

demo: install $(SERVERS) ## a September hour through the whole hub, with sandboxes (ONCE=1 ends by itself)
	@$(BIN)/hub demo $(if $(ONCE),--once) $(if $(MODE),--mode $(MODE))

up: install ## the hub with its sandboxes, until Ctrl-C
	@$(BIN)/hub up --sandboxes

check: install ## ruff, mypy, import contracts, hub check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hub check
	$(BIN)/python -m tests.supply.licences
	$(BIN)/python -m tests.supply.audit

test: check servers ## check, every test, and whether the tests catch a hub without its safeguards
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/faults --durations=25
	$(BIN)/pytest tests/faults
	$(MAKE) --no-print-directory mutants

mutants: install ## take the hub's safeguards out, one at a time: some test must notice each
	$(BIN)/python -m tests.faults.mutants

bench: install $(SERVERS) ## how fast, beside a plain stack on the same load
	$(BIN)/hub bench $(if $(MODE),--mode $(MODE)) --json

licences: install ## docs/licences.md: what is installed, under which licence
	$(BIN)/python -m tests.supply.licences --write

sbom: install ## build/sbom.json: what is installed, as CycloneDX says it
	$(BIN)/python -m tests.supply.sbom build/sbom.json

audit-deps: install ## known vulnerabilities of what is installed; fails where nobody can be asked
	$(BIN)/python -m tests.supply.audit --strict

fuzz: install ## odd bytes for every parser and odd requests for the whole API, for FUZZ_SECONDS
	$(BIN)/python -m tests.fuzz.campaign --seconds $(FUZZ_SECONDS) --crashes build/fuzz
	FUZZ_EXAMPLES=100 $(BIN)/pytest tests/security/test_schemathesis.py

screenshots: install servers ## the pictures of docs/console.md, taken of the demonstration
	$(BIN)/python -m tests.browser.screenshots

clean: ## forget what was built
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache *.egg-info
