#include "engine/child/duck.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "engine/wire/messages.h"

namespace lakehouse::engine {
namespace {

struct CodeOfType {
  std::string_view type;  ///< As DuckDB spells an exception's type.
  ErrorCode code;
};

// Not listed: what is a bug, in DuckDB or in us.
constexpr std::array kCodes{
    CodeOfType{"Out of Range", ErrorCode::InvalidArgument},
    CodeOfType{"Conversion", ErrorCode::InvalidArgument},
    CodeOfType{"Decimal", ErrorCode::InvalidArgument},
    CodeOfType{"Mismatch Type", ErrorCode::InvalidArgument},
    CodeOfType{"Divide by Zero", ErrorCode::InvalidArgument},
    CodeOfType{"Object Size", ErrorCode::InvalidArgument},
    CodeOfType{"Invalid type", ErrorCode::InvalidArgument},
    CodeOfType{"Invalid", ErrorCode::InvalidArgument},
    CodeOfType{"Expression", ErrorCode::InvalidArgument},
    CodeOfType{"Catalog", ErrorCode::InvalidArgument},
    CodeOfType{"Parser", ErrorCode::InvalidArgument},
    CodeOfType{"Planner", ErrorCode::InvalidArgument},
    CodeOfType{"Constraint", ErrorCode::InvalidArgument},
    CodeOfType{"Syntax", ErrorCode::InvalidArgument},
    CodeOfType{"Settings", ErrorCode::InvalidArgument},
    CodeOfType{"Binder", ErrorCode::InvalidArgument},
    CodeOfType{"Invalid Input", ErrorCode::InvalidArgument},
    CodeOfType{"Parameter Not Resolved", ErrorCode::InvalidArgument},
    CodeOfType{"Parameter Not Allowed", ErrorCode::InvalidArgument},
    CodeOfType{"Dependency", ErrorCode::InvalidArgument},
    CodeOfType{"Sequence", ErrorCode::InvalidArgument},
    CodeOfType{"TransactionContext", ErrorCode::InvalidArgument},
    CodeOfType{"Serialization", ErrorCode::InvalidArgument},
    CodeOfType{"Invalid Configuration", ErrorCode::InvalidArgument},
    CodeOfType{"Not implemented", ErrorCode::Unimplemented},
    CodeOfType{"Out of Memory", ErrorCode::ResourceExhausted},
    CodeOfType{"INTERRUPT", ErrorCode::Cancelled},
    CodeOfType{"Permission", ErrorCode::PermissionDenied},
    CodeOfType{"Missing Extension", ErrorCode::Unimplemented},
    CodeOfType{"Extension Autoloading", ErrorCode::Unimplemented},
    CodeOfType{"Connection", ErrorCode::Unavailable},
    CodeOfType{"Network", ErrorCode::Unavailable},
    CodeOfType{"HTTP", ErrorCode::Unavailable},
    CodeOfType{"IO", ErrorCode::Unavailable},
};

/// What DuckDB says of a Parquet file that is not what it was written as.
bool tells_of_damage(std::string_view type, std::string_view message) {
  constexpr std::array<std::string_view, 7> kSigns = {"Failed to read file \"",
                                                      "No magic bytes found at end of file",
                                                      "Invalid footer length",
                                                      "too small to be a Parquet",
                                                      "metadata is corrupt",
                                                      "Corrupted file?",
                                                      "Could not read enough bytes from file"};
  return (type == "Invalid Input" || type == "Invalid" || type == "IO") &&
         std::ranges::any_of(kSigns, [&](std::string_view sign) { return message.contains(sign); });
}

ErrorCode code_of(std::string_view type, std::string_view message) {
  if (tells_of_damage(type, message)) {
    return ErrorCode::DataLoss;
  }
  if (type == "IO") {
    for (const std::string_view missing : {"No files found", "No such file", "does not exist"}) {
      if (message.contains(missing)) {
        return ErrorCode::NotFound;
      }
    }
    if (message.contains("No space left")) {
      return ErrorCode::ResourceExhausted;
    }
  }
  for (const CodeOfType& entry : kCodes) {
    if (entry.type == type) {
      return entry.code;
    }
  }
  return ErrorCode::Internal;
}

bool ends_path(char c, char quote) {
  constexpr std::string_view kEnds = " ,;)]\"'\n";
  return quote != '\0' ? c == quote || c == '\n' : kEnds.contains(c);
}

// "file /data/x/y.csv" -> "file y.csv": where the server keeps its data is nobody's business.
std::string without_folders(std::string_view message) {
  std::string out;
  std::size_t i = 0;
  while (i < message.size()) {
    const char before = i == 0 ? ' ' : message[i - 1];
    const bool at_boundary = std::string_view(" \"'(=[").contains(before);
    const std::string_view rest = message.substr(i);
    if (!at_boundary || !(rest.starts_with('/') || rest.starts_with("file:/"))) {
      out.push_back(message[i++]);
      continue;
    }
    const char quote = before == '"' || before == '\'' ? before : '\0';
    std::size_t end = i;
    while (end < message.size() && !ends_path(message[end], quote)) {
      ++end;
    }
    const std::string_view path = message.substr(i, end - i);
    const bool is_path = path.find('/', 1) != std::string_view::npos;
    out += is_path ? path.substr(path.rfind('/') + 1) : path;
    i = end;
  }
  return out;
}

std::string_view cut(std::string_view text, std::string_view mark) {
  return text.substr(0, std::min(text.find(mark), text.size()));
}

// "Binder Error: x\n\nLINE 1: ..." for what was thrown before the connection had its settings.
Error error_from_plain(std::string_view text) {
  std::string_view type = "Internal";
  if (const auto colon = text.find(" Error: "); colon != std::string_view::npos && colon < 40) {
    type = text.substr(0, colon);
    text.remove_prefix(colon + std::string_view(" Error: ").size());
  }
  const std::string_view line = cut(cut(text, "\n\nLINE "), "\n");
  return Error{.code = code_of(type, line),
               .message = without_folders(line),
               .hint = {},
               .position_bytes = std::nullopt,
               .details_json = {}};
}

// What follows the first line is advice: candidates, or how to write it instead.
std::string hint_from(std::string_view rest, std::string_view type) {
  rest = cut(rest, "\n\nLINE ");
  // Tables are the server's to suggest: DuckDB only knows its own.
  if (rest.contains("lh_") || (type == "Catalog" && rest.contains("pg_"))) {
    return {};
  }
  // Settings and extensions are not the caller's to change.
  for (const std::string_view verb : {"SET ", "INSTALL ", "LOAD "}) {
    if (rest.contains(verb)) {
      return {};
    }
  }
  std::string hint;
  for (const char c : without_folders(rest)) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank) {
      hint.push_back(c);
    } else if (!hint.empty() && hint.back() != ' ') {
      hint.push_back(' ');
    }
  }
  if (hint.ends_with(' ')) {
    hint.pop_back();
  }
  return hint;
}

void add_hint_of_code(Error& error) {
  if (error.code == ErrorCode::ResourceExhausted) {
    error.hint = "Ask for less at once, or give the engine more memory (engine.memory_limit).";
  } else if (error.code == ErrorCode::DataLoss) {
    error.hint =
        "The file is damaged: restore it, or roll the table back to before it was written.";
  } else if (error.code == ErrorCode::Cancelled) {
    error.message = "the statement was cancelled";
  }
}

}  // namespace

Error error_from_duckdb(std::string_view text) {
  const auto begin = text.find(R"({"exception_type")");
  const auto parsed = begin == std::string_view::npos
                          ? Result<boost::json::value>(fail(ErrorCode::Internal, ""))
                          : parse_deep_json(text.substr(begin));
  if (!parsed || !parsed->is_object()) {
    Error error = error_from_plain(text);
    add_hint_of_code(error);
    return error;
  }
  const auto member = [&](std::string_view name) -> std::string_view {
    const boost::json::value* value = parsed->get_object().if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : "";
  };
  const std::string_view type = member("exception_type");
  const std::string_view message = member("exception_message");
  const std::string_view line = cut(message, "\n");
  Error error{.code = code_of(type, message),
              // A value that could not be converted is the caller's own; a path is not.
              .message = type == "Conversion" ? std::string(line) : without_folders(line),
              .hint = hint_from(message.substr(line.size()), type),
              .position_bytes = std::nullopt,
              .details_json = {}};
  const std::string_view position = member("position");
  std::size_t bytes = 0;
  if (!position.empty() &&
      std::from_chars(position.data(), position.data() + position.size(), bytes).ec ==
          std::errc{}) {
    error.position_bytes = bytes;
  }
  // Kept for finding the name in the caller's own text; removed before the error leaves.
  error.details_json = member("name");
  add_hint_of_code(error);
  return error;
}

Status run_sql(const Connection& connection, const std::string& sql) {
  QueryResult result;
  if (duckdb_query(connection.get(), sql.c_str(), result.out()) == DuckDBError) {
    return std::unexpected(error_from_duckdb(duckdb_result_error(result.out())));
  }
  return {};
}

Result<Prepared> prepare_sql(const Connection& connection, const std::string& sql) {
  Prepared prepared;
  if (duckdb_prepare(connection.get(), sql.c_str(), prepared.out()) == DuckDBError) {
    const char* message = duckdb_prepare_error(prepared.get());
    return std::unexpected(error_from_duckdb(message == nullptr ? "" : message));
  }
  return prepared;
}

}  // namespace lakehouse::engine
