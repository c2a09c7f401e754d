# Measurements.

BENCH_DIR    := $(TARGET_DIR)/bench
BENCH_BUILD  := $(BENCH_DIR)/sessions
BENCH_VENV   := $(BENCH_DIR)/venv
BENCH_FLAGS  :=
INSTRUCTIONS_BUILD := $(BENCH_DIR)/instructions

bench: bench-tools bench-library bench-bare bench-servers bench-sessions venv bench-venv python ## measure, beside floors and competitors
	$(STAGE) 'benchmarks'
	$(BENCH_VENV)/bin/python benches/run.py --bare $(TARGET_DIR)/release/bare --sessions $(BENCH_BUILD) \
	    --library $(call absolute,$(LIBRARY)) --servers $(BENCH_DIR)/servers --peer-python $(VENV)/bin/python \
	    --build-seconds $(BENCH_DIR)/build-seconds --results $(BENCH_DIR)/results.json --plots docs/bench $(BENCH_FLAGS)

bench-tools:
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo cc make cmake pkg-config python3 python3-venv openssl libssl gnutls libuv

# How long a build takes is only known where nothing was built before.
bench-library:
	@mkdir -p $(BENCH_DIR)
	@fresh=$$(test -e $(TARGET_DIR)/release/deps || echo yes); started=$$(date +%s); \
	    $(MAKE) --no-print-directory library && \
	    if [ -n "$$fresh" ]; then echo $$(($$(date +%s) - started)) >$(BENCH_DIR)/build-seconds; fi

bench-bare:
	$(STAGE) 'bare operations'
	scripts/with-build-flags $(CARGO) build $(CARGO_FLAGS) --release --package anwdl-bench-bare

bench-sessions: bench-library
	$(STAGE) 'C programs of the benchmarks'
	$(CMAKE) -S benches/sessions -B $(BENCH_BUILD) -DANWDL_LIBRARY=$(call absolute,$(LIBRARY))
	$(CMAKE) --build $(BENCH_BUILD) --parallel $(JOBS)

bench-servers: bench-library
	$(STAGE) 'C servers'
	$(CMAKE) -S examples-c -B $(BENCH_DIR)/servers -DANWDL_LIBRARY=$(call absolute,$(LIBRARY)) -DBUILD_TESTING=OFF -DANWDL_EXAMPLES_ASIO=OFF -DANWDL_EXAMPLES_LOOPS=OFF
	$(CMAKE) --build $(BENCH_DIR)/servers --parallel $(JOBS)

bench-venv: $(BENCH_VENV)/.complete

$(BENCH_VENV)/.complete: benches/requirements.txt
	$(STAGE) 'Python environment of the benchmarks'
	$(PYTHON) -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

bench-instructions: instructions ## compare the instructions of an exchange and a request with the baseline
	$(STAGE) 'instruction counts'
	$(PYTHON) benches/instructions/check.py $(INSTRUCTIONS_BUILD)/operations

bench-instructions-baseline: instructions ## update that baseline
	$(STAGE) 'instruction counts, new baseline'
	$(PYTHON) benches/instructions/check.py $(INSTRUCTIONS_BUILD)/operations --write

instructions: library
	$(STAGE) 'program for instruction counts'
	@scripts/ensure-tools cc make cmake python3 valgrind
	$(CMAKE) -S benches/instructions -B $(INSTRUCTIONS_BUILD) -DANWDL_LIBRARY=$(call absolute,$(LIBRARY))
	$(CMAKE) --build $(INSTRUCTIONS_BUILD) --parallel $(JOBS)

timing: c-tests ## measure whether the time of a decryption reveals how it failed
	$(STAGE) 'timing'
	@mkdir -p $(BENCH_DIR)
	$(PYTHON) benches/timing/oaep_classes.py examples-c/tests/keys/server.pem $(BENCH_DIR)/oaep-classes
	$(TEST_BUILD)/tests/timing $(BENCH_DIR)/oaep-classes

refusals: c-tests ## check that the instructions of a refusal don't reveal what was wrong with the message
	$(STAGE) 'refusals'
	@scripts/ensure-tools python3 valgrind
	$(PYTHON) benches/instructions/refusals.py $(TEST_BUILD)/tests/refusals

.PHONY: bench bench-tools bench-library bench-bare bench-servers bench-sessions bench-venv bench-instructions bench-instructions-baseline instructions timing refusals
