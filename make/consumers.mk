# Where people get libraries, and the projects and languages in which they use them: tests/consumers/.

CONSUMERS_BUILD  := $(TARGET_DIR)/consumers
CONSUMERS_PREFIX := $(CONSUMERS_BUILD)/prefix
CONSUMERS_VENV   := $(TARGET_DIR)/consumers-venv
CONAN_VENV       := $(TARGET_DIR)/conan-venv

CONSUMER_TOOLS   := cc c++ clang clang-sanitizers lld mold make cmake ninja meson pkg-config libssl asio

# The manual shows them, and `make test-languages` runs them.
LANGUAGE_SERVERS := $(addprefix tests/consumers/,go/server.go zig/server.zig node/anwdl.js node/server.js cffi/server.py php/server.php)

# What `make install` installs, in one folder that may be put anywhere.
TARBALL_SYSTEM    = $(or $(CARGO_BUILD_TARGET),$(shell $(CARGO) -vV | sed -n 's/^host: //p'))
TARBALL_NAME      = libanwdl-$(shell scripts/version)-$(TARBALL_SYSTEM)
TARBALL_DIR      := $(TARGET_DIR)/tarball
tarball: library ## pack what `make install` installs, for this system or TARGET, into an archive that works in any folder
	$(STAGE) 'binary archive'
	scripts/tarball $(LIBRARY_DIR) $(call absolute,$(TARBALL_DIR)) $(TARBALL_NAME)

# The consumers use what was unpacked, in another place than the one that it was installed to.
consumers-prefix: tarball
	rm -rf $(CONSUMERS_PREFIX)
	mkdir -p $(CONSUMERS_PREFIX)
	tar -xzf $(TARBALL_DIR)/$(TARBALL_NAME).tar.gz -C $(CONSUMERS_PREFIX) --strip-components=1

consumers-tools:
	$(STAGE) 'tools of the consumers'
	@scripts/ensure-tools $(CONSUMER_TOOLS)

test-consumers: consumers-tools consumers-prefix ## unpack the binary archive, and build projects with it as users do: CMake, Meson, pkg-config
	$(STAGE) 'consumers'
	$(CMAKE) -S tests/consumers -B $(CONSUMERS_BUILD)/build -DANWDL_PREFIX=$(call absolute,$(CONSUMERS_PREFIX)) \
	    -DANWDL_LIBRARY_DIR=$(call absolute,$(LIBRARY_DIR))
	cd $(CONSUMERS_BUILD)/build && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS)
	scripts/check-page docs/languages.md $(LANGUAGE_SERVERS)

$(CONSUMERS_VENV)/.complete: tests/consumers/requirements.txt $(INTEROP)/requirements.txt
$(CONAN_VENV)/.complete: packaging/conan/requirements.txt
$(CONSUMERS_VENV)/.complete $(CONAN_VENV)/.complete:
	@scripts/ensure-tools python3 python3-venv
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Apart from the other tests, as these need compilers and packages from elsewhere: 300 MB of Zig, Go.
test-languages: consumers-prefix $(CONSUMERS_VENV)/.complete ## serve clients of each framing with servers in Go, Node, PHP, Python and Zig
	@scripts/ensure-tools cc cmake go npm php pkg-config python3
	$(STAGE) 'servers in other languages'
	$(CMAKE) -S tests/consumers -B $(CONSUMERS_BUILD)/build-languages -DANWDL_PREFIX=$(call absolute,$(CONSUMERS_PREFIX)) -DANWDL_LANGUAGES=ON
	cd $(CONSUMERS_BUILD)/build-languages && PATH=$(call absolute,$(CONSUMERS_VENV))/bin:"$$PATH" $(CTEST) --output-on-failure --no-tests=error

# Apart from the other tests, as it compiles everything anew, from the copy of the sources that Conan makes.
test-conan: $(CONAN_VENV)/.complete ## make the Conan packages, shared and static, and build their test_package, without network
	@scripts/ensure-tools cargo cc cmake make
	$(STAGE) 'Conan package'
	packaging/conan/test $(call absolute,$(CONAN_VENV))/bin/conan $(call absolute,$(CONSUMERS_BUILD))/conan

.PHONY: tarball consumers-prefix consumers-tools test-consumers test-languages test-conan
