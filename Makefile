# Two commands do everything on a fresh machine: `make up` runs the arena, `make test` checks it.
# Needed beforehand: Python 3.11 or newer, make, git. Node is used when it is there and fetched as a wheel when it is not.

# The first Python that runs, is new enough and can make an environment; PYTHON=/path/to/python3 chooses another.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
  $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Tests wait as long as they reckon: two workers for each processor. Those with an arena or a browser each reckon more: one worker more than
# there are processors. Eight at most, for memory's sake.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
UNIT_WORKERS := $(shell echo $$(( $(CORES) > 4 ? 8 : 2 * $(CORES) )))
PROCESS_WORKERS := $(shell echo $$(( $(CORES) > 7 ? 8 : $(CORES) + 1 )))
# The checks start a thousand processes of ours: what they import is compiled once, and not by each of them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up test install install-dev format lint types unit ui-test processes system browser judges bench chaos simulate fuzz clean lock

up: install
	@exec $(BIN)/arena up

install: $(VENV)/.installed
	@$(BIN)/python hatch_build.py

# The stamp is last: an install that was cut short is done again.
$(VENV)/.installed: requirements/run.txt requirements/build.txt requirements/node.txt pyproject.toml hatch_build.py
	@test -n "$(PYTHON)" || { echo "RBOT Arena needs Python 3.11 or newer with venv (on Debian: apt-get install python3 python3-venv), or name one: make up PYTHON=/path/to/python3"; exit 1; }
	@$(BIN)/python -c pass 2>/dev/null || { echo "making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing the locked packages (about half a minute)"
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(BIN)/python hatch_build.py --has-node || { echo "no Node on this machine: fetching it as a wheel to build the page"; $(PIP) install --require-hashes -r requirements/node.txt; }
	@echo "building the page"
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

install-dev: install $(VENV)/.installed-dev

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	@echo "installing the checks"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# What failed is run once more, alone and loudly: docs/decisions/030. A test that fails twice fails; so does a run that ended without a verdict.
again = { [ $$? -eq 1 ] || exit 1; echo "SOME TESTS FAILED (above): once more, alone"; $(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none $(1); }

# Every check.
test: install-dev lint types unit ui-test processes

lint: install-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: install-dev
	@$(BIN)/mypy

# --capture=sys: what a C library says before it aborts goes to the terminal, and not with its process.
unit: install-dev
	@$(BIN)/python -m pytest -q -n $(UNIT_WORKERS) --capture=sys -m "not system and not browser" || $(call again,-m "not system and not browser")

# A file's tests stay on one worker: they share an arena, or a browser.
processes system browser: KIND = $(if $(filter processes,$@),system or browser,$@)
processes system browser: install-dev
	@$(BIN)/python -m pytest -q -n $(PROCESS_WORKERS) --dist loadfile -m "$(KIND)" || $(call again,-m "$(KIND)")

ui-test: install-dev
	@$(BIN)/python hatch_build.py --test

# Clients of OANDA and Coinbase that nobody here wrote, each in an environment of its own, against the simulated venues; then every defect that can be
# planted in those, each of which must be found. Five minutes. docs/venues.md.
judges: install-dev
	@$(BIN)/python -m tests.venues.judges

# Faults under load and the accounting after them, in their long form: make chaos SECONDS=600 SEED=7. SECONDS is the length of the mixed run;
# the other proofs come after it and take about ten minutes. What needs root skips with its reason.
SECONDS ?= 300
SEED ?= 1
CHAOS := $(addprefix tests/system/test_,chaos.py chaos_disk.py chaos_clock.py chaos_bus.py chaos_network.py lossy_wire.py retries.py resume.py slow_and_many.py backup.py)
chaos: install-dev
	@ARENA_CHAOS_SECONDS=$(SECONDS) ARENA_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest -q -s --timeout $$(( $(SECONDS) + 600 )) $(CHAOS)

# The core against a store, a network and a clock that lie: make simulate SCHEDULES=20000 SEED=1. A failing seed replays alone.
SCHEDULES ?= 20000
simulate: install-dev
	@ARENA_SIMULATION=$(SCHEDULES) ARENA_SIMULATION_SEED=$(SEED) $(BIN)/python -m pytest -q -s tests/simulation

# The full counts of tests/security: 50,000 requests a server, 200,000 messages a socket, 200 timed logins. About an hour; make fuzz SHARE=0.1
# throws a tenth, FUZZ=sockets the tests whose names have that word.
SHARE ?= 1
FUZZ ?= hostile or generated or login
fuzz: install-dev
	@ARENA_FUZZ=full ARENA_FUZZ_SHARE=$(SHARE) $(BIN)/python -m pytest -q -s --durations 15 -k "$(FUZZ)" tests/security

# Every figure of docs/performance.md beside its limit, in at most 25 minutes; on a machine that does nothing else. With uvloop, the extra "fast", where
# it can be had. make bench BENCH=order_path runs one; growth, ten minutes by itself, runs only by name.
BENCH ?=
bench: install-dev
	@$(PIP) install "uvloop>=0.22" || echo "no uvloop for this machine: measured on asyncio"
	@$(BIN)/python -m benchmarks.everything $(BENCH)

format: install-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# Locks name no registry: only versions and hashes. uv is not a dependency; install it anywhere to run this.
lock:
	@cd requirements && uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 ../pyproject.toml -o run.txt
	@cd requirements && for name in build node dev judge-fivetwenty judge-v20 judge-coinbase; do uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 $$name.in -o $$name.txt; done

clean:
	rm -rf $(VENV) dashboard/static dashboard/ui/node_modules .pytest_cache .mypy_cache .ruff_cache
