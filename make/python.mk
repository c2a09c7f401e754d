# The Python package of bindings/python.

PACKAGE_DIR   := $(TARGET_DIR)/python
PACKAGE_VENV  := $(PACKAGE_DIR)/venv
PACKAGE_TESTS := bindings/python/tests
PACKAGE_PIP   := -m pip --quiet --disable-pip-version-check
# Other Pythons, for test-pythons: commands, such as python3.12 python3.14t.
PYTHONS       := $(PYTHON)

python: library package-venv ## build the wheel of the Python package, and tell what it needs of a system
	$(STAGE) 'Python wheel'
	rm -rf $(PACKAGE_DIR)/wheel
	ANWDL_LIBRARY=$(call absolute,$(LIBRARY)) $(PACKAGE_VENV)/bin/python $(PACKAGE_PIP) wheel --no-build-isolation --no-deps --no-index \
	    --wheel-dir $(PACKAGE_DIR)/wheel bindings/python
	$(PACKAGE_VENV)/bin/python $(PACKAGE_PIP) install --force-reinstall --no-deps --no-index $(PACKAGE_DIR)/wheel/*.whl
	$(PACKAGE_VENV)/bin/python -m auditwheel show $(PACKAGE_DIR)/wheel/*.whl
	@printf '\n%s\n' $(PACKAGE_DIR)/wheel/*.whl

# What the package needs is kept as wheels, so that an empty environment can have it without network.
package-venv: $(PACKAGE_VENV)/.complete

$(PACKAGE_VENV)/.complete: $(PACKAGE_TESTS)/requirements.txt $(INTEROP)/requirements.txt
	$(STAGE) 'environment of the Python package'
	@scripts/ensure-tools python3 python3-venv
	$(PYTHON) -m venv --clear $(PACKAGE_VENV)
	$(PACKAGE_VENV)/bin/python $(PACKAGE_PIP) install --requirement $<
	$(PACKAGE_VENV)/bin/python $(PACKAGE_PIP) wheel --wheel-dir $(PACKAGE_DIR)/needed \
	    $$($(PACKAGE_VENV)/bin/python -m pip freeze | grep -E '^(cffi|pycparser)==')
	@touch $@

test-python: python
	$(STAGE) 'Python package in an empty environment'
	$(PYTHON) -m venv --clear $(PACKAGE_DIR)/empty
	$(PACKAGE_DIR)/empty/bin/python $(PACKAGE_PIP) install --no-index --find-links $(PACKAGE_DIR)/needed $(PACKAGE_DIR)/wheel/*.whl
	cd $(PACKAGE_TESTS) && $(call absolute,$(PACKAGE_DIR))/empty/bin/python any_python.py
	$(STAGE) 'Python package'
	cd $(PACKAGE_TESTS) && PYTHONPATH=$(call absolute,$(INTEROP)) $(call absolute,$(PACKAGE_VENV))/bin/python -m unittest discover

# Apart from the other tests, as most systems have one Python.
test-pythons: python ## try the wheel with each of PYTHONS
	@for python in $(PYTHONS); do \
	    printf '\n== %s ==\n' "$$python" && \
	    $$python -m venv --clear $(PACKAGE_DIR)/other && \
	    $(PACKAGE_DIR)/other/bin/python $(PACKAGE_PIP) install $(PACKAGE_DIR)/wheel/*.whl && \
	    (cd $(PACKAGE_TESTS) && $(call absolute,$(PACKAGE_DIR))/other/bin/python any_python.py) || exit 1; \
	done

.PHONY: python package-venv test-python test-pythons
