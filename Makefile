# `make help` lists all targets; the topics are in make/. Everything that is made goes below target/ (or
# CARGO_TARGET_DIR), except the header, which is committed.
#
#   make            the library                      make lint       the form of Rust and C
#   make check      what to run at each save         make docs       the manual
#   make test       the tests                        make install    what was built, below prefix
#   make demo       clients against a C server

# Where `make install` puts things, by GNU's names or by those in capitals; DESTDIR comes before all of it.
DESTDIR      ?=
prefix       ?= /usr/local
exec_prefix  ?= $(PREFIX)
libdir       ?= $(exec_prefix)/lib
includedir   ?= $(PREFIX)/include

# Tools, and where things are built: make/common.mk. What one topic can be told stands at the top of its file. What is
# set by ?= may come from the environment: places of `make install`, tools, and their flags. All else counts on the
# command line alone (:=), as others use names like VENV too, and a folder that make empties must not be theirs.
include make/common.mk
include $(filter-out make/common.mk,$(sort $(wildcard make/*.mk)))

# Some targets measure time, so that `make -j` is welcome and changes nothing: what may run at once is `side-by-side`.
ifdef AT_ONCE
# Cargo and CMake would ask for the jobs of this make, which are not theirs.
unexport MAKEFLAGS
else
.NOTPARALLEL:
endif
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all check test side-by-side demo clean help

all: library ## build the release library (the default)
	@printf '%s\n' $(call absolute,$(LIBRARY)) $(call absolute,$(LIBRARY:.so=.a)) $(call absolute,$(HEADER))

check: check-form check-rust check-c ## what to run at each save: form, clippy, unit tests, the quick C tests

# Optimizing the library's own crate takes longer than its tests lose without it.
test test-rust-long test-validator: export CARGO_FLAGS += --config profile.dev.package.libanwdl.opt-level=0
test: test-tools ## run the tests; .ci/run also has the longest, and those of what is handed out
	@$(MAKE) --no-print-directory side-by-side PARTS='$(TESTS)'
	@printf '\nall tests passed\n'

# Two at once keep two cores busy: builds end in a long link, and many tests wait. Each part prints when it has ended.
side-by-side: ## make the targets PARTS, which must not measure time, two at once
	@printf '\n== side by side: %s ==\n' '$(PARTS)'
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=recurse AT_ONCE=2 $(PARTS)

demo: demo-tools server venv ## run one client of each framing, and the C client, against a C server
	$(STAGE) 'demo'
	$(VENV)/bin/python $(INTEROP)/demo.py --client $(DEMO_BUILD)/client $(SERVER)

clean: ## remove everything that was made, except the header
	@! folder=$$(cd -- "$$CARGO_TARGET_DIR" 2>/dev/null && pwd -P) || case "$$(pwd -P)/" in "$${folder%/}"/*) \
	    echo 'CARGO_TARGET_DIR is $(TARGET_DIR), which holds this folder too: remove what you want by hand' >&2; exit 1;; esac
	rm -rf -- $(TARGET_DIR)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16
