# Help is printed from the comments after ##.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup test search worlds lint demo chaos bench screens restore-drill upgrade-drill bench-night history clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## prepare: Debian packages, .venv, Asterisk (root or sudo the first time)
	@tools/setup.sh

lint: setup ## ruff, mypy and the import contracts
	@echo "==> ruff check";        $(PY) -m ruff check .
	@echo "==> ruff format";       $(PY) -m ruff format --check .
	@echo "==> mypy";              $(PY) -m mypy
	@echo "==> import contracts";  .venv/bin/lint-imports

# whole houses that are filled up, cut off or replaced, and all kinds of announcements: minutes of real time each
WORLDS := tests/drills/test_drills.py tests/programs/test_recordings_volume.py tests/programs/test_cut_off.py \
  tests/programs/test_call_backs.py tests/real_asterisk/test_announcements.py tests/history/test_history.py

test: lint ## lint, then the tests with what they need (PYTEST="-k words" for some; the long ones: make worlds)
	$(PY) -m pytest -n 3 --dist loadfile --durations 25 $(addprefix --ignore=,$(WORLDS)) $(PYTEST)

worlds: setup ## drills, a full volume, a house cut off, calls to us, announcements, a history
	$(PY) -m pytest -n 2 --dist loadfile $(WORLDS)

search: setup ## the property tests with examples never drawn before (SEED=n)
	$(PY) -m pytest -n 2 --dist loadfile --hypothesis-profile search $(if $(SEED),--hypothesis-seed $(SEED)) $(shell grep -rl "^from hypothesis import" tests)

demo: setup ## the main job, live, until Ctrl-C (DURATION=60 JSON=file KEEP=1)
	@$(PY) -m far_end.demo $(if $(DURATION),--duration $(DURATION)) $(if $(JSON),--json $(JSON)) $(if $(KEEP),--keep)

chaos: setup ## faults at random, the far end's log is the truth (KILLS=60 SEED=1 JSON=file KEEP=folder)
	@$(PY) -m tests.chaos $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON)) $(if $(KEEP),--keep $(KEEP))

bench: setup ## answer to bridge and card, 500 consoles, the listener's events, lists of 100,000, the queue judged anew, beside their floors, the pacer beside others (PACING="--fresh 3 --weather"), predictive on a real Asterisk (ANSWERS=400), the claim (CLAIM="--tasks 1000000 --ledger 20000000")
	@$(PY) -m tests.bench
	@$(PY) -m tests.bench.consoles
	@$(PY) -m tests.bench.events
	@$(PY) -m tests.bench.lists
	@$(PY) -m tests.bench.requeue
	@$(PY) -m tests.bench.hours
	@$(PY) -m tests.bench.claim $(or $(CLAIM),--tasks 100000 --ledger 2000000)
	@$(PY) -m tests.bench.pacing $(PACING)
	@$(PY) -m tests.bench.pacing_stranger
	@$(PY) -m tests.bench.predictive --answers $(or $(ANSWERS),400)

bench-night: setup ## one night of a portfolio beside its floor (LOANS=n JSON=file)
	@$(PY) -m tests.bench.night --loans $(or $(LOANS),10000) $(if $(JSON),--json $(JSON))

history: setup ## a bank with known truth through the nights, killed and resumed (DAYS=90 LOANS=2000 SEED=s KILLS=n JSON=file)
	@$(PY) -m tests.history --days $(or $(DAYS),90) --loans $(or $(LOANS),2000) --seed $(or $(SEED),1) --kills $(or $(KILLS),20) $(if $(JSON),--json $(JSON))

screens: setup ## pictures of every page in three languages, light and dark (OUT=folder)
	@$(PY) -m tests.browser.screens $(or $(OUT),build/screens)

restore-drill: setup ## 25 robot agents, a restore to a minute ago, dialing on (JSON=file ROBOTS=n)
	@$(PY) -m tests.drills restore --robots $(or $(ROBOTS),25) $(if $(JSON),--json $(JSON))

upgrade-drill: setup ## 25 robot agents talking while all programs are replaced (JSON=file ROBOTS=n FROM=release)
	@$(PY) -m tests.drills upgrade --robots $(or $(ROBOTS),25) $(if $(JSON),--json $(JSON)) $(if $(FROM),--from $(FROM))

clean: ## remove .venv and caches of tools; data and the Asterisk cache stay
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
