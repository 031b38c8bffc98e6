# The few verbs one needs. Each sets up what it uses; the second time that is nothing.
.PHONY: demo up test check fmt bench soak lock setup

DEMO_ARGS ?=
UP_ARGS ?=
TEST_ARGS ?=
TEST_WORKERS ?= 2
BENCH_ARGS ?=
PAYMENT_BENCH_ARGS ?=
SOAK_ARGS ?=
SEARCH_BENCH_ARGS ?=
PYTHON := .venv/bin/python
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard */__init__.py))

demo: setup
	@.venv/bin/marquee demo $(DEMO_ARGS)

up: setup
	@.venv/bin/marquee up $(UP_ARGS)

# Most tests wait more than they compute. Each worker has engines of its own, and does whole files.
test: setup
	@scripts/stripe-mock
	@$(PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadfile $(TEST_ARGS)

check: setup
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy --strict $(PACKAGES)
	@.venv/bin/lint-imports --no-cache

fmt: setup
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

bench: setup
	@$(PYTHON) -m bench.gateway
	@$(PYTHON) -m bench.inventory $(BENCH_ARGS)
	@$(PYTHON) -m bench.payments $(PAYMENT_BENCH_ARGS)
	@$(PYTHON) -m bench.relevance
	@$(PYTHON) -m bench.search $(SEARCH_BENCH_ARGS)
	@$(PYTHON) -m bench.reindex

# Sales with deaths and a faulty gateway, see docs/soak.md.
soak: setup
	@$(PYTHON) -m tests.soak $(SOAK_ARGS)

# All versions anew, from pyproject.toml.
lock: setup
	@echo '# All dependencies, pinned with hashes. Made by `make lock` from pyproject.toml.' > requirements.lock.new
	@$(PYTHON) -m uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
		--python-version 3.11 --extra dev pyproject.toml >> requirements.lock.new
	@mv requirements.lock.new requirements.lock

setup:
	@scripts/bootstrap
