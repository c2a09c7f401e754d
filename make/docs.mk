# The manual.

DOCS_DIR     := $(TARGET_DIR)/docs

# The header is looked at once more, as nothing in it may be undocumented.
docs: export ANWDL_DOCS_VERSION = $(shell scripts/version release)
docs: export ANWDL_DOCS_OUTPUT = $(DOCS_DIR)
docs: ## build the manual
	$(STAGE) 'manual'
	@scripts/ensure-tools doxygen
	@rm -rf $(DOCS_DIR) && mkdir -p $(DOCS_DIR)
	{ cat docs/Doxyfile; printf '%s\n' 'INPUT = include/anwdl.h' 'USE_MDFILE_AS_MAINPAGE =' 'HTML_OUTPUT = header' \
	  'WARN_IF_UNDOCUMENTED = YES' 'WARN_NO_PARAMDOC = YES'; } | doxygen -
	@rm -rf $(DOCS_DIR)/header
	doxygen docs/Doxyfile
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(CARGO_FLAGS) --no-deps --lib
	@printf '%s\n' "$(DOCS_DIR)/html/index.html" "$(TARGET_DIR)/doc/anwdl/index.html"

.PHONY: docs
