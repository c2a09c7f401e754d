# What is handed out: the source archive and the Debian packages, and whether it builds elsewhere.

DEB_BUILD    := $(TARGET_DIR)/deb

dist: ## make one archive of the sources and of all crates, from which everything builds offline
	$(STAGE) 'source archive'
	@scripts/ensure-tools cargo git
	CARGO='$(CARGO)' scripts/dist $(TARGET_DIR)/dist

# Apart from the other tests, as it compiles everything anew. Python's packages are no part of the archive, so
# that what needs them is left out: test-interop, test-validator, test-python and demo, of which it builds the C programs.
DIST_TEST_TARGETS := library pure-library server test-rust test-c test-c-pure-rust test-rust-long test-consumers test-licences docs
test-dist: dist ## unpack that archive elsewhere, and build, test and install from it without network
	$(STAGE) 'source archive, without network'
	@scripts/ensure-tools cargo cc c++ clang clang-sanitizers lld mold make cmake ninja meson pkg-config libssl valgrind strace openssl libuv asio libevent glib liburing haproxy doxygen
	scripts/dist-test $(TARGET_DIR)/dist/libanwdl-$$(scripts/version).tar.gz $(TARGET_DIR)/dist/test $(DIST_TEST_TARGETS)

deb: ## build the Debian packages
	$(STAGE) 'Debian packages'
	@scripts/ensure-tools cargo cc make debian-packaging
	scripts/deb $(DEB_BUILD)

test-deb: ## build them, install them, use them and remove them, where that is possible
	@if scripts/deb-test possible >/dev/null; then $(MAKE) --no-print-directory deb; fi
	@if reason=$$(scripts/deb-test possible); then \
	    scripts/ensure-tools cc pkg-config && scripts/deb-test run $(DEB_BUILD); \
	else printf '\n== Debian packages: skipped, as %s ==\n' "$$reason"; fi

# Of `make test` the parts that another compiler and linker can break; name more in BARE_TARGETS.
BARE_SUITE   := bookworm
BARE_TARGETS := demo test-library test-rust
test-bare-system: ## make a Debian with git, make and gcc alone, and run the commands of the README there (as root)
	$(STAGE) 'bare system'
	@scripts/ensure-tools git mmdebstrap
	scripts/bare-system-test $(BARE_SUITE) $(BARE_TARGETS)

# Apart from the other tests: cargo-c itself takes many minutes to compile. It knows no pcfiledir, so that its
# tree is used where it was installed.
test-cargo-c: library ## install with cargo-c, compare that with `make install`, and run the consumers with it
	@scripts/ensure-tools cargo-c cc c++ clang make cmake ninja meson pkg-config libssl
	rm -rf $(CONSUMERS_BUILD)/stage $(CONSUMERS_BUILD)/cargo-c
	$(MAKE) --no-print-directory install DESTDIR=$(call absolute,$(CONSUMERS_BUILD))/stage PREFIX=/usr/local
	$(STAGE) 'cargo cinstall'
	scripts/with-build-flags $(CARGO) cinstall $(CARGO_FLAGS) --prefix $(call absolute,$(CONSUMERS_BUILD))/cargo-c --libdir lib
	tests/consumers/tools/compare $(CONSUMERS_BUILD)/stage/usr/local $(CONSUMERS_BUILD)/cargo-c
	$(STAGE) 'consumers of what cargo-c installed'
	$(CMAKE) -S tests/consumers -B $(CONSUMERS_BUILD)/build-cargo-c -DANWDL_PREFIX=$(call absolute,$(CONSUMERS_BUILD)/cargo-c) \
	    -DANWDL_INSTALLED_BY_CARGO_C=ON
	cd $(CONSUMERS_BUILD)/build-cargo-c && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS)

# Apart from the other tests, as it compiles everything anew, with a tool that takes a minute to compile.
test-auditable: ## build with cargo-auditable, and compare its list of crates with the bill of materials
	$(STAGE) 'the list of crates of cargo-auditable'
	@scripts/ensure-tools cargo cc python3 cargo-auditable
	$(PYTHON) scripts/auditable-test $(TARGET_DIR)/auditable

# Apart from the other tests, as it compiles everything twice.
test-reproducible: ## build in two folders, for two users, and compare the bytes
	$(STAGE) 'the same bytes elsewhere'
	@scripts/ensure-tools cargo cc git
	CCACHE_DISABLE=1 scripts/reproducible-test $(TARGET_DIR)/reproducible

# Apart from the other tests, as it compiles everything anew. What can be seen there of names alone is test-paths.
test-odd-path: ## build, try and install in a checkout whose path has blanks, a quote, a dollar sign and other letters
	$(STAGE) 'a path with blanks, a quote, a dollar sign and other letters'
	@scripts/ensure-tools cargo cc c++ make cmake git python3 python3-venv pkg-config
	scripts/odd-path-test $(call absolute,$(TARGET_DIR))/odd-path all demo check-rust check-c test-interop

# One after the other, as each of them uses every processor.
RELEASE_TESTS := test-dist test-cargo-c test-auditable test-bare-system test-reproducible test-odd-path platforms-check sanitizers fuzz-smoke advisories
test-release: ## what a release must pass besides .ci/run and `make assure` (hours)
	@for test in $(RELEASE_TESTS); do $(MAKE) --no-print-directory "$$test" || exit; done

.PHONY: dist test-dist deb test-deb test-bare-system test-cargo-c test-auditable test-reproducible test-odd-path test-release
