# The form of the code, and the oldest compiler that takes it.

C_SOURCES = $(wildcard examples-c/*.[ch] examples-c/*.cpp examples-c/*/*.[ch] examples-c/*/*.cpp benches/*/*.[ch] \
              tests/consumers/*/*.[ch] tests/consumers/*/*.cpp tests/interop/*.c packaging/*/*/*.c bindings/*/*/*.c include/*.hpp)

lint: lint-tools ## check formatting, and run clippy
	$(STAGE) 'formatting of Rust'
	$(CARGO) fmt --all --check
	$(STAGE) 'clippy'
	$(CARGO) clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	$(STAGE) 'clippy, pure Rust'
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets --no-default-features -- -D warnings
	$(STAGE) 'formatting of C'
	$(CLANG_FORMAT) --dry-run -Werror $(C_SOURCES)
	$(STAGE) 'controls'
	$(PYTHON) scripts/controls check
	$(PYTHON) scripts/controls apply $(BREAKABLE_DIR)/source
	cd $(BREAKABLE_DIR)/source && CARGO_TARGET_DIR=$(call absolute,$(TARGET_DIR)) $(CARGO) check $(CARGO_FLAGS) --lib

lint-tools: controls-tools
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo rustfmt clippy cc clang-format

# Where that Rust cannot be had, clippy's word has to do, which `make lint` hears: of what is newer, it knows the
# functions of the standard library. With OLDEST_RUST_REQUIRED=yes, as in .ci/run, it has to be had.
OLDEST_RUST = $(shell scripts/version rust)
OLDEST_RUST_REQUIRED := no
# Nobody runs what this builds. AWS-LC is compiled as elsewhere, by the compiler cache.
OLDEST_RUST_BUILD = $(CARGO) +$(OLDEST_RUST) build $(CARGO_FLAGS) --lib --target-dir $(TARGET_DIR)/oldest-rust \
    --config profile.dev.opt-level=0 --config profile.dev.package.libanwdl.opt-level=0 \
    --config profile.dev.package.aws-lc-sys.opt-level=3
oldest-rust: ## build with the oldest Rust that Cargo.toml allows, where it can be had (OLDEST_RUST_REQUIRED=yes: or fail)
	$(STAGE) 'Rust $(OLDEST_RUST)'
	@if scripts/ensure-tools rust-oldest; then set -x; \
	    $(OLDEST_RUST_BUILD) && $(OLDEST_RUST_BUILD) --no-default-features; \
	else printf '\n== not compiled with Rust $(OLDEST_RUST), which cannot be had here ==\n'; [ '$(OLDEST_RUST_REQUIRED)' != yes ]; fi

.PHONY: lint lint-tools oldest-rust
