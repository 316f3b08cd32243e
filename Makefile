# Two commands do everything on a fresh Linux machine with Python 3.11 or newer: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test postgresql check bench bench-reception fuzz crash clean

demo: $(VENV)/installed
	$(BIN)/filmless demo

test: $(VENV)/installed-test postgresql
	$(BIN)/python -m pytest $(PYTEST)

# The index is tested on a PostgreSQL server too, which the tests start themselves. Without one they say so.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql; \
	else echo "no PostgreSQL server is installed: its tests are skipped (apt-get install postgresql)"; fi

check: $(VENV)/installed-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/installed-bench
	$(BIN)/python -m pytest bench $(PYTEST)

# On all processors, with the archive where FOLDER's disk is: make bench-reception FOLDER=series PLACE=/var/tmp
PLACE ?= .
bench-reception: $(VENV)/installed-bench
	$(BIN)/python bench/reception.py $(FOLDER) $(PLACE)

# Hours of damaged codestreams: make fuzz HOURS=8 SEED=42
HOURS ?= 1
SEED ?= $(shell date +%s)
fuzz: $(VENV)/installed-test
	FILMLESS_FUZZ_SECONDS=$$(( $(HOURS) * 3600 )) FILMLESS_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest tests/fuzz $(PYTEST)

# Ten thousand kills: make crash KILLS=10000
KILLS ?= 10000
crash: $(VENV)/installed-test
	FILMLESS_CRASHES=$(KILLS) $(BIN)/python -m pytest tests/crash $(PYTEST)

# The groups of pyproject.toml are installed with pip's --group, so pip itself comes first.
$(VENV)/pip:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -U 'pip>=25.1'
	touch $@

$(VENV)/installed: $(VENV)/pip pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(PIP) install -c constraints.txt --group $*
	touch $@

clean:
	rm -rf $(VENV) filmless-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks bench/results
