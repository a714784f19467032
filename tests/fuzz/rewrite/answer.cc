#include "answer.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::query::fuzz {
namespace {

namespace json = boost::json;

RequestContext context_of(const std::string& principal) {
  RequestContext context;
  context.principal = principal;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  return context;
}

void append(const json::value& cell, std::string& out) {
  if (const auto* number = cell.if_double()) {
    out += fmt::format("{:.9g}", *number);
  } else if (const auto* whole = cell.if_int64()) {
    // A sum is whole in one plan and a DECIMAL in another only by its type, which is compared too.
    out += fmt::format("{}", *whole);
  } else if (const auto* list = cell.if_array()) {
    out += '[';
    for (const json::value& inner : *list) {
      append(inner, out);
      out += ',';
    }
    out += ']';
  } else if (const auto* fields = cell.if_object()) {
    out += '{';
    for (const auto& field : *fields) {
      out += fmt::format("{}:", std::string_view(field.key()));
      append(field.value(), out);
      out += ',';
    }
    out += '}';
  } else {
    // An expression as text, as DESCRIBE shows it, has its names in quotes or not.
    std::string text = to_json(cell);
    for (std::size_t at = text.find("\\\""); at != std::string::npos; at = text.find("\\\"", at)) {
      text.erase(at, 2);
    }
    out += text;
  }
}

Answer failed(const Error& error) {
  Answer out;
  out.code = error.code;
  out.message = error.message + (error.hint.empty() ? "" : " " + error.hint);
  return out;
}

/// An unaliased column is called by its text, which DuckDB's tree spells in its own way.
std::string plain_name(const std::string& name) {
  std::string out;
  for (const char c : to_lower(name)) {
    if (c != '"' && c != ' ') {
      out += c;
    }
  }
  return out;
}

Answer drained(engine::ResultStream& stream, const RequestContext& context) {
  Answer out;
  std::string text = "[";
  while (true) {
    auto bytes = stream.next(context);
    if (!bytes) {
      return failed(bytes.error());
    }
    if (!*bytes) {
      break;
    }
    text += **bytes;
  }
  const auto all = parse_json(text + "]", "rows");
  if (!all || !all->is_array()) {
    Answer broken;
    broken.message = "the rows are no JSON: " + text;
    return broken;
  }
  for (const json::value& row : all->get_array()) {
    append(row, out.rows.emplace_back());
  }
  std::ranges::sort(out.rows);
  for (const engine::Column& column : stream.columns()) {
    out.names.push_back(plain_name(column.name));
    out.types.push_back(column.type);
  }
  out.is_ok = true;
  out.is_cut = stream.end().truncated;
  out.raw = std::move(text);
  return out;
}

}  // namespace

Answer ask(QueryService& service, const std::string& principal, const std::string& sql) {
  SqlRequest request;
  request.sql = sql;
  request.limit = kRowsMax;
  auto answer = service.run(context_of(principal), request);
  return answer ? drained(*answer->stream, answer->context) : failed(answer.error());
}

Answer ask(engine::Engine& engine, const std::string& sql) {
  const RequestContext context = context_of("peer");
  engine::Statement statement;
  statement.text = sql;
  statement.rows_max = kRowsMax;
  auto stream = engine.execute(context, std::move(statement));
  return stream ? drained(**stream, context) : failed(stream.error());
}

std::vector<std::string> secrets_in(const std::string& text) {
  const auto run = [&](std::size_t from, std::string_view of) {
    const std::size_t end = std::min(text.find_first_not_of(of, from), text.size());
    return end - from;
  };
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_begin = i == 0 || text[i - 1] < '0' || text[i - 1] > '9';
    if (text[i] == 'Q' && run(i + 1, "0123456789abcdef") >= 12) {
      out.push_back(text.substr(i, 13));
    } else if (is_begin && text.compare(i, 2, "77") == 0 && run(i, "0123456789") == 7) {
      out.push_back(text.substr(i, 7));
    }
  }
  return out;
}

}  // namespace lakehouse::query::fuzz
