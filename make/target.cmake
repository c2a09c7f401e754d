# For CMake, which system CARGO_BUILD_TARGET names: the Makefile passes this where that is another than this machine.
foreach(fact system compiler c++)
  execute_process(COMMAND "${CMAKE_CURRENT_LIST_DIR}/../scripts/target" ${fact}
                  OUTPUT_VARIABLE FACT_${fact} OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE STATUS)
  if(NOT STATUS EQUAL 0)
    message(FATAL_ERROR "scripts/target knows no ${fact} for $ENV{CARGO_BUILD_TARGET}")
  endif()
endforeach()
set(CMAKE_SYSTEM_NAME "${FACT_system}")
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "$ENV{CARGO_BUILD_TARGET}")
set(CMAKE_C_COMPILER "${FACT_compiler}")
set(CMAKE_CXX_COMPILER "${FACT_c++}")
