# Other systems than this machine: docs/platforms.md says which, and how they are run. Name some in PLATFORMS, or in SYSTEMS those to check.
PLATFORMS  = $(shell scripts/platforms list)
SYSTEMS   :=

platforms: ## build and test for all other systems, and write docs/platforms.md (hours)
	$(STAGE) 'platforms'
	@scripts/ensure-tools rust-src cc make cmake pkg-config python3 python3-venv $$(scripts/platforms tools $(PLATFORMS))
	$(PYTHON) scripts/platforms run $(PLATFORMS)

platforms-check: ## type-check for the systems that can't be run here
	$(STAGE) 'systems that nothing here runs'
	@scripts/ensure-tools rust-src cc python3
	$(PYTHON) scripts/platforms check $(SYSTEMS)

.PHONY: platforms platforms-check
