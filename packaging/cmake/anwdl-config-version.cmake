# The installed header states the version. A version that begins with 0 fits requests of the same MINOR,
# any other one requests of the same MAJOR.
set(_anwdl_includedir ../../../include)

set(PACKAGE_VERSION_COMPATIBLE FALSE)
set(PACKAGE_VERSION_EXACT FALSE)
file(STRINGS "${CMAKE_CURRENT_LIST_DIR}/${_anwdl_includedir}/anwdl.h" _anwdl_line
     REGEX "^#define ANWDL_VERSION \"" LIMIT_COUNT 1)
string(REGEX REPLACE ".*\"(.*)\"" "\\1" PACKAGE_VERSION "${_anwdl_line}")

# _anwdl_series(OUT VERSION): all that has to be the same.
macro(_anwdl_series out version)
  string(REGEX REPLACE "^0\\.([0-9]+).*" "0.\\1" ${out} "${version}")
  string(REGEX REPLACE "^([1-9][0-9]*).*" "\\1" ${out} "${${out}}")
endmacro()

_anwdl_series(_anwdl_series_here "${PACKAGE_VERSION}")
if(PACKAGE_FIND_VERSION_RANGE)
  # CMake 3.19 and up: find_package(anwdl 0.1...<0.3). The lower end is a request as any other; the upper end
  # is the word of whoever wrote it.
  set(_anwdl_wanted "${PACKAGE_FIND_VERSION_MIN}")
  if(PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "INCLUDE")
    if(PACKAGE_VERSION VERSION_LESS_EQUAL PACKAGE_FIND_VERSION_MAX
       AND PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION_MIN)
      set(PACKAGE_VERSION_COMPATIBLE TRUE)
    endif()
  elseif(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MAX
         AND PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION_MIN)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  endif()
else()
  # find_package(anwdl 0) asks for any version that begins with 0.
  _anwdl_series(_anwdl_series_wanted "${PACKAGE_FIND_VERSION}")
  if(PACKAGE_FIND_VERSION_COUNT EQUAL 1 AND PACKAGE_FIND_VERSION_MAJOR EQUAL 0
     AND PACKAGE_VERSION VERSION_LESS 1)
    set(_anwdl_series_wanted "${_anwdl_series_here}")
  endif()
  if(_anwdl_series_wanted STREQUAL _anwdl_series_here
     AND PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  endif()
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
