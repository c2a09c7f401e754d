# The manual.

DOCS_DIR     := $(TARGET_DIR)/docs
PICTURES     := $(wildcard docs/pictures/*.d2)
PICTURES_DIR := $(TARGET_DIR)/pictures

# The header is looked at once more, as nothing in it may be undocumented; that each parameter is described is for
# tests/interface/c_header.rs.
docs: export ANWDL_DOCS_VERSION = $(shell scripts/version release)
docs: export ANWDL_DOCS_OUTPUT = $(DOCS_DIR)
docs: ## build the manual
	$(STAGE) 'manual'
	@scripts/ensure-tools doxygen
	@for picture in $(PICTURES); do \
	    grep -q -F "source: $$(sha256sum <$$picture | cut -d ' ' -f 1)" "$${picture%.d2}.svg" || \
	    { echo "$$picture has changed since its SVG was drawn: type make pictures" >&2; exit 1; }; \
	done
	@rm -rf $(DOCS_DIR) && mkdir -p $(DOCS_DIR)
	{ cat docs/Doxyfile; printf '%s\n' 'INPUT = include/anwdl.h' 'USE_MDFILE_AS_MAINPAGE =' 'HTML_OUTPUT = header' \
	  'WARN_IF_UNDOCUMENTED = YES'; } | doxygen -
	@rm -rf $(DOCS_DIR)/header
	doxygen docs/Doxyfile
	@! grep -o 'href="[^":]*\.md[^"]*"' $(DOCS_DIR)/html/*.html || { echo 'these pages are not in the manual' >&2; exit 1; }
	@mkdir -p $(DOCS_DIR)/html/pictures && cp docs/pictures/*.svg $(DOCS_DIR)/html/pictures/
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(CARGO_FLAGS) --no-deps --lib
	@printf '%s\n' $(call absolute,$(DOCS_DIR)/html/index.html) $(call absolute,$(TARGET_DIR)/doc/anwdl/index.html)

pictures: ## draw the pictures of the manual, after changes of docs/pictures/*.d2
	$(STAGE) 'pictures'
	@scripts/ensure-tools npm
	@mkdir -p $(PICTURES_DIR)
	@cp docs/pictures/package.json docs/pictures/package-lock.json docs/pictures/render.mjs $(PICTURES_DIR)/
	npm --prefix $(PICTURES_DIR) ci --silent --no-audit --no-fund
	node $(PICTURES_DIR)/render.mjs $(foreach picture,$(PICTURES),$(call absolute,$(picture)))

.PHONY: docs pictures
