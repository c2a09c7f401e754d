# `make install` and its like. The Makefile names the places that people choose; these follow from them.

PREFIX       ?= $(prefix)
LIBDIR       ?= $(libdir)
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

.PHONY: install install-debug installcheck uninstall
