# `make install` and its like. The Makefile names the places that people choose; these follow from them.

# $(call either,PREFIX,prefix): PREFIX ?= $(prefix), unless the first is in the environment, and the second on the command
# line, which counts for more.
either = $(1) $(if $(and $(findstring environment,$(origin $(1))),$(findstring command line,$(origin $(2)))),,?)= $$($(2))
$(eval $(call either,PREFIX,prefix))
$(eval $(call either,LIBDIR,libdir))
$(eval $(call either,INCLUDEDIR,includedir))
datarootdir  ?= $(PREFIX)/share
datadir      ?= $(datarootdir)
docdir       ?= $(datarootdir)/doc/libanwdl
$(eval $(call either,DOCDIR,docdir))
pkgconfigdir ?= $(LIBDIR)/pkgconfig
$(eval $(call either,PKGCONFIGDIR,pkgconfigdir))
cmakedir     ?= $(datadir)/cmake/anwdl
$(eval $(call either,CMAKEDIR,cmakedir))
# Debuggers look there, too.
debugdir     ?= $(LIBDIR)/.debug
$(eval $(call either,DEBUGDIR,debugdir))
# Macros of packagers give all of GNU's names at once, so these are taken although there is nothing to install there.
EMPTY_PLACES := bindir sbindir libexecdir sysconfdir sharedstatedir localstatedir runstatedir localedir lispdir infodir man%dir \
                htmldir dvidir pdfdir psdir
# Whoever gives another name, or a wrong one, would find everything elsewhere than it was to be: make would say nothing.
GIVEN_PLACES  = $(foreach name,$(filter %dir,$(.VARIABLES)),$(if $(findstring command line,$(origin $(name))),$(name)))
KNOWN_PLACES := libdir includedir datarootdir datadir docdir pkgconfigdir cmakedir debugdir
ifneq ($(filter install install-debug installcheck uninstall,$(MAKECMDGOALS)),)
UNKNOWN_PLACES := $(sort $(filter-out $(KNOWN_PLACES) $(EMPTY_PLACES),$(GIVEN_PLACES)))
ifneq ($(UNKNOWN_PLACES),)
$(error nothing can be installed by the name of $(UNKNOWN_PLACES): docs/packaging.md has the names of the folders)
endif
UNUSED_PLACES := $(sort $(filter $(EMPTY_PLACES),$(GIVEN_PLACES)))
ifneq ($(UNUSED_PLACES),)
$(info nothing is installed in $(UNUSED_PLACES): libanwdl has no such files)
endif
endif
# Make reads $HOME as $(H) and OME, and what it makes of that is another folder. In DESTDIR, which names no other variable,
# a dollar is itself; in the others, where $(prefix)/lib is usual, any but $(...) is refused.
$(foreach place,prefix exec_prefix libdir includedir datarootdir datadir docdir pkgconfigdir cmakedir debugdir \
    PREFIX LIBDIR INCLUDEDIR DOCDIR PKGCONFIGDIR CMAKEDIR DEBUGDIR,\
    $(if $(findstring $$,$(subst $$$$,,$(subst $$$(OPEN),,$(subst $$$(BRACE),,$(value $(place)))))),\
        $(error $(place) has a dollar sign in it: write it twice ($(value $(place))))))
PLACES = DESTDIR=$(call quoted,$(value DESTDIR)) PREFIX=$(call quoted,$(PREFIX)) LIBDIR=$(call quoted,$(LIBDIR)) \
         INCLUDEDIR=$(call quoted,$(INCLUDEDIR)) DOCDIR=$(call quoted,$(DOCDIR)) PKGCONFIGDIR=$(call quoted,$(PKGCONFIGDIR)) \
         CMAKEDIR=$(call quoted,$(CMAKEDIR)) DEBUGDIR=$(call quoted,$(DEBUGDIR))

# Whoever installs as root may have no cargo, having built as somebody else before: these build nothing, and write
# nothing below the build folder.
install: ## install the libraries, headers, anwdl.pc, the CMake package, manual and examples (DESTDIR, prefix, libdir, ...)
	$(STAGE) $(call quoted,install below $(value DESTDIR)$(PREFIX))
	$(PLACES) scripts/install $(LIBRARY_DIR)

install-debug: ## install the debugging information of the shared library, too
	$(PLACES) scripts/install $(LIBRARY_DIR) debug

installcheck: ## compile two examples against what is installed, and run them against each other
	@scripts/ensure-tools cc pkg-config
	$(PLACES) scripts/installcheck

uninstall: ## remove what `make install` with the same variables installed
	$(PLACES) scripts/uninstall

.PHONY: install install-debug installcheck uninstall
