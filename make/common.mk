# Where everything is, what all topics use, and which paths make can work in.

CARGO        ?= cargo
export CARGO
CARGO_FLAGS  ?= --locked
# Tests count instructions, and the parts of an incremental build aren't optimized together. `make check` asks for one.
export CARGO_INCREMENTAL ?= 0
PYTHON       ?= python3
CMAKE        ?= cmake
CTEST        ?= ctest
CLANG_FORMAT ?= clang-format
JOBS         ?= $(shell nproc 2>/dev/null || echo 1)

# Make takes a blank for the end of a name, and its recipes a quote or a dollar for something else. So names begin at
# this folder, and what it is itself called is said in the environment alone: of a program that wants a whole path,
# recipes write $(call absolute,NAME), unquoted.
export ANWDL_TOP := $(CURDIR)
absolute = $(if $(filter /%,$(1)),$(1),"$$ANWDL_TOP"/$(1))
# Any text as one word of a shell.
quoted = '$(subst ','\'',$(1))'

# Cargo has the same word in its environment, and all of its calls must agree on it. Below this folder it is a name
# as the others are, also where another make hands it down.
GIVEN_DIR := $(or $(subst |$(CURDIR)/,,|$(value CARGO_TARGET_DIR)),|)
GIVEN_DIR := $(if $(findstring |,$(GIVEN_DIR)),$(value CARGO_TARGET_DIR),$(GIVEN_DIR))

# Here CMake and cargo write elsewhere, or fail: the first takes most of these for its own signs, a comma ends a name for
# the linker, and a colon one in PATH. What CARGO_TARGET_DIR names besides must be a word of make's.
define NEWLINE


endef
OPEN := (
BRACE := {
TAB := $(shell printf '\t')
FOREIGN := " \ : ; | < > [ ] \# ,
ifneq ($(strip $(foreach sign,$(FOREIGN) $$$(OPEN) $$$(BRACE),$(findstring $(sign),$(CURDIR))))$(if $(findstring $(NEWLINE),$(CURDIR)),line)$(if $(findstring $(TAB),$(CURDIR)),tab),)
$(error the path of this folder has a tab, a line break or one of $(FOREIGN) $$$(OPEN) $$$(BRACE) in it, which CMake cannot build in: move it to a path without ($(CURDIR)))
endif
SPECIAL := ' ` $$ & ( ) * ? % $(FOREIGN)
ifneq ($(words [$(GIVEN_DIR)]),1)
$(error CARGO_TARGET_DIR has a blank in it: choose a path without ($(GIVEN_DIR)))
endif
ifneq ($(strip $(foreach sign,$(SPECIAL),$(findstring $(sign),$(GIVEN_DIR)))),)
$(error CARGO_TARGET_DIR has one of $(SPECIAL) in it: choose a path without ($(GIVEN_DIR)))
endif
TARGET_DIR := $(or $(GIVEN_DIR),target)
override CARGO_TARGET_DIR := $(if $(filter /%,$(TARGET_DIR)),$(TARGET_DIR),$(CURDIR)/$(TARGET_DIR))
export CARGO_TARGET_DIR

# The system to build for, as cargo calls it: `make TARGET=...`, or CARGO_BUILD_TARGET in the environment; TARGET in
# the environment may be meant for others. What is made for a named system goes below a folder of that name.
ifeq ($(origin TARGET),command line)
CARGO_BUILD_TARGET := $(TARGET)
endif
CMAKE_TARGET :=
ifneq ($(CARGO_BUILD_TARGET),)
export CARGO_BUILD_TARGET
export CARGO_TARGET_$(shell echo $(CARGO_BUILD_TARGET) | tr a-z- A-Z_)_LINKER := $(shell scripts/target linker)
CMAKE_TARGET := -DCMAKE_TOOLCHAIN_FILE=$(call absolute,make/target.cmake)
endif
BUILD_DIR    := $(TARGET_DIR)$(addprefix /,$(CARGO_BUILD_TARGET))
# Below each build folder of cargo.
RELEASE      := $(addsuffix /,$(CARGO_BUILD_TARGET))release

# What people link and install; in RELEASE is what cargo makes.
LIBRARY_DIR  := $(BUILD_DIR)/lib
LIBRARY      := $(LIBRARY_DIR)/libanwdl.so
NATIVE_LIBRARIES := $(LIBRARY_DIR)/native-libraries
PURE_DIR     := $(TARGET_DIR)/pure-rust
PURE_LIBRARY := $(PURE_DIR)/$(RELEASE)/libanwdl.so
HEADER       := include/anwdl.h

DEMO_BUILD   := $(BUILD_DIR)/examples-c
SERVER       := $(DEMO_BUILD)/anwdl_server
TEST_BUILD   := $(BUILD_DIR)/examples-c-tests
VENV         := $(TARGET_DIR)/venv
INTEROP      := tests/interop

# Whoever only builds and installs decides what else is installed; all other targets see to what they need.
USER_TARGETS := all library pure-library server install install-debug installcheck uninstall clean help
ifeq ($(filter-out $(USER_TARGETS),$(MAKECMDGOALS)),)
export ANWDL_INSTALL_TOOLS ?= no
else
# Release, tests and controls all compile the same C code of AWS-LC, and both libraries are tested with the same C programs:
# a compiler cache, where there is one, does each once. It is found by PATH, as cargo builds anew what gets another CC.
CACHED_COMPILERS := $(firstword $(wildcard /usr/lib/ccache/bin/cc /usr/lib64/ccache/cc /usr/lib/ccache/cc))
ifneq ($(CACHED_COMPILERS),)
export CCACHE_DIR ?= $(CARGO_TARGET_DIR)/ccache
export PATH := $(dir $(CACHED_COMPILERS)):$(PATH)
endif
endif

STAGE = @printf '\n== %s ==\n'
