#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/table_metadata.h"

/// \file
/// The JSON of the smaller parts of table metadata, which updates carry, too.

namespace lakehouse::iceberg::detail {

Result<StatisticsFile> statistics_file_from_json(const boost::json::value& value);
boost::json::object statistics_file_to_json(const StatisticsFile& file);
Result<PartitionStatisticsFile> partition_statistics_file_from_json(
    const boost::json::value& value);
boost::json::object partition_statistics_file_to_json(const PartitionStatisticsFile& file);
Result<EncryptedKey> encrypted_key_from_json(const boost::json::value& value);
boost::json::object encrypted_key_to_json(const EncryptedKey& key);

}  // namespace lakehouse::iceberg::detail
