# `make help` lists what there is. Everything that is made goes below $(TARGET_DIR), except the header,
# which is committed.

CARGO        ?= cargo
export CARGO
CARGO_FLAGS  ?= --locked
PYTHON       ?= python3
CMAKE        ?= cmake
CTEST        ?= ctest
CLANG_FORMAT ?= clang-format
JOBS         ?= $(shell nproc 2>/dev/null || echo 1)

# Make and the shells take a blank for the end of a name, and a quote or a dollar for something else: in such a path
# a recipe would reach other folders.
ifneq ($(words [$(CURDIR)] [$(CARGO_TARGET_DIR)]),2)
$(error the path of this folder, or CARGO_TARGET_DIR, has a blank in it: move it to a path without ($(CURDIR)))
endif
SPECIAL := ' " ` $$ \ ; & | < > ( ) * ? [ ] : %
ifneq ($(strip $(foreach character,$(SPECIAL),$(findstring $(character),$(CURDIR)$(CARGO_TARGET_DIR)))),)
$(error the path of this folder, or CARGO_TARGET_DIR, has one of $(SPECIAL) in it: move it to a path without ($(CURDIR)))
endif

# Cargo has the same word in its environment, and all of its calls must agree on it.
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
export CARGO_TARGET_DIR := $(TARGET_DIR)

# The system to build for, as cargo calls it: `make TARGET=...`, or CARGO_BUILD_TARGET in the environment. What is made
# for another than this machine goes below a folder of its name. Another TARGET in the environment is not meant for this.
ifeq ($(origin TARGET),command line)
CARGO_BUILD_TARGET := $(TARGET)
endif
ifneq ($(CARGO_BUILD_TARGET),)
export CARGO_BUILD_TARGET
CMAKE_TARGET := -DCMAKE_TOOLCHAIN_FILE=$(CURDIR)/make/target.cmake
endif
# Cargo's folder of a release is the same below each build folder.
BUILD_DIR    := $(TARGET_DIR)$(addprefix /,$(CARGO_BUILD_TARGET))
RELEASE      := $(shell scripts/target folder)

# What people link and install; below release/ is what cargo makes.
LIBRARY_DIR  := $(BUILD_DIR)/lib
LIBRARY      := $(LIBRARY_DIR)/libanwdl.so
PURE_DIR     := $(TARGET_DIR)/pure-rust
PURE_LIBRARY := $(PURE_DIR)/$(RELEASE)/libanwdl.so
HEADER       := include/anwdl.h
DEMO_BUILD   ?= $(BUILD_DIR)/examples-c
TEST_BUILD   ?= $(BUILD_DIR)/examples-c-tests
PURE_BUILD   ?= $(BUILD_DIR)/examples-c-tests-pure-rust

# Where `make install` puts things, by GNU's names or by those in capitals; DESTDIR comes before all of it.
DESTDIR      ?=
prefix       ?= /usr/local
PREFIX       ?= $(prefix)
exec_prefix  ?= $(PREFIX)
libdir       ?= $(exec_prefix)/lib
LIBDIR       ?= $(libdir)
includedir   ?= $(PREFIX)/include
INCLUDEDIR   ?= $(includedir)
datarootdir  ?= $(PREFIX)/share
datadir      ?= $(datarootdir)
docdir       ?= $(datarootdir)/doc/libanwdl
DOCDIR       ?= $(docdir)
pkgconfigdir ?= $(LIBDIR)/pkgconfig
CMAKEDIR     ?= $(datadir)/cmake/anwdl
# Debuggers look there, too.
DEBUGDIR     ?= $(LIBDIR)/.debug
PLACES = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' INCLUDEDIR='$(INCLUDEDIR)' DOCDIR='$(DOCDIR)' \
         PKGCONFIGDIR='$(pkgconfigdir)' CMAKEDIR='$(CMAKEDIR)' DEBUGDIR='$(DEBUGDIR)'
NATIVE_LIBRARIES := $(LIBRARY_DIR)/native-libraries
CONSUMERS_BUILD  ?= $(TARGET_DIR)/consumers

ABI_DESCRIPTION  := abi/libanwdl.abi
ABI_BUILD    ?= $(TARGET_DIR)/abi
DEB_BUILD    ?= $(TARGET_DIR)/deb

# The library whose rules can be broken, and what is linked with it.
BREAKABLE_DIR     := $(TARGET_DIR)/negative-controls
BREAKABLE_LIBRARY := $(BREAKABLE_DIR)/release/libanwdl.so
ASSURE_FLAGS ?=

SANITIZERS_DIR ?= $(TARGET_DIR)/sanitizers
FUZZ_DIR     ?= $(TARGET_DIR)/fuzz
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=

BENCH_DIR    := $(TARGET_DIR)/bench
DOCS_DIR     := $(TARGET_DIR)/docs
BENCH_BUILD  ?= $(BENCH_DIR)/sessions
BENCH_VENV   ?= $(BENCH_DIR)/venv
BENCH_FLAGS  ?=
INSTRUCTIONS_BUILD ?= $(BENCH_DIR)/instructions
VENV         ?= $(TARGET_DIR)/venv
SERVER       ?= $(DEMO_BUILD)/anwdl_server
INTEROP      := tests/interop

# A second set of generated messages for the validator, besides the committed one.
VALIDATOR_SEED  ?= 2
VALIDATOR_CASES := $(TARGET_DIR)/validator-cases-$(VALIDATOR_SEED).jsonl

C_SOURCES = $(wildcard examples-c/*.[ch] examples-c/*.cpp examples-c/*/*.[ch] examples-c/*/*.cpp benches/*/*.[ch] \
              tests/consumers/*/*.[ch] tests/consumers/*/*.cpp) include/anwdl.hpp

# Whoever only builds and installs decides what else is installed; all other targets see to what they need.
USER_TARGETS := all library pure-library server install install-debug installcheck uninstall clean help
ifeq ($(filter-out $(USER_TARGETS),$(MAKECMDGOALS)),)
export ANWDL_INSTALL_TOOLS ?= no
endif

STAGE = @printf '\n== %s ==\n'

# Stages share cargo's locks and two cores; some of them measure time. `make -j` is welcome and changes nothing.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all library pure-library demo demo-tools server test test-paths test-tools test-rust test-c c-tests test-c-pure-rust test-interop \
        test-validator test-consumers test-cargo-c install install-debug installcheck uninstall dist test-dist venv bench bench-tools bench-library bench-bare bench-sessions bench-venv \
        bench-instructions bench-instructions-baseline instructions timing refusals header abi abi-baseline deb test-deb test-bare-system test-library test-reproducible oldest-rust assure assure-tools controls controls-tools breakable coverage mutants sanitizers fuzz-smoke licences sbom test-licences advisories docs lint lint-tools clean help

all: library ## build the release library (the default)
	@printf '%s\n' "$(LIBRARY)" "$(LIBRARY:.so=.a)" "$(abspath $(HEADER))"

library:
	$(STAGE) 'library'
	@scripts/ensure-tools cargo cc
	@mkdir -p $(LIBRARY_DIR)
	CARGO='$(CARGO)' scripts/native-libraries $(CARGO_FLAGS) >$(NATIVE_LIBRARIES).new
	@mv $(NATIVE_LIBRARIES).new $(NATIVE_LIBRARIES)
	@scripts/finish-libraries $(TARGET_DIR)/$(RELEASE) $(LIBRARY_DIR)
	@test -f $(HEADER) || { echo '$(HEADER) is missing: type make header' >&2; exit 1; }

# Whoever installs as root may have no cargo, having built as somebody else before: these build nothing, and write
# nothing below the build folder.
install: ## install the libraries, headers, anwdl.pc, the CMake package, manual and examples (DESTDIR, prefix, libdir, ...)
	$(STAGE) 'install below $(DESTDIR)$(PREFIX)'
	$(PLACES) scripts/install $(LIBRARY_DIR)

install-debug: ## install the debugging information of the shared library, too
	$(PLACES) scripts/install $(LIBRARY_DIR) debug

installcheck: ## compile two examples with what is installed there, and let them talk to each other
	@scripts/ensure-tools cc pkg-config
	$(PLACES) scripts/installcheck

uninstall: ## remove what `make install` with the same variables installed
	$(PLACES) scripts/uninstall

# In a folder of its own, so that the two libraries do not take each other's place.
pure-library:
	$(STAGE) 'library, pure Rust'
	scripts/with-build-flags $(CARGO) build $(CARGO_FLAGS) --release --no-default-features --target-dir $(PURE_DIR)

demo: demo-tools server venv ## run one client of each framing, and the C client, against a C server
	$(STAGE) 'demo'
	$(VENV)/bin/python $(INTEROP)/demo.py --client $(DEMO_BUILD)/client $(SERVER)

demo-tools:
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo cc make cmake python3 python3-venv

# Without what only the servers on libuv and Asio need, which neither the demo nor its tests run.
server: library
	$(STAGE) 'C server and C client'
	$(CMAKE) -S examples-c -B $(DEMO_BUILD) $(CMAKE_TARGET) -DANWDL_LIBRARY=$(LIBRARY) -DBUILD_TESTING=OFF \
	         -DANWDL_EXAMPLES_UV=OFF -DANWDL_EXAMPLES_ASIO=OFF
	$(CMAKE) --build $(DEMO_BUILD) --parallel $(JOBS)

venv: $(VENV)/.complete

$(VENV)/.complete: $(INTEROP)/requirements.txt
	$(STAGE) 'Python environment'
	@scripts/ensure-tools python3 python3-venv
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

test: test-paths test-tools test-library test-rust test-c test-c-pure-rust test-interop test-validator test-consumers ## run every test
	@printf '\nall tests passed\n'

# Before all else, as everything that follows trusts in it.
test-paths:
	$(STAGE) 'paths, and what is missing'
	scripts/test-paths
	scripts/test-ensure-tools

test-tools:
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo cc c++ make cmake python3 python3-venv pkg-config valgrind strace openssl libuv asio haproxy

test-library: library
	$(STAGE) 'the library as a file'
	scripts/library-test $(LIBRARY_DIR)

# The tests of the exported symbols look at the library that the C tests link with.
test-rust: library pure-library
	$(STAGE) 'Rust tests'
	ANWDL_LIBRARY=$(LIBRARY) $(CARGO) test $(CARGO_FLAGS)
	$(STAGE) 'Rust tests, pure Rust'
	ANWDL_LIBRARY=$(PURE_LIBRARY) $(CARGO) test $(CARGO_FLAGS) --no-default-features

test-c: c-tests
	$(STAGE) 'C tests'
	cd $(TEST_BUILD) && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS)

c-tests: library
	$(STAGE) 'programs of the C tests'
	$(CMAKE) -S examples-c -B $(TEST_BUILD) $(CMAKE_TARGET) -DANWDL_LIBRARY=$(LIBRARY)
	$(CMAKE) --build $(TEST_BUILD) --parallel $(JOBS)

# The tests of C once more, without valgrind: it finds nothing here that it does not find above. And the two
# libraries against each other. The `rsa` crate leaves numbers of private keys in memory that it freed, so that the
# scan of memory is left out.
test-c-pure-rust: library pure-library
	$(STAGE) 'C tests, pure Rust'
	$(CMAKE) -S examples-c -B $(PURE_BUILD) $(CMAKE_TARGET) -DANWDL_LIBRARY=$(PURE_LIBRARY) -DANWDL_VALGRIND=OFF \
	         -DANWDL_OTHER_LIBRARY=$(LIBRARY)
	$(CMAKE) --build $(PURE_BUILD) --parallel $(JOBS)
	cd $(PURE_BUILD) && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS) --exclude-regex '^test_wiped$$'

test-interop: server venv
	$(STAGE) 'the Python peer against itself, the C server, the C client, and the library under its Python names'
	cd $(INTEROP) && ANWDL_TEST_SERVER=$(abspath $(SERVER)) ANWDL_TEST_CLIENT=$(abspath $(DEMO_BUILD)/client) \
	    ANWDL_TEST_LIBRARY=$(LIBRARY) $(VENV)/bin/python -m unittest discover

test-validator: venv
	$(STAGE) 'the validator against cerberus, seed $(VALIDATOR_SEED)'
	$(VENV)/bin/python $(INTEROP)/validator_cases.py --seed $(VALIDATOR_SEED) > $(VALIDATOR_CASES)
	ANWDL_VALIDATOR_CASES=$(VALIDATOR_CASES) $(CARGO) test $(CARGO_FLAGS) --test validator

assure: assure-tools c-tests pure-library breakable venv ## run what shows each promise, show that it can fail, and print the table
	$(STAGE) 'promises'
	$(VENV)/bin/python scripts/assure --plain $(TARGET_DIR) --breakable $(BREAKABLE_DIR) $(ASSURE_FLAGS)

assure-tools: test-tools controls-tools
	@scripts/ensure-tools cargo cc make cmake python3 python3-venv valgrind

controls-tools:
	@scripts/ensure-tools python3 git

breakable: controls-tools
	$(STAGE) 'library with rules that can be broken'
	$(PYTHON) scripts/controls apply $(BREAKABLE_DIR)/source
	cd $(BREAKABLE_DIR)/source && CARGO_TARGET_DIR=$(BREAKABLE_DIR) $(CARGO) build $(CARGO_FLAGS) --release
	@scripts/link-soname $(BREAKABLE_LIBRARY)
	$(CMAKE) -S examples-c -B $(BREAKABLE_DIR)/examples-c-tests -DANWDL_LIBRARY=$(BREAKABLE_LIBRARY) -DANWDL_VALGRIND=OFF
	$(CMAKE) --build $(BREAKABLE_DIR)/examples-c-tests --parallel $(JOBS)

controls: controls-tools ## write the patches of tests/assurance/controls/ anew, after changes of src/
	$(PYTHON) scripts/controls refresh

sanitizers: ## run the C tests with the sanitizers of addresses, leaks, undefined behaviour and threads
	$(STAGE) 'sanitizers'
	@scripts/ensure-tools cargo rust-nightly cc c++ make cmake python3 libuv asio
	CARGO='$(CARGO)' scripts/sanitizers $(SANITIZERS_DIR)

fuzz-smoke: ## run each fuzzer for FUZZ_SECONDS (60)
	$(STAGE) 'fuzzers'
	@scripts/ensure-tools cargo rust-nightly cc c++ make cmake cargo-fuzz
	scripts/fuzz-smoke $(FUZZ_DIR) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Of what the Rust tests run: the C tests run the same lines of src/ffi/ once more.
coverage: library ## count the lines of src/ that the Rust tests run; fails below 95 %
	$(STAGE) 'coverage'
	@scripts/ensure-tools cargo cargo-tarpaulin
	ANWDL_LIBRARY=$(LIBRARY) $(CARGO) tarpaulin --locked --engine llvm --skip-clean --lib --tests --include-files 'src/*' --exclude-files 'src/ffi/tests/*' \
	    'src/*/tests.rs' 'src/*/*/tests.rs' --timeout 600 --fail-under 95 --out Json --output-dir $(TARGET_DIR)/coverage \
	    --target-dir $(TARGET_DIR)/coverage/build

# Without optimization, since each mutant is compiled anew; in this tree, which is as it was at the end. First
# against what is quick, of which most mutants fail, and then what is left against all Rust tests.
MUTANTS ?= --file 'src/protocol/**' --file 'src/message/**' --file 'src/crypto/**' --file 'src/ffi/*.rs'
RUN_MUTANTS = CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$(TARGET_DIR)/mutants/build \
    $(CARGO) mutants --in-place --output $(TARGET_DIR)/mutants --exclude-re 'fmt::Debug' $(MUTANTS) \
    --cargo-arg=--locked --cargo-arg=--lib
mutants: ## change the core in each small way in turn, and see the Rust tests notice (hours)
	$(STAGE) 'mutants'
	@scripts/ensure-tools cargo cargo-mutants
	@rm -rf $(TARGET_DIR)/mutants/mutants.out
	-$(RUN_MUTANTS) --timeout 30 --cargo-arg=--test=sessions -- -- --skip secret_paths
	$(STAGE) 'mutants that are left'
	$(RUN_MUTANTS) --iterate --timeout 300 --cargo-arg=--tests

# The consumers use the tree in another place than the one that it was installed to.
test-consumers: library ## install below the build folder, and build the projects of strangers with what is there
	$(STAGE) 'tools of the consumers'
	@scripts/ensure-tools cc c++ clang clang-sanitizers lld mold make cmake ninja meson pkg-config libssl
	rm -rf $(CONSUMERS_BUILD)/stage $(CONSUMERS_BUILD)/prefix
	$(MAKE) --no-print-directory install DESTDIR=$(CONSUMERS_BUILD)/stage PREFIX=/usr/local
	mv $(CONSUMERS_BUILD)/stage/usr/local $(CONSUMERS_BUILD)/prefix
	$(STAGE) 'consumers'
	$(CMAKE) -S tests/consumers -B $(CONSUMERS_BUILD)/build -DANWDL_PREFIX=$(CONSUMERS_BUILD)/prefix \
	    -DANWDL_LIBRARY_DIR=$(LIBRARY_DIR)
	cd $(CONSUMERS_BUILD)/build && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS)

# Apart from the other tests: cargo-c itself takes many minutes to compile. It knows no pcfiledir, so that its
# tree is used where it was installed.
test-cargo-c: library ## install with cargo-c, compare that with `make install`, and run the consumers with it
	@scripts/ensure-tools cargo-c cc c++ clang make cmake ninja meson pkg-config libssl
	rm -rf $(CONSUMERS_BUILD)/stage $(CONSUMERS_BUILD)/cargo-c
	$(MAKE) --no-print-directory install DESTDIR=$(CONSUMERS_BUILD)/stage PREFIX=/usr/local
	$(STAGE) 'cargo cinstall'
	scripts/with-build-flags $(CARGO) cinstall $(CARGO_FLAGS) --prefix $(CONSUMERS_BUILD)/cargo-c --libdir lib
	tests/consumers/tools/compare $(CONSUMERS_BUILD)/stage/usr/local $(CONSUMERS_BUILD)/cargo-c
	$(STAGE) 'consumers of what cargo-c installed'
	$(CMAKE) -S tests/consumers -B $(CONSUMERS_BUILD)/build-cargo-c -DANWDL_PREFIX=$(CONSUMERS_BUILD)/cargo-c \
	    -DANWDL_INSTALLED_BY_CARGO_C=ON
	cd $(CONSUMERS_BUILD)/build-cargo-c && $(CTEST) --output-on-failure --no-tests=error --parallel $(JOBS)

dist: ## make one archive of the sources and of all crates, from which everything builds offline
	$(STAGE) 'source archive'
	@scripts/ensure-tools cargo git
	CARGO='$(CARGO)' scripts/dist $(TARGET_DIR)/dist

# Apart from the other tests, as it compiles everything anew. Python's packages are no part of the archive, so
# that what needs them is left out: test-interop, test-validator and demo, of which it builds the C programs.
DIST_TEST_TARGETS ?= library pure-library server test-rust test-c test-c-pure-rust test-consumers test-licences docs
test-dist: dist ## unpack that archive elsewhere, and build, test and install from it without network
	$(STAGE) 'source archive, without network'
	@scripts/ensure-tools cargo cc c++ clang clang-sanitizers lld mold make cmake ninja meson pkg-config libssl valgrind strace openssl libuv asio haproxy doxygen
	scripts/dist-test $(TARGET_DIR)/dist/libanwdl-$$(scripts/version).tar.gz $(TARGET_DIR)/dist/test $(DIST_TEST_TARGETS)

bench: bench-tools bench-library bench-bare server bench-sessions venv bench-venv ## measure, beside floors and competitors
	$(STAGE) 'benchmarks'
	$(BENCH_VENV)/bin/python benches/run.py --bare $(TARGET_DIR)/release/bare --sessions $(BENCH_BUILD) \
	    --library $(LIBRARY) --server $(SERVER) --peer-python $(VENV)/bin/python \
	    --build-seconds $(BENCH_DIR)/build-seconds --results $(BENCH_DIR)/results.json --plots docs/bench $(BENCH_FLAGS)

bench-tools:
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo cc make cmake python3 python3-venv openssl libssl

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
	$(CMAKE) -S benches/sessions -B $(BENCH_BUILD) -DANWDL_LIBRARY=$(LIBRARY)
	$(CMAKE) --build $(BENCH_BUILD) --parallel $(JOBS)

bench-venv: $(BENCH_VENV)/.complete

$(BENCH_VENV)/.complete: benches/requirements.txt
	$(STAGE) 'Python environment of the benchmarks'
	$(PYTHON) -m venv --clear $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

bench-instructions: instructions ## compare the instructions of an exchange and a request with the baseline
	$(STAGE) 'instruction counts'
	$(PYTHON) benches/instructions/check.py $(INSTRUCTIONS_BUILD)/operations

bench-instructions-baseline: instructions ## write that baseline anew
	$(STAGE) 'instruction counts, new baseline'
	$(PYTHON) benches/instructions/check.py $(INSTRUCTIONS_BUILD)/operations --write

timing: c-tests ## measure whether the time of a decryption tells how it failed
	$(STAGE) 'timing'
	@mkdir -p $(BENCH_DIR)
	$(PYTHON) benches/timing/oaep_classes.py examples-c/tests/keys/server.pem $(BENCH_DIR)/oaep-classes
	$(TEST_BUILD)/tests/timing $(BENCH_DIR)/oaep-classes

refusals: c-tests ## count whether the instructions of a refused message tell what was wrong with it
	$(STAGE) 'refusals'
	@scripts/ensure-tools python3 valgrind
	$(PYTHON) benches/instructions/refusals.py $(TEST_BUILD)/tests/refusals

instructions: library
	$(STAGE) 'program for instruction counts'
	@scripts/ensure-tools cc make cmake python3 valgrind
	$(CMAKE) -S benches/instructions -B $(INSTRUCTIONS_BUILD) -DANWDL_LIBRARY=$(LIBRARY)
	$(CMAKE) --build $(INSTRUCTIONS_BUILD) --parallel $(JOBS)

header: ## make include/anwdl.h anew from the code
	$(STAGE) 'header'
	@scripts/ensure-tools cargo cc
	ANWDL_UPDATE_HEADER=1 $(CARGO) test $(CARGO_FLAGS) --test header the_committed_header

abi: library ## fail if programs that are linked already would break
	$(STAGE) 'ABI'
	@scripts/ensure-tools cc abigail-tools
	scripts/abi-test $(ABI_BUILD)/test
	scripts/abi compare $(HEADER) $(ABI_DESCRIPTION) $(shell scripts/version soname) $(ABI_BUILD) $(LIBRARY)

abi-baseline: library ## write abi/libanwdl.abi and the symbols of the Debian package anew
	$(STAGE) 'ABI, new baseline'
	@scripts/ensure-tools cc abigail-tools
	scripts/abi write $(HEADER) $(ABI_DESCRIPTION) $(shell scripts/version soname) $(ABI_BUILD) $(LIBRARY)
	scripts/deb-symbols $(ABI_DESCRIPTION) libanwdl$(shell scripts/version abi) $(shell scripts/version release) \
	    packaging/debian/libanwdl$(shell scripts/version abi).symbols

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
BARE_SUITE   ?= bookworm
BARE_TARGETS ?= demo test-library test-rust
test-bare-system: ## make a Debian with git, make and gcc alone, and run the commands of the README there (as root)
	$(STAGE) 'bare system'
	@scripts/ensure-tools git mmdebstrap
	scripts/bare-system-test $(BARE_SUITE) $(BARE_TARGETS)

# Apart from the other tests, as it compiles everything twice.
test-reproducible: ## build in two folders and homes, and compare the bytes
	$(STAGE) 'the same bytes elsewhere'
	@scripts/ensure-tools cargo cc git
	scripts/reproducible-test $(TARGET_DIR)/reproducible

# Where that Rust cannot be had, clippy's word has to do, which `make lint` hears: of what is newer, it knows the
# functions of the standard library.
OLDEST_RUST = $(shell scripts/version rust)
oldest-rust: ## compile with the oldest Rust that Cargo.toml allows, where it can be had
	$(STAGE) 'Rust $(OLDEST_RUST)'
	@if scripts/ensure-tools rust-oldest; then set -x; \
	    $(CARGO) +$(OLDEST_RUST) check $(CARGO_FLAGS) --target-dir $(TARGET_DIR)/oldest-rust && \
	    $(CARGO) +$(OLDEST_RUST) check $(CARGO_FLAGS) --target-dir $(TARGET_DIR)/oldest-rust --no-default-features; \
	else printf '\n== not compiled with Rust $(OLDEST_RUST), which cannot be had here ==\n'; fi

licences: ## write THIRD-PARTY.md anew, and let cargo-deny check licences, bans and sources
	$(STAGE) 'licences'
	@scripts/ensure-tools cargo python3 cargo-deny
	CARGO='$(CARGO)' $(PYTHON) scripts/licences write THIRD-PARTY.md
	$(CARGO) deny --locked check licenses bans sources

SBOM := packaging/libanwdl.cdx.json
sbom: ## write the bill of materials anew
	$(STAGE) 'bill of materials'
	@scripts/ensure-tools cargo python3 cargo-cyclonedx
	CARGO='$(CARGO)' $(PYTHON) scripts/sbom write $(SBOM)

test-licences:
	$(STAGE) 'list of licences, bill of materials'
	@scripts/ensure-tools cargo python3
	CARGO='$(CARGO)' $(PYTHON) scripts/licences check THIRD-PARTY.md
	CARGO='$(CARGO)' $(PYTHON) scripts/sbom check $(SBOM)

# Not for every change: it needs the network, and fails for what others find out.
advisories: ## download the advisory database of RustSec, and look for what is linked in it
	$(STAGE) 'advisories'
	@scripts/ensure-tools cargo git cargo-deny
	$(CARGO) deny --locked check advisories

# The header is looked at once more, as nothing in it may be undocumented.
docs: export ANWDL_DOCS_VERSION = $(shell scripts/version release)
docs: export ANWDL_DOCS_OUTPUT = $(DOCS_DIR)
docs: ## build the manual
	$(STAGE) 'manual'
	@scripts/ensure-tools doxygen
	@rm -rf $(DOCS_DIR) && mkdir -p $(DOCS_DIR)
	{ cat docs/Doxyfile; printf '%s\n' 'INPUT = include/anwdl.h' 'USE_MDFILE_AS_MAINPAGE =' 'HTML_OUTPUT = header' \
	  'WARN_IF_UNDOCUMENTED = YES' 'WARN_NO_PARAMDOC = YES'; } | doxygen -
	@rm -rf $(DOCS_DIR)/header
	doxygen docs/Doxyfile
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(CARGO_FLAGS) --no-deps --lib
	@printf '%s\n' "$(DOCS_DIR)/html/index.html" "$(TARGET_DIR)/doc/anwdl/index.html"

lint: lint-tools ## check the form of Rust and C
	$(STAGE) 'form of Rust'
	$(CARGO) fmt --all --check
	$(STAGE) 'clippy'
	$(CARGO) clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	$(STAGE) 'clippy, pure Rust'
	$(CARGO) clippy $(CARGO_FLAGS) --all-targets --no-default-features -- -D warnings
	$(STAGE) 'form of C'
	$(CLANG_FORMAT) --dry-run -Werror $(C_SOURCES)
	$(STAGE) 'controls'
	$(PYTHON) scripts/controls check

lint-tools: controls-tools
	$(STAGE) 'tools'
	@scripts/ensure-tools cargo rustfmt clippy cc clang-format

clean: ## remove everything that was made, except the header
	@case '$(CURDIR)/' in '$(TARGET_DIR)'/*|/*/../*) \
	    echo 'CARGO_TARGET_DIR is $(TARGET_DIR), which holds this folder too: remove what you want by hand' >&2; exit 1;; esac
	rm -rf -- '$(TARGET_DIR)'

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16
