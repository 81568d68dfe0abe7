# make run    sets all up and starts a small demo académie
# make test   sets all up and runs the tests
# Debian's own Python where there is one: it gets security updates, and is built for speed.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
ROOMS := config delivery directory imap mailauth mailserver message smtp spamfilter storage transfer web
DATA ?= demo-data
PORT_BASE ?= 2500

.PHONY: install run test check format bench lock debian clean torture

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null || ./tools/debian python3 python3-venv
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: install
	$(BIN)/mailserver demo --data $(DATA) --port-base $(PORT_BASE)

debian:
	@./tools/debian $$(sed 's/#.*//' tests/debian-packages.txt)

test: install debian
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

# The server is killed 50 times under load, and nothing that it answered for may be missing.
torture: install
	MAILSERVER_KILL_ROUNDS=50 $(BIN)/python -m pytest -s -p no:xdist tests/whole/test_crash.py

format: install
	$(BIN)/ruff format $(ROOMS) tests benchmarks
	$(BIN)/ruff check --fix $(ROOMS) tests benchmarks

check: install
	$(BIN)/ruff format --check $(ROOMS) tests benchmarks
	$(BIN)/ruff check $(ROOMS) tests benchmarks
	$(BIN)/mypy $(ROOMS)
	$(BIN)/lint-imports
	$(MAKE) test

bench: install
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

lock:
	uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --universal \
		--python-version 3.11 --extra dev --extra pictures pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
