#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "iceberg/schema.h"

/// \file
/// Avro object container files, as far as Iceberg's metadata needs them. Sources: the Avro 1.12
/// specification, and the Iceberg table spec's appendix A. What is read may be hostile: every
/// defect is DataLoss, and memory stays within `ReadLimits`.

namespace lakehouse::iceberg::avro {

enum class Kind : std::uint8_t {
  Null,
  Boolean,
  Int,
  Long,
  Float,
  Double,
  Bytes,
  String,
  Fixed,
  Enum,
  Record,
  Array,
  Map,
  Union
};

struct Schema;
using SchemaPtr = std::shared_ptr<const Schema>;

inline constexpr std::int32_t kNoId = -1;

struct Field {
  std::string name;
  std::int32_t id = kNoId;  ///< "field-id".
  SchemaPtr schema;
};

/// A schema with its names resolved: never null inside, never recursive. Immutable.
struct Schema {
  Kind kind = Kind::Null;
  std::string name;                   ///< Records, enums, fixed.
  std::size_t size = 0;               ///< Fixed, in bytes.
  std::string logical_type;           ///< "map", "decimal", ...; empty if none.
  std::vector<Field> fields;          ///< Record.
  std::vector<SchemaPtr> branches;    ///< Union.
  std::vector<std::string> symbols;   ///< Enum.
  SchemaPtr element;                  ///< Array: the items. Map: the values.
  std::int32_t element_id = kNoId;    ///< Array.
  std::int32_t key_id = kNoId;        ///< Map.
  std::int32_t value_id = kNoId;      ///< Map.
  boost::json::object attributes;     ///< The rest: "precision", "adjust-to-utc", ...
  std::size_t encoded_bytes_min = 0;  ///< 0 only if a value never takes a byte.
  int depth = 1;
};

/// DataLoss if `text` is no Avro schema, holds a type within itself, or is nested too deep.
Result<SchemaPtr> parse_schema(std::string_view text);

/// The Avro schema, as JSON, of an Iceberg struct (appendix A): field ids as "field-id" and so on,
/// maps with keys other than strings as arrays of pairs, optional fields as unions with null. Names
/// that Avro does not allow are replaced and kept in "iceberg-field-name".
boost::json::object schema_of(const Type& record, std::string_view name);

/// Reads values one after the other. After the first defect every read gives nothing, and `status`
/// says what it was: callers ask once per record. Views live as long as the bytes.
///
/// The `read_...` take the writer's schema, see through unions with null, and give nothing for
/// null. A schema of another kind than wanted is a defect.
class Decoder {
 public:
  Decoder() = default;
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return error_.empty(); }
  [[nodiscard]] Status status() const;
  [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }
  void fail(std::string_view what);

  std::int64_t varint();  ///< A zig-zag number.
  std::string_view raw(std::size_t count_bytes);
  std::string_view length_and_bytes();

  std::optional<bool> read_boolean(const Schema& schema);
  std::optional<std::int64_t> read_long(const Schema& schema);       ///< Int or long.
  std::optional<std::int32_t> read_int(const Schema& schema);        ///< The same; it must fit.
  std::optional<double> read_double(const Schema& schema);           ///< Float or double.
  std::optional<std::string_view> read_bytes(const Schema& schema);  ///< String, bytes or fixed.

  /// Calls `field(Field)` for each field, which must read or skip it. False if null.
  template <class F>
  bool read_record(const Schema& schema, F&& field) {
    const Schema* record = resolve(schema, Kind::Record);
    if (record == nullptr) {
      return false;
    }
    for (const Field& each : record->fields) {
      field(each);
      if (!ok()) {
        return false;
      }
    }
    return true;
  }

  /// Calls `element(Schema)` for each element, which must read it. False if null.
  template <class F>
  bool read_array(const Schema& schema, F&& element) {
    const Schema* array = resolve(schema, Kind::Array);
    if (array == nullptr) {
      return false;
    }
    for (std::size_t count = block_count(*array->element); count > 0;
         count = block_count(*array->element)) {
      for (; count > 0 && ok(); --count) {
        element(*array->element);
      }
    }
    return ok();
  }

  /// Calls `pair(key schema, value schema)` for each pair of a map that is written as an array
  /// (logical type "map"); it must read both. False if null.
  template <class F>
  bool read_pairs(const Schema& schema, F&& pair) {
    return read_array(schema, [&](const Schema& element) {
      if (element.kind != Kind::Record || element.fields.size() != 2) {
        fail("a map is not an array of pairs");
        return;
      }
      pair(*element.fields[0].schema, *element.fields[1].schema);
    });
  }

  void skip(const Schema& schema);

 private:
  /// The branch of a union, or the schema itself; null if the value is null, or is of another kind.
  const Schema* resolve(const Schema& schema, Kind kind);
  const Schema* branch(const Schema& schema);
  /// How many elements the next block of an array or a map has, checked against what is left.
  std::size_t block_count(const Schema& element, std::size_t more_bytes_min = 0);
  void skip_blocks(const Schema& element, bool is_map);

  std::string_view rest_;
  std::string error_;
};

/// What a file may cost at most. A block holds records; writers make it some 64 KB, or one record.
struct ReadLimits {
  std::size_t block_bytes_max = std::size_t{32} << 20U;   ///< Uncompressed.
  std::size_t total_bytes_max = std::size_t{512} << 20U;  ///< Uncompressed, of all blocks.
  std::size_t record_count_max = 2'000'000;
};

/// Reads the records of a container file: codecs null, deflate, zstandard and snappy.
/// Not thread-safe; the file's bytes must outlive it.
class Reader {
 public:
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  static Result<std::unique_ptr<Reader>> open(std::span<const std::byte> file,
                                              const ReadLimits& limits = {});

  [[nodiscard]] const Schema& schema() const { return *schema_; }
  /// An entry of the file's header such as "partition-spec-id", or null.
  [[nodiscard]] const std::string* metadata(std::string_view name) const;

  /// True if there is another record, which `decoder` then stands before. The one before it must
  /// have been read to its end.
  Result<bool> next();
  Decoder& decoder() { return decoder_; }

 private:
  enum class Codec : std::uint8_t { Null, Deflate, Zstandard, Snappy };

  Reader() = default;
  Status read_header();
  Status next_block();
  Result<std::string> unpack_block(std::string_view stored, std::size_t bytes_max) const;

  ReadLimits limits_;
  Decoder file_;
  std::map<std::string, std::string, std::less<>> metadata_;
  SchemaPtr schema_;
  Codec codec_ = Codec::Null;
  std::string sync_;
  std::string block_;
  Decoder decoder_;
  std::size_t records_left_ = 0;
  std::size_t record_count_ = 0;
  std::size_t total_bytes_ = 0;
};

/// Writes values one after the other.
class Encoder {
 public:
  void put_boolean(bool value) { bytes_.push_back(value ? '\1' : '\0'); }
  void put_long(std::int64_t value);
  void put_float(float value);
  void put_double(double value);
  void put_bytes(std::string_view value);  ///< With its length: bytes and strings.
  void put_raw(std::string_view value) { bytes_.append(value); }
  /// Before a value of a union [null, T]; the value follows if there is one.
  void put_present(bool present) { put_long(present ? 1 : 0); }
  /// Before and after the elements of an array or a map.
  void begin_array(std::size_t count) {
    if (count > 0) {
      put_long(static_cast<std::int64_t>(count));
    }
  }
  void end_array() { put_long(0); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  std::string bytes_;
};

enum class WriteCodec : std::uint8_t { Null, Deflate, Zstandard };

/// Makes a container file in memory. Not thread-safe.
class Writer {
 public:
  Writer(const boost::json::object& schema,
         const std::map<std::string, std::string, std::less<>>& metadata,
         WriteCodec codec = WriteCodec::Deflate);

  /// Put one record's values into it, then call `end_record`.
  Encoder& record() { return encoder_; }
  Status end_record();
  /// The file so far, without what the unfinished block will be compressed to.
  [[nodiscard]] std::size_t size_bytes() const { return file_.size() + encoder_.bytes().size(); }
  Result<std::vector<std::byte>> finish();

 private:
  Status flush();

  WriteCodec codec_;
  std::string sync_;
  std::string file_;
  Encoder encoder_;
  std::size_t block_records_ = 0;
};

}  // namespace lakehouse::iceberg::avro
