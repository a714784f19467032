#include "iceberg/detail/table_parts.h"

#include "base/json.h"
#include "iceberg/detail/json_members.h"
#include "iceberg/detail/properties.h"

namespace lakehouse::iceberg::detail {

namespace json = boost::json;

Result<StatisticsFile> statistics_file_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a statistics file"));
  StatisticsFile file;
  LH_ASSIGN_OR_RETURN(file.snapshot_id, fields.require_int64("snapshot-id"));
  LH_ASSIGN_OR_RETURN(file.statistics_path, fields.require_string("statistics-path"));
  LH_ASSIGN_OR_RETURN(file.file_size_in_bytes, fields.require_int64("file-size-in-bytes"));
  LH_ASSIGN_OR_RETURN(file.file_footer_size_in_bytes,
                      fields.require_int64("file-footer-size-in-bytes"));
  LH_ASSIGN_OR_RETURN(file.key_metadata, fields.optional_string("key-metadata"));
  LH_ASSIGN_OR_RETURN(const json::array* blobs, fields.require_array("blob-metadata"));
  file.blob_metadata = *blobs;
  file.unknown = fields.unknown();
  return file;
}

json::object statistics_file_to_json(const StatisticsFile& file) {
  json::object object;
  object.emplace("snapshot-id", file.snapshot_id);
  object.emplace("statistics-path", file.statistics_path);
  object.emplace("file-size-in-bytes", file.file_size_in_bytes);
  object.emplace("file-footer-size-in-bytes", file.file_footer_size_in_bytes);
  put_if(object, "key-metadata", file.key_metadata);
  object.emplace("blob-metadata", file.blob_metadata);
  add_unknown(object, file.unknown);
  return object;
}

Result<PartitionStatisticsFile> partition_statistics_file_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a partition statistics file"));
  PartitionStatisticsFile file;
  LH_ASSIGN_OR_RETURN(file.snapshot_id, fields.require_int64("snapshot-id"));
  LH_ASSIGN_OR_RETURN(file.statistics_path, fields.require_string("statistics-path"));
  LH_ASSIGN_OR_RETURN(file.file_size_in_bytes, fields.require_int64("file-size-in-bytes"));
  file.unknown = fields.unknown();
  return file;
}

json::object partition_statistics_file_to_json(const PartitionStatisticsFile& file) {
  json::object object;
  object.emplace("snapshot-id", file.snapshot_id);
  object.emplace("statistics-path", file.statistics_path);
  object.emplace("file-size-in-bytes", file.file_size_in_bytes);
  add_unknown(object, file.unknown);
  return object;
}

Result<EncryptedKey> encrypted_key_from_json(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "an encryption key"));
  EncryptedKey key;
  LH_ASSIGN_OR_RETURN(key.key_id, fields.require_string("key-id"));
  LH_ASSIGN_OR_RETURN(key.encrypted_key_metadata, fields.require_string("encrypted-key-metadata"));
  LH_ASSIGN_OR_RETURN(key.encrypted_by_id, fields.optional_string("encrypted-by-id"));
  LH_ASSIGN_OR_RETURN(key.properties, properties_of(fields, "properties"));
  key.unknown = fields.unknown();
  return key;
}

json::object encrypted_key_to_json(const EncryptedKey& key) {
  json::object object;
  object.emplace("key-id", key.key_id);
  object.emplace("encrypted-key-metadata", key.encrypted_key_metadata);
  put_if(object, "encrypted-by-id", key.encrypted_by_id);
  if (!key.properties.empty()) {
    object.emplace("properties", properties_to_json(key.properties));
  }
  add_unknown(object, key.unknown);
  return object;
}

}  // namespace lakehouse::iceberg::detail
