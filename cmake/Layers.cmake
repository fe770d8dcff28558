# fanmap_layer(NAME [CHECKED] [FOLDER ...] DEPENDS ...): one static library from every .c file in a folder, this one if none is
# named.
# DEPENDS names the layers and libraries below it; tests/unit/includes checks that nothing else is included.
#
# CHECKED: the layer is there a second time, as fanmap_NAME_checked, with the invariants (base/invariant.h) compiled in. The
# simulation and the unit tests are linked with those and name them before every other layer, so that the linker finds them
# first; what is installed is built without. So one build folder has both, and the release that is tested is the one installed.
set(FANMAP_WARNINGS
    -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
    -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough)
option(FANMAP_WERROR "warnings are errors" ON)
if(FANMAP_WERROR)
  list(APPEND FANMAP_WARNINGS -Werror)
endif()

function(fanmap_flags target)
  target_compile_options(${target} PRIVATE ${FANMAP_WARNINGS})
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE $<$<CONFIG:Debug>:FANMAP_INVARIANTS>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
endfunction()

function(fanmap_layer name)
  cmake_parse_arguments(ARG "CHECKED" "FOLDER" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_FOLDER}/*.c)
  add_library(fanmap_${name} STATIC ${sources})
  fanmap_flags(fanmap_${name})
  target_link_libraries(fanmap_${name} PUBLIC ${ARG_DEPENDS})
  if(ARG_CHECKED)
    add_library(fanmap_${name}_checked STATIC EXCLUDE_FROM_ALL ${sources})
    fanmap_flags(fanmap_${name}_checked)
    target_compile_definitions(fanmap_${name}_checked PRIVATE FANMAP_INVARIANTS)
    target_link_libraries(fanmap_${name}_checked PUBLIC fanmap_${name})
  endif()
endfunction()
