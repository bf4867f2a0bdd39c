# What a person, and .ci/run, can ask for. Plain POSIX make: the macOS one works too.

PYTHON ?= python3
BIN = .venv/bin
READY = .venv/.setup-done

.PHONY: setup demo test test-slow parity bench check docs clean

setup: $(READY)

# Made again when the dependencies change; pip then installs only what is different.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lightune needs Python 3.11 or newer; name one: make setup PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	@touch $(READY)

demo: $(READY)
	$(BIN)/lightune demo

test: $(READY)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow --timeout 3600

parity: $(READY)
	$(BIN)/python -m pytest -m parity --timeout 600

# Every script of benchmarks/ checks one claim; one alone: .venv/bin/python benchmarks/NAME.py
bench: $(READY)
	@for script in benchmarks/[a-z]*.py; do \
	  [ -e "$$script" ] || { echo "no scripts in benchmarks/" >&2; exit 1; }; \
	  echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src tests docs $$(find benchmarks -name '*.py' 2>/dev/null)

# docs/cli.md and docs/settings.md, from the program itself; a test fails when they are stale.
docs: $(READY)
	$(BIN)/python docs/build.py

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
