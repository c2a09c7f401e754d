# find_package(anwdl CONFIG) makes two targets:
#   anwdl::anwdl   the shared library
#   anwdl::static  the static one, with all that it needs
# A target whose library is not installed is not made.

# Seen from this folder. Where nothing better is known, the library is looked for in the usual places.
set(_anwdl_libdirs "../../../lib/${CMAKE_LIBRARY_ARCHITECTURE}" ../../../lib ../../../lib64)
set(_anwdl_includedir ../../../include)

get_filename_component(_anwdl_includedir "${CMAKE_CURRENT_LIST_DIR}/${_anwdl_includedir}" ABSOLUTE)
unset(_anwdl_libdir)
foreach(_anwdl_candidate IN LISTS _anwdl_libdirs)
  get_filename_component(_anwdl_candidate "${CMAKE_CURRENT_LIST_DIR}/${_anwdl_candidate}" ABSOLUTE)
  if(NOT DEFINED _anwdl_libdir AND EXISTS "${_anwdl_candidate}/pkgconfig/anwdl.pc")
    set(_anwdl_libdir "${_anwdl_candidate}")
  endif()
endforeach()

if(NOT EXISTS "${_anwdl_includedir}/anwdl.h" OR NOT DEFINED _anwdl_libdir)
  set(anwdl_FOUND FALSE)
  set(anwdl_NOT_FOUND_MESSAGE "The installation of anwdl is not whole: ${_anwdl_includedir}/anwdl.h or \
pkgconfig/anwdl.pc is missing")
  return()
endif()

if(EXISTS "${_anwdl_libdir}/libanwdl.so" AND NOT TARGET anwdl::anwdl)
  add_library(anwdl::anwdl SHARED IMPORTED)
  set_target_properties(anwdl::anwdl PROPERTIES
    IMPORTED_LOCATION "${_anwdl_libdir}/libanwdl.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_anwdl_includedir}")
endif()

if(EXISTS "${_anwdl_libdir}/libanwdl.a" AND NOT TARGET anwdl::static)
  file(STRINGS "${_anwdl_libdir}/pkgconfig/anwdl.pc" _anwdl_private REGEX "^Libs.private:")
  string(REGEX REPLACE "^Libs.private: *" "" _anwdl_private "${_anwdl_private}")
  separate_arguments(_anwdl_private UNIX_COMMAND "${_anwdl_private}")
  add_library(anwdl::static STATIC IMPORTED)
  set_target_properties(anwdl::static PROPERTIES
    IMPORTED_LOCATION "${_anwdl_libdir}/libanwdl.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_anwdl_includedir}"
    INTERFACE_LINK_LIBRARIES "${_anwdl_private}")
  unset(_anwdl_private)
endif()

unset(_anwdl_libdirs)
unset(_anwdl_candidate)
unset(_anwdl_libdir)
unset(_anwdl_includedir)
