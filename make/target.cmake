# For CMake, which system CARGO_BUILD_TARGET names: the Makefile passes this where that is another than this machine.
foreach(fact system compiler c++)
  execute_process(COMMAND "${CMAKE_CURRENT_LIST_DIR}/../scripts/target" ${fact} ERROR_VARIABLE COMPLAINT
                  OUTPUT_VARIABLE FACT_${fact} OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE STATUS)
  if(NOT STATUS EQUAL 0)
    if(NOT fact STREQUAL "c++")
      message(FATAL_ERROR "${COMPLAINT}")
    endif()
    # Whoever needs it is told, instead of getting this machine's.
    set(FACT_c++ "no-c++-compiler-for-$ENV{CARGO_BUILD_TARGET}")
  endif()
endforeach()
set(CMAKE_SYSTEM_NAME "${FACT_system}")
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "$ENV{CARGO_BUILD_TARGET}")
set(CMAKE_C_COMPILER "${FACT_compiler}")
set(CMAKE_CXX_COMPILER "${FACT_c++}")
