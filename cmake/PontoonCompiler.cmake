# How every target of the house is compiled. One build folder per preset (CMakePresets.json).
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(PONTOON_SANITIZE "" CACHE STRING "Sanitizers to build with: empty, 'address;undefined', 'thread' or 'fuzzer'")

# Options structs are filled by designated initialisers; what is not named has its default.
add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers -fno-omit-frame-pointer -fdiagnostics-color=always)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety)
endif()
# Line tables cost little and make profiles and crash reports readable; full debug information only on demand.
add_compile_options(-g1)
# Some of the libraries ask for it and some do not; a precompiled header serves only targets that agree.
add_compile_options(-pthread)

if(PONTOON_SANITIZE STREQUAL "fuzzer")
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(PONTOON_SANITIZE)
  list(JOIN PONTOON_SANITIZE "," _sanitizers)
  add_compile_options(-fsanitize=${_sanitizers} -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 no longer sees through absl::InlinedVector once the sanitizers' checks stand in between.
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
  add_link_options(-fsanitize=${_sanitizers})
endif()

find_program(PONTOON_LLD ld.lld)
if(PONTOON_LLD)
  add_link_options(-fuse-ld=lld)
endif()

find_program(PONTOON_CCACHE ccache)
if(PONTOON_CCACHE)
  # Without these settings precompiled headers are never cached, and a clone in another folder misses every time.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${PONTOON_CCACHE})
endif()
