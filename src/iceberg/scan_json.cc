#include "iceberg/scan_json.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::iceberg {
namespace {

namespace json = boost::json;

/// Writes one object's members.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) { out_ += '{'; }
  void end() { out_ += '}'; }

  template <class Int>
  void number(std::string_view name, Int value) {
    key(name);
    append(value);
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    const bool plain = std::ranges::all_of(
        value, [](char c) { return c >= ' ' && c != '"' && c != '\\' && c <= '~'; });
    if (plain) {
      out_ += '"';
      out_ += value;
      out_ += '"';
    } else {
      out_ += to_json(json::value(as_utf8(value)));
    }
  }
  void raw(std::string_view name, std::string_view value) {
    key(name);
    out_ += value;
  }
  void hex(std::string_view name, std::string_view bytes) {
    key(name);
    append_hex(bytes);
  }
  template <class Items, class Each>
  void array(std::string_view name, const Items& items, const Each& each) {
    key(name);
    list(items, each);
  }
  template <class Int>
  void numbers(std::string_view name, const std::vector<Int>& items) {
    if (!items.empty()) {
      array(name, items, [&](Int item) { append(item); });
    }
  }
  /// Two lists of the same length: ids, and what each has.
  template <class V, class Each>
  void map(std::string_view name, const std::vector<std::pair<std::int32_t, const V*>>& items,
           const Each& each) {
    if (items.empty()) {
      return;
    }
    key(name);
    out_ += R"({"keys":)";
    list(items, [&](const auto& item) { append(item.first); });
    out_ += R"(,"values":)";
    list(items, [&](const auto& item) { each(*item.second); });
    out_ += '}';
  }

  template <class Int>
  void append(Int value) {
    fmt::format_to(std::back_inserter(out_), FMT_STRING("{}"), value);
  }
  void append_hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    out_ += '"';
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      out_ += kDigits[byte >> 4U];
      out_ += kDigits[byte & 0xFU];
    }
    out_ += '"';
  }

 private:
  void key(std::string_view name) {
    out_ += is_first_ ? "\"" : ",\"";
    is_first_ = false;
    out_ += name;
    out_ += "\":";
  }
  template <class Items, class Each>
  void list(const Items& items, const Each& each) {
    out_ += '[';
    bool is_first = true;
    for (const auto& item : items) {
      if (!is_first) {
        out_ += ',';
      }
      is_first = false;
      each(item);
    }
    out_ += ']';
  }

  std::string& out_;
  bool is_first_ = true;
};

std::string_view name_of(FileContent content) {
  switch (content) {
    case FileContent::Data: return "data";
    case FileContent::PositionDeletes: return "position-deletes";
    case FileContent::EqualityDeletes: return "equality-deletes";
  }
  return "data";
}

std::string_view name_of(FileFormat format) {
  switch (format) {
    case FileFormat::Avro: return "avro";
    case FileFormat::Orc: return "orc";
    case FileFormat::Parquet: return "parquet";
    case FileFormat::Puffin: return "puffin";
  }
  return "parquet";
}

class Writer {
 public:
  Writer(std::string& out, std::span<const std::int32_t> stats) : out_(out), stats_(stats) {}

  void file(const DataFile& file, std::int64_t sequence_number) {
    Members members(out_);
    members.number("spec-id", file.spec_id);
    members.text("content", name_of(file.content));
    members.text("file-path", file.file_path);
    members.text("file-format", name_of(file.file_format));
    members.array("partition", file.partition, [&](const std::optional<Literal>& value) {
      out_ += value ? to_json(literal_to_json(*value)) : "null";
    });
    members.number("file-size-in-bytes", file.file_size_in_bytes);
    members.number("record-count", file.record_count);
    if (file.content == FileContent::Data && !stats_.empty()) {
      metrics(members, file);
    }
    if (file.key_metadata) {
      members.hex("key-metadata", *file.key_metadata);
    }
    members.numbers("split-offsets", file.split_offsets);
    members.numbers("equality-ids", file.equality_ids);
    if (file.sort_order_id) {
      members.number("sort-order-id", *file.sort_order_id);
    }
    if (file.first_row_id) {
      members.number("first-row-id", *file.first_row_id);
      members.number("data-sequence-number", sequence_number);
    }
    if (file.referenced_data_file) {
      members.text("referenced-data-file", *file.referenced_data_file);
    }
    if (file.content_offset) {
      members.number("content-offset", *file.content_offset);
    }
    if (file.content_size_in_bytes) {
      members.number("content-size-in-bytes", *file.content_size_in_bytes);
    }
    members.end();
  }

 private:
  template <class V>
  std::vector<std::pair<std::int32_t, const V*>> wanted(const ById<V>& values) const {
    std::vector<std::pair<std::int32_t, const V*>> out;
    for (const std::int32_t id : stats_) {
      if (const V* value = values.find(id)) {
        out.emplace_back(id, value);
      }
    }
    return out;
  }

  void metrics(Members& members, const DataFile& file) const {
    const auto count = [&](std::int64_t value) { members.append(value); };
    const auto bytes = [&](const std::string& value) { members.append_hex(value); };
    members.map("column-sizes", wanted(file.column_sizes), count);
    members.map("value-counts", wanted(file.value_counts), count);
    members.map("null-value-counts", wanted(file.null_value_counts), count);
    members.map("nan-value-counts", wanted(file.nan_value_counts), count);
    members.map("lower-bounds", wanted(file.lower_bounds), bytes);
    members.map("upper-bounds", wanted(file.upper_bounds), bytes);
  }

  std::string& out_;
  std::span<const std::int32_t> stats_;
};

}  // namespace

void append_scan_tasks(std::string& out, const ScanPlan& plan, const Filter& filter,
                       const Schema& schema, std::span<const std::int32_t> stats) {
  Writer writer(out, stats);
  const std::string whole = to_json(expression_to_json(filter, schema));
  std::vector<const AttachedDelete*> deletes;
  std::unordered_map<const DataFile*, std::size_t> places;
  out += R"("file-scan-tasks":[)";
  for (const ScanTask& task : plan.tasks) {
    out += &task == plan.tasks.data() ? R"({"data-file":)" : R"(,{"data-file":)";
    writer.file(*task.file, task.sequence_number);
    if (!task.deletes.empty()) {
      out += R"(,"delete-file-references":[)";
      for (const AttachedDelete& each : task.deletes) {
        const auto [at, is_new] = places.emplace(each.file.get(), deletes.size());
        if (is_new) {
          deletes.push_back(&each);
        }
        fmt::format_to(std::back_inserter(out), FMT_STRING("{}{}"),
                       &each == task.deletes.data() ? "" : ",", at->second);
      }
      out += ']';
    }
    out += R"(,"residual-filter":)";
    out += task.residual ? to_json(expression_to_json(*task.residual, schema)) : whole;
    out += '}';
  }
  out += ']';
  if (!deletes.empty()) {
    out += R"(,"delete-files":[)";
    for (std::size_t i = 0; i < deletes.size(); ++i) {
      out += i == 0 ? "" : ",";
      writer.file(*deletes[i]->file, deletes[i]->sequence_number);
    }
    out += ']';
  }
}

}  // namespace lakehouse::iceberg
