# What `cmake --install build --prefix P` (./dev install P) puts where. Nothing installed knows P: the program and the library
# look for their helpers from where they are themselves, and pkg-config and CMake work the paths out the same way.
#
#   bin/fanmap                       the program
#   libexec/fanmap/                  fanmap-guardian, fanmap-supervisor, fanmap-host
#   lib/libfanmap.so                 the library, with its public symbols only
#   lib/pkgconfig/fanmap.pc          pkg-config --cflags --libs fanmap
#   lib/cmake/fanmap/                find_package(fanmap); target_link_libraries(... fanmap::fanmap)
#   include/fanmap/                  fanmap.h, admin.h, task.h
#   lib/fanmap/numbers.so            the example tasks
#   share/fanmap/python/, perl/      the task modules
#   share/doc/fanmap/                README.md with docs/, schemas/ and examples/ below it, so that their links hold
#   share/doc/fanmap/examples/       the examples, and files for /etc/fanmap
#   share/man/man1/                  fanmap.1 and a page a command
#   share/bash-completion/completions/, share/zsh/site-functions/, share/fish/vendor_completions.d/
#   lib/systemd/system/              fanmap-worker@.service, fanmap-aggregator.service, fanmap-serve.service
#   lib/sysusers.d/fanmap.conf       the user of the aggregator
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS fanmap_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS fanmap EXPORT fanmap LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/fanmap DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS task_numbers LIBRARY DESTINATION lib/fanmap)
install(FILES examples/python/fanmap_task.py DESTINATION ${CMAKE_INSTALL_DATADIR}/fanmap/python)
install(FILES examples/perl/FanmapTask.pm DESTINATION ${CMAKE_INSTALL_DATADIR}/fanmap/perl)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.png")
install(FILES README.md ARCHITECTURE.md CONTRIBUTING.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY schemas DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "README.md" PATTERN "golden/*.txt")
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} USE_SOURCE_PERMISSIONS
        PATTERN "__pycache__" EXCLUDE REGEX "/examples/CMakeLists.txt$" EXCLUDE)
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/bash-completion ${CMAKE_BINARY_DIR}/share/zsh ${CMAKE_BINARY_DIR}/share/fish
        DESTINATION ${CMAKE_INSTALL_DATADIR})
install(FILES deploy/systemd/fanmap.env DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES deploy/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME fanmap.conf)

# Where systemd would not find the program by its name the units name its path; the example names the library that is there.
# The headers stand where README.md looks for them.
install(CODE "
  set(units ${CMAKE_CURRENT_SOURCE_DIR}/deploy/systemd)
  set(docs ${CMAKE_INSTALL_DOCDIR})
  set(headers ${CMAKE_INSTALL_INCLUDEDIR})")
install(CODE [[
  set(to "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
  foreach(name lib/systemd/system/fanmap-worker@.service lib/systemd/system/fanmap-aggregator.service
               lib/systemd/system/fanmap-serve.service ${docs}/examples/worker-default.conf)
    get_filename_component(file ${name} NAME)
    file(READ ${units}/${file} text)
    string(REPLACE "/usr/local/lib/" "${CMAKE_INSTALL_PREFIX}/lib/" text "${text}")
    if(NOT CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
      string(REPLACE "ExecStart=fanmap " "ExecStart=${CMAKE_INSTALL_PREFIX}/bin/fanmap " text "${text}")
    endif()
    file(WRITE ${to}/${name} "${text}")
    message(STATUS "Installing: ${to}/${name}")
  endforeach()
  string(REGEX REPLACE "[^/]+" ".." up ${docs})
  file(CREATE_LINK ${up}/${headers} ${to}/${docs}/include SYMBOLIC)
]])

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/fanmap)
install(EXPORT fanmap NAMESPACE fanmap:: FILE fanmap-config.cmake DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/fanmap-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/fanmap-config-version.cmake DESTINATION ${package})

# From lib/pkgconfig up to the prefix; lib may be lib/x86_64-linux-gnu.
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
configure_file(cmake/fanmap.pc.in ${CMAKE_BINARY_DIR}/fanmap.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/fanmap.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
