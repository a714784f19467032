#include "query/parquet_stats.h"

#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "iceberg/literal.h"

namespace lakehouse::query {

namespace {

namespace json = boost::json;
using iceberg::DataFile;
using iceberg::Literal;
using iceberg::NestedField;
using iceberg::TypeKind;

using TextMap = std::map<std::string, std::optional<std::string>, std::less<>>;

std::optional<std::string> cell_text(const json::value& value) {
  if (value.is_null()) {
    return std::nullopt;
  }
  if (const json::string* text = value.if_string()) {
    return std::string(*text);
  }
  return json::serialize(value);
}

/// A MAP cell: an object, or pairs of "key" and "value".
template <class Each>
void each_entry(const json::value& map, const Each& each) {
  if (const json::object* object = map.if_object()) {
    for (const json::key_value_pair& member : *object) {
      each(std::string_view(member.key()), member.value());
    }
  } else if (const json::array* pairs = map.if_array()) {
    for (const json::value& pair : *pairs) {
      const json::object* entry = pair.if_object();
      if (entry != nullptr && entry->contains("key") && entry->at("key").is_string()) {
        const json::value* value = entry->if_contains("value");
        each(std::string_view(entry->at("key").get_string()),
             value == nullptr ? json::value() : *value);
      }
    }
  }
}

TextMap text_map(const json::value& map) {
  TextMap out;
  each_entry(map, [&out](std::string_view key, const json::value& value) {
    out.emplace(std::string(key), cell_text(value));
  });
  return out;
}

std::optional<std::int64_t> number(const TextMap& stats, std::string_view name) {
  const auto found = stats.find(name);
  if (found == stats.end() || !found->second) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const std::string& text = *found->second;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

/// The names in "a"."b ""c""".
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < path.size();) {
    if (path[at] != '"') {
      const std::size_t dot = std::min(path.find('.', at), path.size());
      names.emplace_back(path.substr(at, dot - at));
      at = dot + 1;
      continue;
    }
    std::string name;
    for (++at; at < path.size(); ++at) {
      if (path[at] == '"' && (at + 1 == path.size() || path[at + 1] != '"')) {
        break;
      }
      at += path[at] == '"' ? 1U : 0U;
      name += path[at];
    }
    names.push_back(std::move(name));
    at += 2;
  }
  return names;
}

struct Leaf {
  const NestedField* field = nullptr;
  bool repeated = false;  ///< In a list or a map.
  bool required = false;  ///< It and all that hold it.
};

Leaf find_leaf(const iceberg::Schema& schema, const std::vector<std::string>& path) {
  Leaf leaf;
  leaf.required = true;
  const std::vector<NestedField>* fields = &schema.fields;
  for (const std::string& name : path) {
    leaf.field = nullptr;
    for (const NestedField& field : *fields) {
      if (field.name == name) {
        leaf.field = &field;
        break;
      }
    }
    if (leaf.field == nullptr) {
      return {};
    }
    const TypeKind kind = leaf.field->type->kind;
    leaf.repeated = leaf.repeated || kind == TypeKind::List || kind == TypeKind::Map;
    leaf.required = leaf.required && leaf.field->required;
    fields = &leaf.field->type->fields;
  }
  return leaf;
}

std::optional<std::string> from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned byte = 0;
    const char* begin = text.data() + i;
    if (std::from_chars(begin, begin + 2, byte, 16).ptr != begin + 2) {
      return std::nullopt;
    }
    bytes += static_cast<char>(byte);
  }
  return text.size() % 2 == 0 ? std::optional(std::move(bytes)) : std::nullopt;
}

/// What the statistics of COPY hold, which differs from a cast to VARCHAR in these.
std::optional<Literal> read_bound(const iceberg::Type& type, const std::string& text) {
  if (type.kind == TypeKind::Boolean) {
    return Literal::of_bool(text == "1" || text == "true");
  }
  if (type.kind == TypeKind::Binary) {
    std::optional<std::string> bytes = from_hex(text);
    return bytes ? std::optional(Literal::of_binary(*std::move(bytes))) : std::nullopt;
  }
  Result<Literal> read = iceberg::literal_from_text(type, text);
  return read ? std::optional(*std::move(read)) : std::nullopt;
}

/// A bound must hold for both zeros, which DuckDB takes for equal.
Literal with_zero(Literal bound, bool lower) {
  if (bound.kind == TypeKind::Float && bound.as_float() == 0.0F) {
    bound.value = lower ? -0.0F : 0.0F;
  } else if (bound.kind == TypeKind::Double && bound.as_double() == 0.0) {
    bound.value = lower ? -0.0 : 0.0;
  }
  return bound;
}

void add_bounds(const Leaf& leaf, const TextMap& stats, DataFile* file) {
  const auto min = stats.find("min");
  const auto max = stats.find("max");
  if (min == stats.end() || max == stats.end() || !min->second || !max->second) {
    return;
  }
  const std::optional<Literal> lower = read_bound(*leaf.field->type, *min->second);
  const std::optional<Literal> upper = read_bound(*leaf.field->type, *max->second);
  if (!lower || !upper) {
    return;
  }
  file->lower_bounds.set(
      leaf.field->id,
      iceberg::literal_to_bytes(iceberg::truncate_lower_bound(with_zero(*lower, true))));
  if (const auto cut = iceberg::truncate_upper_bound(with_zero(*upper, false))) {
    file->upper_bounds.set(leaf.field->id, iceberg::literal_to_bytes(*cut));
  }
}

Status add_column(const iceberg::Schema& schema, std::string_view path, const TextMap& stats,
                  DataFile* file) {
  const Leaf leaf = find_leaf(schema, split_path(path));
  if (leaf.field == nullptr) {
    return {};
  }
  const std::int32_t id = leaf.field->id;
  if (const auto size = number(stats, "column_size_bytes")) {
    file->column_sizes.set(id, *size);
  }
  if (leaf.repeated) {
    return {};
  }
  if (const auto values = number(stats, "num_values")) {
    file->value_counts.set(id, *values);
  }
  if (const auto nulls = number(stats, "null_count")) {
    if (*nulls > 0 && leaf.required) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("column {} is required, but {} of the rows have NULL there",
                              schema.path_of(id), *nulls),
                  "Leave these rows out, or give them a value.");
    }
    file->null_value_counts.set(id, *nulls);
  }
  const TypeKind kind = leaf.field->type->kind;
  if (kind == TypeKind::Float || kind == TypeKind::Double) {
    const auto has_nan = stats.find("has_nan");
    if (has_nan != stats.end() && has_nan->second == "false") {
      file->nan_value_counts.set(id, 0);
    }
  }
  add_bounds(leaf, stats, file);
  return {};
}

Result<iceberg::PartitionValues> partition_values(const iceberg::TableMetadata& table,
                                                  const TextMap& keys,
                                                  const std::vector<std::size_t>& fields) {
  const iceberg::PartitionSpec& spec = *table.default_spec();
  iceberg::PartitionValues values(spec.fields.size());
  if (fields.empty()) {
    return values;
  }
  LH_ASSIGN_OR_RETURN(const std::vector<iceberg::TypePtr> types, partition_types(table, spec));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto key = keys.find(fmt::format("__lh_p{}", i));
    if (key == keys.end()) {
      return fail(ErrorCode::Internal, "the engine did not say which partition a file is of");
    }
    if (!key->second) {
      continue;
    }
    const iceberg::Type& type = *types[fields[i]];
    if (type.kind == TypeKind::Binary) {
      values[fields[i]] = Literal::of_binary(from_hex(*key->second).value_or(""));
      continue;
    }
    LH_ASSIGN_OR_RETURN(values[fields[i]], iceberg::literal_from_text(type, *key->second));
  }
  return values;
}

}  // namespace

Result<std::vector<StagedFile>> files_from_stats(const iceberg::TableMetadata& table,
                                                 const engine::Rows& stats,
                                                 const std::vector<std::size_t>& partition_fields) {
  std::map<std::string, std::size_t, std::less<>> column;
  for (std::size_t i = 0; i < stats.columns.size(); ++i) {
    column.emplace(stats.columns[i].name, i);
  }
  for (const char* name :
       {"filename", "count", "file_size_bytes", "column_statistics", "partition_keys"}) {
    if (!column.contains(name)) {
      return fail(ErrorCode::Internal, fmt::format("the engine's COPY gave no {}", name));
    }
  }
  std::vector<StagedFile> files;
  for (const json::array& row : stats.rows) {
    const auto cell = [&](std::string_view name) -> const json::value& {
      return row.at(column.find(name)->second);
    };
    TextMap totals;
    totals["count"] = cell_text(cell("count"));
    totals["size"] = cell_text(cell("file_size_bytes"));
    StagedFile file;
    file.path = cell_text(cell("filename")).value_or("");
    file.entry.record_count = number(totals, "count").value_or(0);
    file.entry.file_size_in_bytes = number(totals, "size").value_or(0);
    file.entry.spec_id = table.default_spec_id;
    if (file.entry.record_count == 0) {
      continue;
    }
    LH_ASSIGN_OR_RETURN(
        file.entry.partition,
        partition_values(table, text_map(cell("partition_keys")), partition_fields));
    Status outcome;
    each_entry(cell("column_statistics"), [&](std::string_view path, const json::value& value) {
      if (outcome) {
        outcome = add_column(*table.current_schema(), path, text_map(value), &file.entry);
      }
    });
    LH_RETURN_IF_ERROR(std::move(outcome));
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace lakehouse::query
