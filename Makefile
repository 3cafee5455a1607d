# make demo    a session of a virtual patient through the real ROS 2 graph; needs nothing done before
# make test    every test
# make check   style, types, imports, documentation
# make coverage  lines and branches of the safety code that its unit tests run; part of make test
# make mutation  mutants of the safety code against its tests; hours, for the night (ARGS="--sample 300")
# make clean   remove everything that these made
SHELL := /bin/bash
PY := .venv/bin/python
PATIENT ?= hemiparetic_left_mild
STEPS ?= 30
CONTROLLER ?= impedance
ARGS ?=
PYTEST ?=

.PHONY: demo test check coverage mutation clean bootstrap

bootstrap:
	@tools/bootstrap.sh

demo: bootstrap
	@bag="sessions/$$(date +%Y-%m-%d_%H-%M-%S)-$$$$"; status=0; \
	.venv/bin/exostride launch session.launch.yaml patient:=$(PATIENT) steps:=$(STEPS) \
		controller:=$(CONTROLLER) bag:="$$bag" $(ARGS) || status=$$?; \
	if [ -e "$$bag/metadata.yaml" ]; then \
		page=$$(.venv/bin/exostride report "$$bag") || exit $$?; \
		printf '\nbag:    %s\nreport: %s   (open it in a browser)\n' "$$bag" "$$page"; \
	fi; exit $$status

test: bootstrap
	@$(PY) -m pytest $(PYTEST)

check: bootstrap
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/unit/test_architecture.py tests/unit/test_docs.py

coverage: bootstrap
	@$(PY) tools/safety_coverage.py $(ARGS)

mutation: bootstrap
	$(PY) tools/mutation.py $(ARGS)

clean:
	rm -rf .venv .cache build install log .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov mutants
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.egg-info' -type d -prune -exec rm -rf {} +
