# What is linked into the library, and under which licences.

licences: ## rewrite THIRD-PARTY.md, and let cargo-deny check licences, bans and sources
	$(STAGE) 'licences'
	@scripts/ensure-tools cargo python3 cargo-deny
	CARGO='$(CARGO)' $(PYTHON) scripts/licences write THIRD-PARTY.md
	$(CARGO) deny --locked check licenses bans sources

SBOM := packaging/libanwdl.cdx.json
sbom: ## rewrite the bill of materials
	$(STAGE) 'bill of materials'
	@scripts/ensure-tools cargo python3 cargo-cyclonedx
	CARGO='$(CARGO)' $(PYTHON) scripts/sbom write $(SBOM)

test-licences:
	$(STAGE) 'list of licences, bill of materials'
	@scripts/ensure-tools cargo python3
	CARGO='$(CARGO)' $(PYTHON) scripts/licences check THIRD-PARTY.md
	CARGO='$(CARGO)' $(PYTHON) scripts/sbom check $(SBOM)

# Not for every change: it needs the network, and fails for what others find out.
advisories: ## download the advisory database of RustSec, and look for what is linked in it
	$(STAGE) 'advisories'
	@scripts/ensure-tools cargo git cargo-deny
	$(CARGO) deny --locked check advisories

.PHONY: licences sbom test-licences advisories
