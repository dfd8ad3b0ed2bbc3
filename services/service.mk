# What every service's Makefile shares; it sets SERVICE and includes this. Images are built by the
# part of the project that packages services, so there is no `build` here yet.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
WORKSPACE := ../..
BIN := $(WORKSPACE)/.venv/bin

.PHONY: help environment run test lint format
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

environment:
	@$(MAKE) -C $(WORKSPACE) environment

run: environment ## Run it here, with the settings of the environment and of .env
	$(BIN)/python -m $(SERVICE)

test: environment ## Run its tests
	@$(MAKE) -C $(WORKSPACE) test ONLY=services/$(SERVICE)

lint: environment ## Check its style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: environment ## Put its code into shape
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
