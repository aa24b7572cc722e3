# The two commands of the README: `make compare` and `make test`. Everything is installed in .venv beside this file.
# Paths are relative on purpose: the repository may lie in a folder whose name has spaces.

PY := .venv/bin/python
export OMP_NUM_THREADS ?= 1

.PHONY: compare test lint format benchmark torture clean

compare: .venv/installed-empirical
	@$(PY) -m empirical compare --preset smoke --out report

test: .venv/installed-test
	@$(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: .venv/installed-test
	@$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m mypy

format: .venv/installed-test
	@$(PY) -m ruff format . && $(PY) -m ruff check --fix .

benchmark: .venv/installed-test
	@$(PY) -m benchmarks && $(PY) -m benchmarks families

torture: .venv/installed-test
	@$(PY) -m benchmarks torture

clean:
	rm -rf .venv report runs

.venv/bin/python:
	@for p in "$(PYTHON)" python3.11 python3.12 python3.13 python3; do \
	  if [ -n "$$p" ] && "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$("$$p" --version)"; "$$p" -m venv .venv && exit 0; exit 1; fi; done; \
	echo "no Python 3.11 or newer found: install one, or name it, as in: make PYTHON=/path/to/python3.11" >&2; exit 2

.venv/installed-empirical: pyproject.toml | .venv/bin/python
	@echo "Installing the project with PyTorch (a few minutes and several GB the first time)"
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[empirical]'
	@touch $@

.venv/installed-test: pyproject.toml .venv/installed-empirical | .venv/bin/python
	@echo "Installing the test tools"
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[empirical,test]'
	@touch $@
