#include "vector/source_sql.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"
#include "catalog/catalog.h"

namespace lakehouse::vector {
namespace {

namespace json = boost::json;

constexpr std::size_t kFilterBytesMax = std::size_t{1} << 18U;

Result<const iceberg::NestedField*> column_of(const iceberg::Schema& schema,
                                              const std::string& name) {
  std::vector<std::string> names;
  for (const iceberg::NestedField& field : schema.fields) {
    if (field.name == name) {
      return &field;
    }
    names.push_back(field.name);
  }
  return fail(ErrorCode::NotFound, fmt::format("the dataset has no column '{}'", as_utf8(name)),
              did_you_mean(name, names));
}

/// A part of a template: a text, or a column.
struct Part {
  std::string text;
  bool is_column = false;
};

Result<std::vector<Part>> parts_of(std::string_view text) {
  std::vector<Part> parts(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
      parts.back().text += c;
      ++at;
    } else if (c == '{') {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("the template's '{{' at byte {} is not closed", at),
                    "Write {{ for a brace.");
      }
      parts.push_back({std::string(text.substr(at + 1, end - at - 1)), true});
      parts.emplace_back();
      at = end;
    } else if (c == '}') {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the template's '}}' at byte {} closes nothing", at),
                  "Write }} for a brace.");
    } else {
      parts.back().text += c;
    }
  }
  return parts;
}

std::string as_text(const std::string& column) {
  return fmt::format("CAST({} AS VARCHAR)", quote_sql_identifier(column));
}

/// Without where things stand in the text: trees of the same statement are the same.
void drop_positions(json::value& node) {
  if (node.is_object()) {
    json::object& object = node.get_object();
    object.erase("query_location");
    for (auto& member : object) {
      drop_positions(member.value());
    }
  } else if (node.is_array()) {
    for (json::value& element : node.get_array()) {
      drop_positions(element);
    }
  }
}

/// The tree of the one statement in `sql` without its WHERE; nothing if it is another one.
Result<std::optional<json::value>> around_where(const RequestContext& context,
                                                engine::Engine& engine, const std::string& sql) {
  LH_ASSIGN_OR_RETURN(auto parsed, engine.parse(context, sql));
  if (parsed.size() != 1 || !parsed.front().tree.is_object()) {
    return std::nullopt;
  }
  json::value tree = std::move(parsed.front().tree);
  drop_positions(tree);
  json::array* statements = nullptr;
  if (auto* found = tree.get_object().if_contains("statements"); found != nullptr) {
    statements = found->if_array();
  }
  if (statements == nullptr || statements->size() != 1) {
    return std::nullopt;
  }
  json::object* statement = statements->front().if_object();
  json::value* node = statement == nullptr ? nullptr : statement->if_contains("node");
  json::object* select = node == nullptr ? nullptr : node->if_object();
  if (select == nullptr || select->erase("where_clause") == 0) {
    return std::nullopt;
  }
  return tree;
}

}  // namespace

Result<KeyType> key_type_of(const iceberg::Schema& schema, const std::string& key) {
  LH_ASSIGN_OR_RETURN(const iceberg::NestedField* field, column_of(schema, key));
  const iceberg::TypeKind kind = field->type->kind;
  if (kind == iceberg::TypeKind::String) {
    return KeyType::String;
  }
  if (kind == iceberg::TypeKind::Int) {
    return KeyType::Int32;
  }
  if (kind == iceberg::TypeKind::Long) {
    return KeyType::Int64;
  }
  if (kind == iceberg::TypeKind::Uuid) {
    return KeyType::Uuid;
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("the column '{}' cannot be a key: it is a {}", key,
                          iceberg::to_string(*field->type)),
              "Keys are strings, int32, int64 or UUIDs.");
}

Result<std::string> text_sql(const iceberg::Schema& schema, const Recipe& recipe) {
  std::vector<std::string> arguments;
  std::vector<std::string> columns;
  std::string separator = quote_sql_literal("\n");
  if (recipe.text_template.empty()) {
    for (const std::string& name : recipe.text_columns) {
      LH_RETURN_IF_ERROR(column_of(schema, name));
      columns.push_back(as_text(name));
      arguments.push_back(columns.back());
    }
  } else {
    separator = "''";
    LH_ASSIGN_OR_RETURN(const std::vector<Part> parts, parts_of(recipe.text_template));
    for (const Part& part : parts) {
      if (!part.is_column) {
        if (!part.text.empty()) {
          arguments.push_back(quote_sql_literal(part.text));
        }
        continue;
      }
      LH_RETURN_IF_ERROR(column_of(schema, part.text));
      columns.push_back(as_text(part.text));
      arguments.push_back(columns.back());
    }
    if (columns.empty()) {
      return fail(ErrorCode::InvalidArgument, "the template names no column",
                  "Columns stand in braces: {title}.");
    }
  }
  // The template's own words alone say nothing of a row.
  return fmt::format("CASE WHEN coalesce({}) IS NOT NULL THEN concat_ws({}, {}) END",
                     fmt::join(columns, ", "), separator, fmt::join(arguments, ", "));
}

std::string row_hash_sql(const std::string& text_sql) {
  return fmt::format(
      "CASE WHEN trim({0}) <> '' THEN CAST(md5_number_lower({0}) >> 1 AS BIGINT) END", text_sql);
}

std::string key_sql(const std::string& column, KeyType type) {
  const std::string quoted = quote_sql_identifier(column);
  return fmt::format("CAST({} AS {})", quoted, has_text_keys(type) ? "VARCHAR" : "BIGINT");
}

KeyView key_in(const engine::RawColumn& column, std::size_t row, bool is_text) {
  return is_text ? KeyView{0, column.text(row)} : KeyView{column.integer(row), {}};
}

json::value key_json(const KeyView& key, bool is_text) {
  return is_text ? json::value(key.text) : json::value(key.number);
}

std::string table_sql(const std::string& dataset) {
  // The last dot splits; a level with a dot in it is one level more to SQL, which resolves it.
  const std::size_t dot = dataset.rfind('.');
  if (dot == std::string::npos) {
    return quote_sql_identifier(dataset);
  }
  return quote_sql_identifier(dataset.substr(0, dot)) + "." +
         quote_sql_identifier(dataset.substr(dot + 1));
}

std::string table_sql(const std::string& dataset, std::int64_t snapshot_id) {
  return fmt::format("{} AT (VERSION => {})", table_sql(dataset), snapshot_id);
}

Status check_filter(const RequestContext& context, engine::Engine& engine,
                    const std::string& filter) {
  if (filter.size() > kFilterBytesMax) {
    return fail(ErrorCode::InvalidArgument, "the filter is longer than 256 KiB");
  }
  constexpr std::string_view kBefore = "SELECT k FROM t WHERE (";
  auto with = around_where(context, engine, fmt::format("{}{}\n)", kBefore, filter));
  if (!with) {
    Error error = std::move(with).error();
    if (error.position_bytes) {
      error.position_bytes =
          *error.position_bytes - std::min(*error.position_bytes, kBefore.size());
    }
    return std::unexpected(std::move(error).with_context("the filter"));
  }
  LH_ASSIGN_OR_RETURN(const auto without,
                      around_where(context, engine, fmt::format("{}true\n)", kBefore)));
  if (!*with || !without || **with != *without) {
    return fail(ErrorCode::InvalidArgument, "the filter is not one condition",
                "Write it like what follows WHERE: city = 'Detroit' AND years > 5.");
  }
  return {};
}

Result<RawRead> read_raw(const RequestContext& context, query::QueryService& queries,
                         query::SqlRequest request,
                         const std::function<Status(const engine::RawBatch&)>& take) {
  request.encoding = engine::Encoding::Raw;
  request.engine = query::EngineChoice::Local;
  request.is_own = true;
  LH_ASSIGN_OR_RETURN(query::QueryAnswer answer, queries.run(context, request));
  RawRead read;
  read.snapshot_ids = answer.snapshot_ids;
  read.tag = answer.tag;
  read.is_unchanged = answer.is_unchanged;
  if (answer.is_unchanged) {
    return read;
  }
  LH_ASSIGN_OR_RETURN(engine::RawReader reader, engine::RawReader::over(*answer.stream));
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto batch, reader.next(answer.context));
    if (!batch) {
      break;
    }
    LH_RETURN_IF_ERROR(take(*batch));
  }
  return read;
}

}  // namespace lakehouse::vector
