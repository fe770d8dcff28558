# What `cmake --install build --prefix P` (./dev install P) puts where. Nothing installed knows P: the program and the library
# look for their helpers from where they are themselves, and pkg-config and CMake work the paths out the same way.
#
#   bin/fanmap                       the program
#   libexec/fanmap/                  fanmap-guardian, fanmap-supervisor, fanmap-host
#   lib/libfanmap.so                 the library, with its public symbols only
#   lib/pkgconfig/fanmap.pc          pkg-config --cflags --libs fanmap
#   lib/cmake/fanmap/                find_package(fanmap); target_link_libraries(... fanmap::fanmap)
#   include/fanmap/                  fanmap.h, admin.h, task.h
#   share/doc/fanmap/                the pages of docs/, README.md
#   share/doc/fanmap/examples/       files for /etc/fanmap
#   share/man/man1/                  fanmap.1 and a page a command
#   share/bash-completion/completions/, share/zsh/site-functions/, share/fish/vendor_completions.d/
#   lib/systemd/system/              fanmap-worker@.service, fanmap-aggregator.service
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS fanmap_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS fanmap EXPORT fanmap LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/fanmap DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/bash-completion ${CMAKE_BINARY_DIR}/share/zsh ${CMAKE_BINARY_DIR}/share/fish
        DESTINATION ${CMAKE_INSTALL_DATADIR})
install(FILES deploy/systemd/fanmap-worker@.service deploy/systemd/fanmap-aggregator.service
        DESTINATION lib/systemd/system)
install(FILES deploy/systemd/fanmap.env deploy/systemd/worker-default.conf
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/fanmap)
install(EXPORT fanmap NAMESPACE fanmap:: FILE fanmap-config.cmake DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/fanmap-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/fanmap-config-version.cmake DESTINATION ${package})

# From lib/pkgconfig up to the prefix; lib may be lib/x86_64-linux-gnu.
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
configure_file(cmake/fanmap.pc.in ${CMAKE_BINARY_DIR}/fanmap.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/fanmap.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(PROGRAMS examples/containers/crun-run DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
