# The parts of `make test` and `make check`, and the tests that .ci/run has besides.

# Those that need the most come first.
TESTS           := test-rust test-c test-interop test-python test-c-pure-rust test-library
CHECK_BUILD     := $(TARGET_DIR)/examples-c-check
PURE_BUILD      := $(BUILD_DIR)/examples-c-tests-pure-rust

# A second set of generated messages for the validator, besides the committed one.
VALIDATOR_SEED  := 2
VALIDATOR_CASES := $(TARGET_DIR)/validator-cases-$(VALIDATOR_SEED).jsonl

test-paths: ## try make in folders with strange names, and on systems that lack tools
	$(STAGE) 'paths, and what is missing'
	@scripts/ensure-tools cmake
	scripts/test-paths
	scripts/test-ensure-tools

test-tools:
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo cc c++ make cmake python3 python3-venv pkg-config ccache valgrind strace openssl libuv asio libevent glib liburing pkcs11 softhsm haproxy

check-form check-rust check-c: export CARGO_INCREMENTAL := 1

check-form: lint-tools
	$(STAGE) 'form'
	$(CARGO) fmt --all --check
	$(CLANG_FORMAT) --dry-run -Werror $(C_SOURCES)
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets -- -D warnings

check-rust:
	$(STAGE) 'unit tests, and sessions of two'
	$(CARGO) test $(CARGO_FLAGS) --lib --test sessions

# The library as cargo builds it for tests, with the same features: it checks its own assumptions, and nothing is
# compiled for this alone.
check-c:
	$(STAGE) 'quick C tests'
	@scripts/ensure-tools cargo cc c++ make cmake python3
	$(CARGO) build $(CARGO_FLAGS) --lib --test sessions
	$(CMAKE) -S examples-c -B $(CHECK_BUILD) -DANWDL_LIBRARY=$(call absolute,$(TARGET_DIR)/debug/libanwdl.so) -DANWDL_VALGRIND=OFF \
	         -DANWDL_EXAMPLES_UV=OFF -DANWDL_EXAMPLES_ASIO=OFF -DANWDL_EXAMPLES_LOOPS=OFF
	$(CMAKE) --build $(CHECK_BUILD) --parallel $(JOBS)
	cd $(CHECK_BUILD) && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS) --label-exclude '^long$$'

test-library: library
	$(STAGE) 'the library as a file'
	scripts/library-test $(LIBRARY_DIR)

# All programs below tests/, but for that of test-costs.
RUST_TESTS := $(filter-out message_costs,$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)) \
                $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))
# What takes many compilations.
CPP_HEADERS := cpp_header::it_compiles cpp_header::the_header_for_asio cpp_header::clang
# The tests of the exported symbols look at the libraries that the C tests link with. What does not depend on who does the
# cryptography is not tested again in pure Rust: the headers, the costs of messages, JSON, and peers that break off, send
# other lengths and texts, or alter messages. AES and short records of gcm are the same code in both.
PURE_LEFT_OUT := --skip read_ahead:: $(addprefix --skip hostile_peer::,ends:: sockets:: json_texts:: lengths:: \
                   altered::messages altered::records ciphertexts::records_at)
test-rust: library pure-library
	$(STAGE) 'Rust tests'
	@scripts/ensure-tools cargo cc c++ valgrind
	ANWDL_LIBRARY=$(call absolute,$(LIBRARY)) $(CARGO) test $(CARGO_FLAGS) --lib $(addprefix --test ,$(RUST_TESTS)) \
	    -- $(addprefix --skip ,$(CPP_HEADERS))
	ANWDL_LIBRARY=$(call absolute,$(PURE_LIBRARY)) $(CARGO) test $(CARGO_FLAGS) --test interface exported_symbols::
	$(CARGO) test $(CARGO_FLAGS) --doc
	$(STAGE) 'Rust tests, pure Rust'
	$(CARGO) test $(CARGO_FLAGS) --no-default-features --lib $(addprefix --test ,$(filter-out interface behaviour,$(RUST_TESTS))) \
	    -- --skip message::

# The rest of what hardly depends on who does the cryptography, too.
test-rust-long: ## the Rust tests that need longer: the C++ headers in each standard, hostile peers in pure Rust
	$(STAGE) 'Rust tests that need longer'
	@scripts/ensure-tools cargo cc c++ clang asio
	@scripts/ensure-tools new-clang || echo 'no clang here knows C23 and C++26: they are left out'
	$(CARGO) test $(CARGO_FLAGS) --test interface -- $(CPP_HEADERS)
	$(CARGO) test $(CARGO_FLAGS) --no-default-features --test behaviour -- $(PURE_LEFT_OUT)

# Apart from the other tests, as it counts the instructions of optimized code, which nothing else is built with.
test-costs: ## count the instructions that messages of each kind cost
	$(STAGE) 'what messages cost'
	@scripts/ensure-tools cargo cc valgrind
	$(CARGO) test $(CARGO_FLAGS) --test message_costs

# But for the sweeps, which belong to `make assure`.
test-c: c-tests
	$(STAGE) 'C tests'
	cd $(TEST_BUILD) && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS) --label-exclude '^sweep$$'

c-tests: library
	$(STAGE) 'programs of the C tests'
	$(CMAKE) -S examples-c -B $(TEST_BUILD) $(CMAKE_TARGET) -DANWDL_LIBRARY=$(call absolute,$(LIBRARY))
	$(CMAKE) --build $(TEST_BUILD) --parallel $(JOBS)

# Of the tests of C those that depend on who does the cryptography, without valgrind: it finds nothing here that it does not
# find above. And the two libraries against each other.
test-c-pure-rust: c-tests-pure-rust
	$(STAGE) 'C tests, pure Rust'
	cd $(PURE_BUILD) && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS) --label-regex '^cryptography$$'

# What is in C++ is linked with the same functions of C.
PURE_PROGRAMS := cryptography
c-tests-pure-rust: library pure-library
	$(STAGE) 'programs of the C tests, pure Rust'
	$(CMAKE) -S examples-c -B $(PURE_BUILD) $(CMAKE_TARGET) -DANWDL_LIBRARY=$(call absolute,$(PURE_LIBRARY)) -DANWDL_VALGRIND=OFF \
	         -DANWDL_OTHER_LIBRARY=$(call absolute,$(LIBRARY)) -DANWDL_CXX=OFF -DANWDL_EXAMPLES_UV=OFF -DANWDL_EXAMPLES_ASIO=OFF \
	         -DANWDL_EXAMPLES_LOOPS=OFF
	$(CMAKE) --build $(PURE_BUILD) --parallel $(JOBS) --target $(PURE_PROGRAMS)

test-interop: server venv
	$(STAGE) 'the Python peer against itself, the C server, the C client, and the library'
	cd $(INTEROP) && ANWDL_TEST_SERVER=$(call absolute,$(SERVER)) ANWDL_TEST_CLIENT=$(call absolute,$(DEMO_BUILD)/client) \
	    ANWDL_TEST_LIBRARY=$(call absolute,$(LIBRARY)) $(call absolute,$(VENV))/bin/python -m unittest discover

test-validator: venv ## compare the validator with cerberus, on messages that no test has yet
	$(STAGE) 'the validator against cerberus, seed $(VALIDATOR_SEED)'
	$(VENV)/bin/python $(INTEROP)/validator_cases.py --seed $(VALIDATOR_SEED) > $(VALIDATOR_CASES)
	ANWDL_VALIDATOR_CASES=$(call absolute,$(VALIDATOR_CASES)) $(CARGO) test $(CARGO_FLAGS) --test behaviour validator_like_cerberus::

.PHONY: check-form check-rust check-c test-paths test-tools test-library test-rust test-rust-long test-costs test-c c-tests test-c-pure-rust c-tests-pure-rust test-interop test-validator
