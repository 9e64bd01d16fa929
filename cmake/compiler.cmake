# One compiler, one dialect: see docs/decisions/0001-compiler.md.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "Flashstor needs clang 19 (g++ 12 miscompiles coroutines); use the presets")
endif()
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths relative to the checkout, so that another clone on the same machine finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
    CCACHE_MAXSIZE=10G "${CCACHE}")
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -D_FORTIFY_SOURCE=3")
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1 -DFLASHSTOR_DEBUG=1")

add_compile_options(-Wall -Wextra -Werror -Wno-missing-designated-field-initializers -march=x86-64-v2
  -fstack-protector-strong -fcf-protection=full -fno-omit-frame-pointer)
add_link_options(-fuse-ld=lld -Wl,-z,relro,-z,now,-z,shstk)
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
if(FLASHSTOR_SANITIZE)
  add_compile_options(-fsanitize=${FLASHSTOR_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FLASHSTOR_SANITIZE})
endif()
if(FLASHSTOR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
