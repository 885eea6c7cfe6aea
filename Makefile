# Everything a newcomer needs is `make run`; `make help` lists the rest.

PORT ?= $(or $(HOTSHELF_PORT),8000)
HOTSHELF_STORE ?= file://$(CURDIR)/shelf
HOTSHELF_MODEL ?= resnet50
DATA ?=
ARGS ?=
PYTHON ?= python3

# Four environments: these three, and one of public clients for tests. The service's has no TensorFlow.
# The training one becomes the development one when requirements/dev.txt is installed over it: a
# superset with the very same versions.
SERVICE := .venv/service/bin/python
TRAINING := .venv/training/bin/python
LOADTEST := .venv/loadtest/bin/python

INSTALL = -m pip install --quiet --disable-pip-version-check --require-hashes -r

run release: export HOTSHELF_STORE := $(HOTSHELF_STORE)
run: export HOTSHELF_MODEL := $(HOTSHELF_MODEL)
run: export HOTSHELF_PORT := $(PORT)

.DEFAULT_GOAL := help
.PHONY: help run release test check train data loadtest horovod format lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PORT=8000 HOTSHELF_STORE=file:///… or az://… HOTSHELF_MODEL=resnet50 are honoured by run."

run: .venv/service/.installed  ## serve predictions on http://127.0.0.1:8000 (PORT=); an empty shelf gets the release first
	@if $(SERVICE) tools/shelf_is_empty.py; then \
		echo "The shelf at $(HOTSHELF_STORE) is empty; it gets the models that come with Hotshelf."; \
		$(MAKE) --no-print-directory release; \
	fi
	@exec $(SERVICE) -m service

release: .venv/service/.installed  ## publish the models that come with Hotshelf to the shelf
	@set -e; for version in release/*/; do \
		$(SERVICE) -m model_store publish "$$version" --data "$$version/manifest.json" --label production \
			--model "$(HOTSHELF_MODEL)"; \
	done

data: .venv/training/.installed  ## download Tiny ImageNet and prepare it, or take a local copy (DATA=path)
	@$(TRAINING) -m training data $(if $(DATA),--from "$(DATA)",--download)

train: .venv/training/.installed  ## train on Tiny ImageNet and publish to the shelf (ARGS='--epochs 5 …')
	@$(TRAINING) -m training train --preset cpu-2h --store "$(HOTSHELF_STORE)" $(ARGS)

loadtest: .venv/loadtest/.installed .venv/service/.installed  ## two minutes of load with a verdict (PORT=, ARGS='--users 64 …', ARGS=--web)
	@$(LOADTEST) -m loadtest run --url http://127.0.0.1:$(PORT) \
		--start "$(MAKE) --no-print-directory run PORT=$(PORT)" $(ARGS)

test: .venv/training/.developing .venv/training/.horovod .venv/service/.installed .venv/loadtest/.installed .venv/clients/.installed tests/azurite/node_modules/.package-lock.json tests/axe/node_modules/.package-lock.json  ## run all tests (ARGS='-k name')
	@tools/install_programs.sh
	@tools/run_tests.sh $(TRAINING) $(ARGS)

check: .venv/training/.developing  ## formatting, lint, strict types, import contracts
	$(TRAINING) -m ruff format --check .
	$(TRAINING) -m ruff check .
	$(TRAINING) -m mypy
	.venv/training/bin/lint-imports

format: .venv/training/.developing  ## format the code and mend what ruff can mend
	$(TRAINING) -m ruff format .
	$(TRAINING) -m ruff check --fix .

horovod: .venv/training/.horovod  ## build Horovod against the pinned TensorFlow and install it

lock: .venv/lock/.installed  ## resolve pyproject.toml again into requirements/*.txt
	tools/lock.sh .venv/lock/bin/uv

clean:  ## remove environments and caches; data/, runs/ and shelf/ stay
	rm -rf .venv .cache build dist tests/azurite/node_modules tests/axe/node_modules
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- environments ------------------------------------------------------------------------------

.venv/service/.installed: requirements/service.txt
.venv/training/.installed: requirements/training.txt
.venv/loadtest/.installed: requirements/loadtest.txt
.venv/clients/.installed: requirements/clients.txt
.venv/lock/.installed: requirements/lock.txt

.venv/%/.installed:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/install_venv.sh
	@test -x .venv/$*/bin/python || $(PYTHON) -m venv .venv/$*
	@echo "Installing the $* environment (once) …"
	@.venv/$*/bin/python $(INSTALL) requirements/$*.txt
	@touch $@

.venv/training/.developing: .venv/training/.installed requirements/dev.txt
	@echo "Installing the tools for development (once) …"
	@$(TRAINING) $(INSTALL) requirements/dev.txt
	@touch $@

.venv/training/.horovod: .venv/training/.installed requirements/horovod.txt requirements/horovod-build.txt tools/build_horovod.py
	@$(TRAINING) tools/build_horovod.py
	@touch $@

tests/%/node_modules/.package-lock.json: tests/%/package-lock.json
	@echo "Installing $* (once) …"
	@npm ci --prefix tests/$* --no-audit --no-fund --loglevel error
	@touch $@
