# Suiden. `make` alone lists what can be done; every line below with two hashes is one entry.
# PORT, DATABASE_URL and MQTT_URL are handed on when they are set, for example: make demo PORT=9000

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

export PORT DATABASE_URL MQTT_URL
ifeq ($(strip $(PORT)),)
unexport PORT
endif
ifeq ($(strip $(DATABASE_URL)),)
unexport DATABASE_URL
endif
ifeq ($(strip $(MQTT_URL)),)
unexport MQTT_URL
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format journey-wmbusmeters screenshots lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make the environment (.venv, browser assets); does nothing when it is up to date
	@$(PYTHON) scripts/setup.py

demo: setup ## start the whole utility with a living town on this machine
	@exec $(BIN)/suiden demo

test: setup ## run the whole suite (ARGS="-k tariff" picks a part)
	@browser=$$($(BIN)/python scripts/find_browser.py) && echo "browser: $$browser"
	@$(BIN)/python -m pytest --numprocesses 2 $(ARGS)

check: setup ## lint, formatting, types, import contracts, house rules
	@$(BIN)/python scripts/check.py

format: setup ## format the code and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

journey-wmbusmeters: setup ## real wmbusmeters -> Mosquitto -> gateway -> bill (needs root, downloads Debian's packages)
	@scripts/journeys/wmbusmeters.sh

screenshots: setup ## make the pictures of the README from a running demo
	@$(BIN)/python scripts/screenshots.py

lock: setup ## choose newer packages: write requirements.lock and package-lock.json anew
	@$(BIN)/python scripts/lock.py

clean: ## remove what the set-up and the tests made; the demo's data in .suiden stays
	@rm -rf $(VENV) node_modules customer_app/static/vendor .pytest_cache .ruff_cache .hypothesis .import_linter_cache test-results
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
