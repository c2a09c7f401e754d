# `make help` lists all targets; the topics are in make/. Everything that is made goes below target/ (or
# CARGO_TARGET_DIR), except the header, which is committed.
#
#   make            the library                      make lint       the form of Rust and C
#   make demo       clients against a C server       make docs       the manual
#   make test       every test                       make install    what was built, below prefix

# Where `make install` puts things, by GNU's names or by those in capitals; DESTDIR comes before all of it.
DESTDIR      ?=
prefix       ?= /usr/local
exec_prefix  ?= $(PREFIX)
libdir       ?= $(exec_prefix)/lib
includedir   ?= $(PREFIX)/include

# Tools, and where things are built: make/common.mk. What one topic can be told stands at the top of its file.
include make/common.mk
include $(filter-out make/common.mk,$(sort $(wildcard make/*.mk)))

# Stages share cargo's locks and two cores; some of them measure time. `make -j` is welcome and changes nothing.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all demo test clean help

all: library ## build the release library (the default)
	@printf '%s\n' "$(LIBRARY)" "$(LIBRARY:.so=.a)" "$(abspath $(HEADER))"

demo: demo-tools server venv ## run one client of each framing, and the C client, against a C server
	$(STAGE) 'demo'
	$(VENV)/bin/python $(INTEROP)/demo.py --client $(DEMO_BUILD)/client $(SERVER)

test: test-paths test-tools test-library test-rust test-c test-c-pure-rust test-interop test-validator test-consumers ## run every test
	@printf '\nall tests passed\n'

clean: ## remove everything that was made, except the header
	@case '$(CURDIR)/' in '$(TARGET_DIR)'/*|/*/../*) \
	    echo 'CARGO_TARGET_DIR is $(TARGET_DIR), which holds this folder too: remove what you want by hand' >&2; exit 1;; esac
	rm -rf -- '$(TARGET_DIR)'

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16
