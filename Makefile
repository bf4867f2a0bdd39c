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

parity: $(READY) .venv-adapters/.setup-done .venv-pyreft/.setup-done .kenlm/.setup-done
	$(BIN)/python -m pytest -m parity --timeout 600

# Reference libraries that need an older transformers live beside ours; where they do not install, their tests skip.
PIP = bin/python -m pip install --disable-pip-version-check
.venv-adapters/.setup-done: Makefile
	-$(PYTHON) -m venv .venv-adapters && .venv-adapters/$(PIP) torch==2.13.0 adapters==1.3.0 && touch $@

# pyreft asks for notebooks and plots too, which its interventions do not need.
.venv-pyreft/.setup-done: Makefile
	-$(PYTHON) -m venv .venv-pyreft && .venv-pyreft/$(PIP) torch==2.13.0 transformers==4.45.1 accelerate datasets \
	  evaluate matplotlib scikit-learn sentencepiece protobuf && \
	  .venv-pyreft/$(PIP) --no-deps pyreft==0.1.0 pyvene==0.1.8 && touch $@

# KenLM's estimator from its source package: wants cmake, a C++ compiler and Boost (all of libboost-dev, and its program_options, thread, system, test).
.kenlm/.setup-done: Makefile
	-$(BIN)/python -m pip download --disable-pip-version-check --no-deps --no-binary kenlm --dest .kenlm kenlm==0.3.0 && \
	  tar -xzf .kenlm/kenlm-0.3.0.tar.gz -C .kenlm && \
	  cmake -S .kenlm/kenlm-0.3.0 -B .kenlm/build -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release && \
	  cmake --build .kenlm/build --target lmplz && touch $@

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
	rm -rf .venv .venv-adapters .venv-pyreft .kenlm build dist .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
