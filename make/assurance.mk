# What shows that the promises hold and that their tests can fail: longer than a test should take.

ASSURE_FLAGS :=
# The library whose rules can be broken, and what is linked with it.
BREAKABLE_DIR     := $(TARGET_DIR)/negative-controls
BREAKABLE_LIBRARY := $(BREAKABLE_DIR)/release/libanwdl.so
SANITIZERS_DIR := $(TARGET_DIR)/sanitizers
FUZZ_DIR     := $(TARGET_DIR)/fuzz
FUZZ_SECONDS := 60
FUZZ_TARGETS :=

assure: PURE_PROGRAMS := all
assure: assure-tools c-tests c-tests-pure-rust breakable venv ## run the tests of each promise, show that each test can fail, and print the table
	$(STAGE) 'promises'
	$(VENV)/bin/python scripts/assure --plain $(call absolute,$(TARGET_DIR)) --breakable $(call absolute,$(BREAKABLE_DIR)) $(ASSURE_FLAGS)

assure-tools: test-tools controls-tools
	@scripts/ensure-tools cargo cc make cmake python3 python3-venv valgrind

controls-tools:
	@scripts/ensure-tools python3 git

breakable: controls-tools
	$(STAGE) 'library with rules that can be broken'
	$(PYTHON) scripts/controls apply $(BREAKABLE_DIR)/source
	cd $(BREAKABLE_DIR)/source && CARGO_TARGET_DIR=$(call absolute,$(BREAKABLE_DIR)) $(CARGO) build $(CARGO_FLAGS) --release
	@scripts/link-soname $(BREAKABLE_LIBRARY)
	$(CMAKE) -S examples-c -B $(BREAKABLE_DIR)/examples-c-tests -DANWDL_LIBRARY=$(call absolute,$(BREAKABLE_LIBRARY)) -DANWDL_VALGRIND=OFF
	$(CMAKE) --build $(BREAKABLE_DIR)/examples-c-tests --parallel $(JOBS)

controls: controls-tools ## update the patches of tests/assurance/controls/ after changes of src/
	$(PYTHON) scripts/controls refresh

sanitizers: ## run the C tests with the sanitizers of addresses, leaks, undefined behaviour and threads
	$(STAGE) 'sanitizers'
	@scripts/ensure-tools cargo rust-nightly cc c++ make cmake python3 pkg-config openssl libssl libuv asio libevent glib liburing
	CARGO='$(CARGO)' scripts/sanitizers $(SANITIZERS_DIR)

fuzz-smoke: ## run each fuzzer for FUZZ_SECONDS (60)
	$(STAGE) 'fuzzers'
	@scripts/ensure-tools cargo rust-nightly cc c++ make cmake cargo-fuzz
	scripts/fuzz-smoke $(FUZZ_DIR) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Of what the Rust tests run: the C tests run the same lines of src/ffi/ once more.
coverage: library ## count the lines of src/ that the Rust tests run; fails below 95 %
	$(STAGE) 'coverage'
	@scripts/ensure-tools cargo cargo-tarpaulin
	ANWDL_LIBRARY=$(call absolute,$(LIBRARY)) $(CARGO) tarpaulin --locked --engine llvm --skip-clean --lib --tests --include-files 'src/*' --exclude-files 'src/ffi/tests/*' \
	    'src/*/tests.rs' 'src/*/*/tests.rs' --timeout 600 --fail-under 95 --out Json --output-dir $(TARGET_DIR)/coverage \
	    --target-dir $(TARGET_DIR)/coverage/build

# Without optimization, since each mutant is compiled anew; in this tree, which is as it was at the end. First
# against what is quick, of which most mutants fail, and then what is left against all Rust tests.
MUTANTS := --file 'src/protocol/**' --file 'src/message/**' --file 'src/crypto/**' --file 'src/ffi/*.rs'
RUN_MUTANTS = CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$(call absolute,$(TARGET_DIR)/mutants/build) \
    $(CARGO) mutants --in-place --output $(TARGET_DIR)/mutants --exclude-re 'fmt::Debug' $(MUTANTS) \
    --cargo-arg=--locked --cargo-arg=--config=profile.dev.package.libanwdl.opt-level=0 --cargo-arg=--lib
mutants: ## make one small change of the core after another, and check that the Rust tests notice (hours)
	$(STAGE) 'mutants'
	@scripts/ensure-tools cargo cargo-mutants
	@rm -rf $(TARGET_DIR)/mutants/mutants.out
	-$(RUN_MUTANTS) --timeout 30 --cargo-arg=--test=sessions -- -- --skip secret_paths
	$(STAGE) 'mutants that are left'
	$(RUN_MUTANTS) --iterate --timeout 300 --cargo-arg=--tests

.PHONY: assure assure-tools controls-tools breakable controls sanitizers fuzz-smoke coverage mutants
