# What a person types. The work is in toolchain/, which needs Python 3.11 and pip and nothing else.
PYTHON ?= python3
STACK ?= local
TOOLCHAIN = @$(PYTHON) -m toolchain

.DEFAULT_GOAL := help
.PHONY: help setup up down preview test lint bench env training lock

help: ## this page
	@echo 'A model-serving platform: pulumi up, and it serves. Start with: make up'
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'STACK=local|dev|stage|prod chooses where (make preview STACK=prod); all but local ask before they change anything.'
	@echo 'For a shell in which pulumi and modelserve work as typed: eval "$$(make -s env)"'

setup: ## install everything into .venv and the cache; minutes at first, nothing when done already
	$(TOOLCHAIN) setup

up: ## bring the stack up and say where it answers
	$(TOOLCHAIN) up $(STACK)

down: ## take the stack down, with everything it started
	$(TOOLCHAIN) down $(STACK)

preview: ## say what `make up` would change; without plugins or credentials a stand-in plans
	$(TOOLCHAIN) preview $(STACK)

test: ## unit tests and policies, then the stacks with the real engine
	$(TOOLCHAIN) test

lint: ## style, formatting, types
	$(TOOLCHAIN) lint

bench: ## measure, and print ratios against a control
	$(TOOLCHAIN) bench

env: ## print what a shell has to set
	$(TOOLCHAIN) env

training: ## install what trains models into .venv-train: 6 GB, as PyTorch brings CUDA
	$(TOOLCHAIN) training

lock: ## pin again, with hashes, what pyproject.toml asks for
	$(TOOLCHAIN) lock
