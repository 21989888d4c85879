# `make demo` and `make test` need Python 3.11+, git and make; the rest is fetched into .venv and .nox here.
# Every other goal is a session of noxfile.py, which says how anything is checked: `make help` lists them.
PYTHON ?= python3
ARGS ?=
KEEP ?=
SESSIONS := demo tests static render combinations agreement cookiecutter update ci e2e images cluster last-release lint docs
SESSIONS += bench monitoring mutation tutorial screenshots release names

.DEFAULT_GOAL := help
.PHONY: help test clean $(SESSIONS)

help: .venv/ready ## list the sessions; pass arguments with ARGS="...", keep the demo's project with KEEP=build
	@.venv/bin/nox --list

test: tests ## check everything the README promises

$(SESSIONS): .venv/ready ## one session of noxfile.py
	@.venv/bin/nox -s $@ $(if $(KEEP)$(ARGS),-- $(if $(KEEP),--keep "$(KEEP)") $(ARGS))

.venv/ready: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed, $(PYTHON) is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.12")'
	@echo "Setting up nox and uv in .venv (once)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check nox==2026.10.20 uv==0.13.9
	@touch $@

clean: ## remove what the sessions made
	rm -rf .venv .nox build site
