# The example programs in C, and the Python peer that talks to them.

demo-tools:
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo cc make cmake python3 python3-venv

# Without what only the servers on libuv and Asio need, which neither the demo nor its tests run.
server: library
	$(STAGE) 'C server and C client'
	$(CMAKE) -S examples-c -B $(DEMO_BUILD) $(CMAKE_TARGET) -DANWDL_LIBRARY=$(call absolute,$(LIBRARY)) -DBUILD_TESTING=OFF \
	         -DANWDL_EXAMPLES_UV=OFF -DANWDL_EXAMPLES_ASIO=OFF -DANWDL_EXAMPLES_LOOPS=OFF
	$(CMAKE) --build $(DEMO_BUILD) --parallel $(JOBS)

venv: $(VENV)/.complete

$(VENV)/.complete: $(INTEROP)/requirements.txt
	$(STAGE) 'Python environment'
	@scripts/ensure-tools python3 python3-venv
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: demo-tools server venv
