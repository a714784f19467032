#pragma once

#include <cstdint>
#include <string>

#include <boost/json/object.hpp>

#include "cli/options.h"

namespace lakehouse::cli {

/// What `lakehouse ingest` does. Returns an exit code.
int run_ingest(const IngestOptions& options);

/// The dataset for a file that was not given one: "In/Call Log-2024.ndjson.gz" -> "call_log_2024".
[[nodiscard]] std::string dataset_of(const std::string& file);

/// The line for a loaded file: "a.csv -> main.a: 1,000 rows in 0.5 s (2,000 rows/s)".
[[nodiscard]] std::string describe_ingest(const std::string& file,
                                          const boost::json::object& answer, double elapsed_s);

}  // namespace lakehouse::cli
