# gitslot on one laptop. `make help` lists what there is; each target sets up all that it needs.
# Written for make 3.81 (macOS) and later.

PY := .venv/bin/python
PYTHON_READY := .venv/.ready
AZURITE_READY := node_modules/.ready
SETUP := tools/setup.py tools/python.sh

.DEFAULT_GOAL := help
.PHONY: help demo up down test test-long test-clients test-recordings reliability repro check format bench screenshots package lock clean

help: ## show this list
	@echo "gitslot: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: $(PYTHON_READY) $(AZURITE_READY) ## watch the whole story on real processes: 1 minute, leaves nothing running
	@$(PY) -m gitslot local demo

up: $(PYTHON_READY) $(AZURITE_READY) ## start the local platform on this checkout; it follows your newest commit
	@$(PY) -m gitslot local up

down: $(PYTHON_READY) ## stop the local platform
	@$(PY) -m gitslot local down

# Hundreds of processes import the same: they find it compiled, whatever the environment says.
test test-long test-clients reliability: export PYTHONDONTWRITEBYTECODE :=

test: $(PYTHON_READY) $(AZURITE_READY) ## run the tests (5 minutes)
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not long and not clients"

test-long: $(PYTHON_READY) $(AZURITE_READY) ## run the tests that take longer
	@$(PY) tools/setup.py azure-cli
	@$(PY) -m pytest -n 2 --dist worksteal -m "long or clients"

test-clients: $(PYTHON_READY) $(AZURITE_READY) ## run Microsoft's own clients (az, SDKs) against the local platform
	@$(PY) tools/setup.py azure-cli
	@$(PY) -m pytest -m clients

test-recordings: $(PYTHON_READY) ## compare answers of Azure (`gitslot azure record`) with the emulator's: RECORDINGS=FOLDER
	@RECORDINGS="$(RECORDINGS)" $(PY) -m pytest tests/emulator/test_recordings.py

reliability: $(PYTHON_READY) $(AZURITE_READY) ## run the reliability designs, one line each; LONG=1 for all of their cases
	@$(PY) -m reliability $(if $(LONG),--long) $(DESIGN)

repro: $(PYTHON_READY) $(AZURITE_READY) ## play one reliability case again with its history: make repro SEED=...
	@$(PY) -m reliability --repro $(SEED)

check: $(PYTHON_READY) ## lint, format, types, import contract, schemas, lock files
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@$(PY) -m mypy --python-version 3.11 --cache-dir .mypy_cache/gitslot gitslot
	@$(PY) -m tools.check

format: $(PYTHON_READY) ## format the code and fix what can be fixed
	@$(PY) -m ruff check --fix --quiet
	@$(PY) -m ruff format

bench: $(PYTHON_READY) $(AZURITE_READY) ## measure docs/believe/performance.md's claims again; CLAIM=bump for one
	@$(PY) -m bench $(CLAIM)

screenshots: $(PYTHON_READY) ## draw the pictures of README and docs (needs Debian's chromium)
	@$(PY) -m tools.screenshots

package: $(PYTHON_READY) ## zip both function apps into dist/ as Azure runs them
	@$(PY) -m gitslot.registry.package serving_app
	@$(PY) -m gitslot.registry.package controller

lock: $(PYTHON_READY) ## lock the newest versions that requirements.in and package.json allow
	@$(PY) tools/setup.py lock

clean: ## remove what was built and set up, but not .gitslot (that is gitslot local down --wipe)
	rm -rf .venv node_modules build dist .mypy_cache .ruff_cache .import_linter_cache *.egg-info

# Stamps: done once, and again after a lock has changed.

$(PYTHON_READY): requirements.txt pyproject.toml $(SETUP)
	@python="$$(sh tools/python.sh)" && "$$python" tools/setup.py python

$(AZURITE_READY): package-lock.json $(PYTHON_READY)
	@$(PY) tools/setup.py azurite
