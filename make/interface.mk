# The header, and the ABI.

ABI_DESCRIPTION := abi/libanwdl.abi
ABI_BUILD    := $(TARGET_DIR)/abi

header: ## rewrite include/anwdl.h from the code
	$(STAGE) 'header'
	@scripts/ensure-tools cargo cc
	ANWDL_UPDATE_HEADER=1 $(CARGO) test $(CARGO_FLAGS) --test interface c_header::the_committed_header

abi: library ## fail if programs that are linked already would break
	$(STAGE) 'ABI'
	@scripts/ensure-tools cc abigail-tools
	scripts/abi-test $(ABI_BUILD)/test
	scripts/abi compare $(HEADER) $(ABI_DESCRIPTION) $(shell scripts/version soname) $(ABI_BUILD) $(LIBRARY)

abi-baseline: library ## rewrite abi/libanwdl.abi and the symbols of the Debian package
	$(STAGE) 'ABI, new baseline'
	@scripts/ensure-tools cc abigail-tools
	scripts/abi write $(HEADER) $(ABI_DESCRIPTION) $(shell scripts/version soname) $(ABI_BUILD) $(LIBRARY)
	scripts/deb-symbols $(ABI_DESCRIPTION) libanwdl$(shell scripts/version abi) $(shell scripts/version release) \
	    packaging/debian/libanwdl$(shell scripts/version abi).symbols

.PHONY: header abi abi-baseline
