# What `cmake --install` puts where. A job needs the executable and the headers, nothing else; `weir run`
# looks for the headers in ../include of the executable, and in the source tree around a build directory.
include(GNUInstallDirs)

install(TARGETS weir RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/weir" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")

set(weir_pc_dir "${CMAKE_INSTALL_DATAROOTDIR}/pkgconfig")
file(RELATIVE_PATH WEIR_PC_PREFIX "/prefix/${weir_pc_dir}" "/prefix")
string(REGEX REPLACE "/$" "" WEIR_PC_PREFIX "${WEIR_PC_PREFIX}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/weir.pc.in" "${CMAKE_BINARY_DIR}/weir.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/weir.pc" DESTINATION "${weir_pc_dir}")

install(FILES "${CMAKE_SOURCE_DIR}/README.md" "${CMAKE_SOURCE_DIR}/LICENSE"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/docs" "${CMAKE_SOURCE_DIR}/examples"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}" FILES_MATCHING PATTERN "*.md" PATTERN "*.c")
