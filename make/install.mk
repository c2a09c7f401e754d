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
# Make reads $HOME as $(H) and OME, and what it makes of that is another folder. In DESTDIR, which names no other variable,
# a dollar is itself; in the others, where $(prefix)/lib is usual, any but $(...) is refused.
$(foreach place,prefix exec_prefix libdir includedir datarootdir datadir docdir pkgconfigdir PREFIX LIBDIR INCLUDEDIR DOCDIR CMAKEDIR DEBUGDIR,\
    $(if $(findstring $$,$(subst $$$$,,$(subst $$$(OPEN),,$(subst $$$(BRACE),,$(value $(place)))))),\
        $(error $(place) has a dollar sign in it: write it twice ($(value $(place))))))
PLACES = DESTDIR=$(call quoted,$(value DESTDIR)) PREFIX=$(call quoted,$(PREFIX)) LIBDIR=$(call quoted,$(LIBDIR)) \
         INCLUDEDIR=$(call quoted,$(INCLUDEDIR)) DOCDIR=$(call quoted,$(DOCDIR)) PKGCONFIGDIR=$(call quoted,$(pkgconfigdir)) \
         CMAKEDIR=$(call quoted,$(CMAKEDIR)) DEBUGDIR=$(call quoted,$(DEBUGDIR))

# Whoever installs as root may have no cargo, having built as somebody else before: these build nothing, and write
# nothing below the build folder.
install: ## install the libraries, headers, anwdl.pc, the CMake package, manual and examples (DESTDIR, prefix, libdir, ...)
	$(STAGE) $(call quoted,install below $(value DESTDIR)$(PREFIX))
	$(PLACES) scripts/install $(LIBRARY_DIR)

install-debug: ## install the debugging information of the shared library, too
	$(PLACES) scripts/install $(LIBRARY_DIR) debug

installcheck: ## compile two examples with what is installed there, and let them talk to each other
	@scripts/ensure-tools cc pkg-config
	$(PLACES) scripts/installcheck

uninstall: ## remove what `make install` with the same variables installed
	$(PLACES) scripts/uninstall

.PHONY: install install-debug installcheck uninstall
