# The library with AWS-LC, and the one in pure Rust.

library:
	$(STAGE) 'library'
	@scripts/ensure-tools cargo cc
	@mkdir -p $(LIBRARY_DIR)
	CARGO='$(CARGO)' scripts/native-libraries $(NATIVE_LIBRARIES) $(CARGO_FLAGS)
	@scripts/finish-libraries $(TARGET_DIR)/$(RELEASE) $(LIBRARY_DIR)
	@test -f $(HEADER) || { echo '$(HEADER) is missing: type make header' >&2; exit 1; }

# In a folder of its own, so that the two libraries do not take each other's place. What both depend on is compiled with
# the same flags: where the other library is there already, its crates are taken over.
pure-library:
	$(STAGE) 'library, pure Rust'
	@scripts/take-over-crates $(TARGET_DIR)/$(RELEASE) $(PURE_DIR)/$(RELEASE)
	scripts/with-build-flags $(CARGO) build $(CARGO_FLAGS) --release --no-default-features --target-dir $(PURE_DIR)

.PHONY: library pure-library
