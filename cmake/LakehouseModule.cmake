# One module, one folder, one library. Links what DEPENDS names, and records it: the layering test
# (scripts/check_layers.py) reads the record, since CMake itself accepts cycles of static libraries.
#
#   lakehouse_module(storage DEPENDS base LINKS CURL::libcurl)
#
# A sub-folder named in EXCLUDE is built by the module's own CMakeLists.txt.
function(lakehouse_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINKS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "*.cc")
  list(FILTER sources EXCLUDE REGEX "/tests/|/testing/|_bench\\.cc$|_main\\.cc$")
  foreach(folder IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "/${name}/${folder}/")
  endforeach()

  add_library(${name} STATIC ${sources})
  add_library(lakehouse::${name} ALIAS ${name})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE lakehouse_options PUBLIC ${ARG_LINKS})
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(${name} PUBLIC lakehouse::${dependency})
  endforeach()

  string(JOIN " " dependencies ${ARG_DEPENDS})
  set_property(GLOBAL APPEND_STRING PROPERTY LAKEHOUSE_LAYERS "${name}: ${dependencies}\n")

  if(BUILD_TESTING)
    lakehouse_module_tests(${name})
  endif()
endfunction()

# Every *_test.cc of a module, and what its testing/ folder offers, goes into one executable; ctest
# runs each case by itself, labelled with the module, so `ctest -L storage` runs what one module has.
function(lakehouse_module_tests name)
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS "*_test.cc" "testing/*.cc")
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE lakehouse::${name} lakehouse_options GTest::gmock_main
      rapidcheck::rapidcheck)
    gtest_discover_tests(${name}_test TEST_PREFIX "${name}." NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60
      DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${name} ${LAKEHOUSE_TEST_PROPERTIES})
  endif()
endfunction()
