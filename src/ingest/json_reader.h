#pragma once

#include <memory>
#include <set>
#include <string>

#include "ingest/file_reader.h"

namespace lakehouse::ingest {

/// A JSON array of objects, NDJSON, or objects one after the other. Malformed lines of NDJSON are
/// bad rows; a malformed array is InvalidArgument, since nothing after the fault can be trusted.
std::unique_ptr<FileReader> make_json_reader(const Upload& upload, engine::Engine& engine,
                                             FileReader::Options options);

/// Copies the lines of NDJSON that are one object each, without a key twice, from `from` to `to`;
/// the rest are bad rows, written to `bad_path`.
Result<BadRows> separate_bad_lines(const std::string& from, const std::string& to,
                                   const std::string& bad_path);

/// The keys, of any level, that have a number with a fraction somewhere in the file.
Result<std::set<std::string, std::less<>>> keys_with_fractions(const std::string& path);

}  // namespace lakehouse::ingest
