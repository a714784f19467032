# The parts of third_party/parts.toml as imported targets. They are fetched by scripts/fetch_parts.py.
set(LAKEHOUSE_PARTS ${PROJECT_SOURCE_DIR}/third_party/parts)
foreach(part duckdb/lib/libduckdb.so duckdb/include/duckdb.h arrow/lib/libarrow.so.2600
    llama/lib/libllama.v0.5.0.so llama/include/llama.h)
  if(NOT EXISTS ${LAKEHOUSE_PARTS}/${part})
    message(FATAL_ERROR "third_party/parts/${part} is missing: run ./run setup, which fetches it.")
  endif()
endforeach()

add_library(duckdb::duckdb SHARED IMPORTED)
set_target_properties(duckdb::duckdb PROPERTIES
  IMPORTED_LOCATION ${LAKEHOUSE_PARTS}/duckdb/lib/libduckdb.so
  IMPORTED_NO_SONAME TRUE
  INTERFACE_INCLUDE_DIRECTORIES ${LAKEHOUSE_PARTS}/duckdb/include)

add_library(arrow::arrow SHARED IMPORTED)
set_target_properties(arrow::arrow PROPERTIES
  IMPORTED_LOCATION ${LAKEHOUSE_PARTS}/arrow/lib/libarrow.so.2600
  IMPORTED_SONAME libarrow.so.2600
  INTERFACE_INCLUDE_DIRECTORIES ${LAKEHOUSE_PARTS}/arrow/include)

# ggml's libraries for single kinds of processors lie beside it, and are chosen from when the model child starts.
add_library(ggml::base SHARED IMPORTED)
set_target_properties(ggml::base PROPERTIES
  IMPORTED_LOCATION ${LAKEHOUSE_PARTS}/llama/lib/libggml-base.so
  IMPORTED_SONAME libggml-base.so
  INTERFACE_INCLUDE_DIRECTORIES ${LAKEHOUSE_PARTS}/llama/include)
add_library(ggml::ggml SHARED IMPORTED)
set_target_properties(ggml::ggml PROPERTIES
  IMPORTED_LOCATION ${LAKEHOUSE_PARTS}/llama/lib/libggml.v0.5.0.so
  IMPORTED_SONAME libggml.v0.5.0.so
  INTERFACE_LINK_LIBRARIES ggml::base)
add_library(llama::llama SHARED IMPORTED)
set_target_properties(llama::llama PROPERTIES
  IMPORTED_LOCATION ${LAKEHOUSE_PARTS}/llama/lib/libllama.v0.5.0.so
  IMPORTED_SONAME libllama.v0.5.0.so
  INTERFACE_LINK_LIBRARIES ggml::ggml)

add_library(openvino::openvino SHARED IMPORTED)
set_target_properties(openvino::openvino PROPERTIES
  IMPORTED_LOCATION ${LAKEHOUSE_PARTS}/openvino/lib/libopenvino.so.2641
  IMPORTED_SONAME libopenvino.so.2641
  INTERFACE_INCLUDE_DIRECTORIES ${LAKEHOUSE_PARTS}/openvino/include)

# RapidCheck's Debian package ships no usable CMake file.
find_library(RAPIDCHECK_LIBRARY rapidcheck)
find_path(RAPIDCHECK_INCLUDE rapidcheck.h)
if(RAPIDCHECK_LIBRARY)
  add_library(rapidcheck::rapidcheck UNKNOWN IMPORTED)
  set_target_properties(rapidcheck::rapidcheck PROPERTIES IMPORTED_LOCATION ${RAPIDCHECK_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${RAPIDCHECK_INCLUDE})
endif()
