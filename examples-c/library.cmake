# What every C project of this repository begins with: where the library is, as a target, and how strict
# the compiler is. They know the library only by its header and its shared object, as any other C program
# would.
get_filename_component(ANWDL_PROJECT_DIR "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set(ANWDL_INCLUDE_DIR "${ANWDL_PROJECT_DIR}/include" CACHE PATH "Where anwdl.h is")
set(ANWDL_LIBRARY "${ANWDL_PROJECT_DIR}/target/lib/libanwdl.so" CACHE FILEPATH
    "The library to link with: the shared one, or libanwdl.a, with which the programs are static")

if(NOT EXISTS "${ANWDL_INCLUDE_DIR}/anwdl.h")
  message(FATAL_ERROR "There is no anwdl.h in ${ANWDL_INCLUDE_DIR}. "
                      "Set ANWDL_INCLUDE_DIR, or make the header with: make header")
endif()
if(NOT EXISTS "${ANWDL_LIBRARY}")
  message(FATAL_ERROR "There is no library ${ANWDL_LIBRARY}. "
                      "Set ANWDL_LIBRARY, or build it with: make")
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
add_compile_options(-Wall -Wextra -Wpedantic -Werror)
find_package(Threads REQUIRED)

if(ANWDL_LIBRARY MATCHES "\\.a$")
  # What it needs besides is beside it, as `make` leaves it there.
  get_filename_component(ANWDL_LIBRARY_DIR "${ANWDL_LIBRARY}" DIRECTORY)
  file(STRINGS "${ANWDL_LIBRARY_DIR}/native-libraries" ANWDL_NATIVE_LIBRARIES)
  separate_arguments(ANWDL_NATIVE_LIBRARIES)
  add_library(anwdl STATIC IMPORTED)
  set_target_properties(anwdl PROPERTIES IMPORTED_LOCATION "${ANWDL_LIBRARY}"
                                         INTERFACE_INCLUDE_DIRECTORIES "${ANWDL_INCLUDE_DIR}"
                                         INTERFACE_LINK_LIBRARIES "${ANWDL_NATIVE_LIBRARIES}"
                                         INTERFACE_LINK_OPTIONS -static)
  return()
endif()
# The programs find the library where it was built, not where the system keeps its own.
execute_process(COMMAND "${ANWDL_PROJECT_DIR}/scripts/link-soname" "${ANWDL_LIBRARY}"
                RESULT_VARIABLE LINKED)
if(NOT LINKED EQUAL 0)
  message(FATAL_ERROR "${ANWDL_LIBRARY} cannot be found by its SONAME")
endif()
add_library(anwdl SHARED IMPORTED)
set_target_properties(anwdl PROPERTIES IMPORTED_LOCATION "${ANWDL_LIBRARY}"
                                       INTERFACE_INCLUDE_DIRECTORIES "${ANWDL_INCLUDE_DIR}")
