#pragma once

#include <memory>

#include "ingest/file_reader.h"

namespace lakehouse::ingest {

/// CSV in any dialect. Rows that cannot be read are bad rows. A column whose later values do not
/// fit what its first ones looked like is a misfit, also where DuckDB would round or cut them
/// silently: 1.5 in whole numbers, 12:00 in dates.
std::unique_ptr<FileReader> make_csv_reader(const Upload& upload, engine::Engine& engine,
                                            FileReader::Options options);

}  // namespace lakehouse::ingest
