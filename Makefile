# Every command of the house. Paths are relative and quoted, so a folder with spaces in its name works.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PY := .venv/bin/python
STEP := sh scripts/step.sh
RUST_SOURCES := $(shell find crates Cargo.toml Cargo.lock -name '*.rs' -o -name 'Cargo.*')
PYTEST_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?= --rate 200000
WORKERS ?= auto
# All but beam, which has an environment of its own.
EXTRAS := bigquery bigtable demo kafka objects pandas polars pubsub warehouse

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-services campaign lint format bench bench-hops experiment soak wheel lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-21s %s\n", $$1, $$2}'

setup: .venv/stamp-extension ## environment in .venv, pinned dependencies, native extension
	@:

.venv/stamp-python: scripts/check-tools.sh
	@python=$$(sh scripts/check-tools.sh) && $(STEP) "environment in .venv" "$$python" -m venv .venv
	@touch "$@"

.venv/stamp-packages: requirements-dev.txt | .venv/stamp-python
	@$(STEP) "pinned packages" $(PY) -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch "$@"

.venv/stamp-extension: .venv/stamp-packages pyproject.toml $(RUST_SOURCES)
	@sh scripts/check-tools.sh > /dev/null
	@PATH="$$PWD/.venv/bin:$$PATH" $(STEP) "native extension" $(PY) -m pip install --quiet --no-deps --no-build-isolation \
		--config-settings build-args=--locked --editable .
	@touch "$@"

demo: setup ## count the data that comes with the project and prove it
	@.venv/bin/crossfoot demo

test: setup ## the whole test suite: Rust, then Python
	@$(STEP) "tests of the core" cargo test --quiet --locked --package crossfoot-core --package crossfoot-kafka
	@$(STEP) "tests" $(PY) -m pytest --quiet --numprocesses $(WORKERS) --dist worksteal -m "not campaign and not services" $(PYTEST_ARGS)

test-services: setup ## the tests with a real broker, emulators and a browser, which are fetched once (java, mvn, go)
	@$(STEP) "browser" sh scripts/browser.sh
	@$(STEP) "tests of services" $(PY) -m pytest --quiet --numprocesses $(WORKERS) --dist loadfile --durations 10 -m "services and not campaign" $(PYTEST_ARGS)

campaign: setup ## the long runs that make test leaves out: planted bugs, laws with many cases, kills by the hundred
	@$(STEP) "campaign" $(PY) -m pytest --timeout 0 -m campaign $(PYTEST_ARGS)

lint: setup ## every linter: ruff, mypy, rustfmt, clippy
	@$(STEP) "ruff" $(PY) -m ruff check --quiet .
	@$(STEP) "ruff format" $(PY) -m ruff format --quiet --check .
	@$(STEP) "mypy" $(PY) -m mypy --strict src
	@$(STEP) "rustfmt" cargo fmt --all --check
	@PYO3_PYTHON="$$PWD/$(PY)" $(STEP) "clippy" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings

format: setup ## bring the sources into the house's form
	@$(PY) -m ruff check --quiet --fix .
	@$(PY) -m ruff format --quiet .
	@cargo fmt --all

bench: setup ## the engagement workload against DuckDB, answers compared (minutes; BENCH_ARGS="--events 1000000")
	@$(PY) -m bench.engagement $(BENCH_ARGS)
	@$(PY) -m bench.engagement --sparse $(BENCH_ARGS)
	@$(PY) -m bench.figures

bench-hops: setup ## each hop of the live path alone, single and in blocks, with its own broker and emulator (minutes)
	@$(PY) -m bench.hops $(BENCH_ARGS)
	@$(PY) -m bench.figures

experiment: setup ## an old pipeline against this one on real and generated data, every difference explained (minutes)
	@$(PY) -m bench.experiment $(BENCH_ARGS)

soak: setup ## an hour of growing load: how old events are when queries see them (SOAK_ARGS="--rate 200000 --path whole")
	@$(PY) -m bench.soak $(SOAK_ARGS)
	@$(PY) -m bench.figures

wheel: setup ## build the wheel and try it in a fresh environment
	@$(STEP) "wheel" $(PY) -m maturin build --release --locked --quiet --out dist
	@$(STEP) "wheel in a fresh environment" sh scripts/try-wheel.sh

reference: setup ## write the generated pages of docs/reference again
	@$(PY) scripts/write_reference.py

lock: setup ## renew requirements-dev.txt from pyproject.toml, and the environment of Beam
	@$(PY) -m pip install --quiet uv
	@.venv/bin/uv pip compile pyproject.toml $(EXTRAS:%=--extra %) --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --quiet --upgrade --output-file requirements-dev.txt
	@.venv/bin/uv pip compile pyproject.toml --extra beam --extra bigquery --universal --python-version 3.11 \
		--no-header --no-annotate --quiet --upgrade --output-file src/crossfoot/dev/beam_environment/requirements.txt

clean: ## remove everything that was built
	rm -rf .venv target dist build crossfoot-demo crossfoot-demo.files .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f src/crossfoot/_core*.so
