#include "cli/answer.h"

#include <cstdlib>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace lakehouse::cli {
namespace {

namespace json = boost::json;

/// Turns the parser's events into an Answer. Numbers are kept as they were written: a HUGEINT or a
/// DECIMAL has more digits than a double.
class Handler {
 public:
  // NOLINTBEGIN(readability-identifier-naming): Boost.JSON asks for these names.
  constexpr static std::size_t max_object_size = SIZE_MAX;
  constexpr static std::size_t max_array_size = SIZE_MAX;
  constexpr static std::size_t max_key_size = SIZE_MAX;
  constexpr static std::size_t max_string_size = SIZE_MAX;
  // NOLINTEND(readability-identifier-naming)
  using Code = json::error_code;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return open('{'); }
  bool on_object_end(std::size_t, Code&) { return close('}'); }
  bool on_array_begin(Code&) { return open('['); }
  bool on_array_end(std::size_t, Code&) { return close(']'); }
  bool on_key_part(json::string_view part, std::size_t, Code&) { return gather(part); }
  bool on_key(json::string_view part, std::size_t, Code&) {
    gather(part);
    std::string key = std::exchange(text_, {});
    if (nested()) {
      separate();
      nested_ += json::serialize(json::string(key)) + ": ";
      after_key_ = true;
    } else if (depth_ == 1) {
      section_ = std::move(key);
    } else {
      member_ = std::move(key);
    }
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, Code&) { return gather(part); }
  bool on_string(json::string_view part, std::size_t, Code&) {
    gather(part);
    return value(Cell::Kind::Text, std::exchange(text_, {}));
  }
  bool on_number_part(json::string_view part, Code&) { return gather(part); }
  bool on_int64(std::int64_t, json::string_view part, Code&) { return number(part); }
  bool on_uint64(std::uint64_t, json::string_view part, Code&) { return number(part); }
  bool on_double(double, json::string_view part, Code&) { return number(part); }
  bool on_bool(bool flag, Code&) { return value(Cell::Kind::Bool, flag ? "true" : "false"); }
  bool on_null(Code&) { return value(Cell::Kind::Null, ""); }
  static bool on_comment_part(json::string_view, Code&) { return true; }
  static bool on_comment(json::string_view, Code&) { return true; }

  Answer answer;

 private:
  [[nodiscard]] bool in_rows() const { return section_ == "rows"; }
  // Inside a cell: {"rows": [[ <depth 3> ]]}.
  [[nodiscard]] bool nested() const { return in_rows() && depth_ > 3; }

  bool gather(json::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }

  void separate() {
    if (after_key_) {
      after_key_ = false;
    } else if (!nested_.empty() && nested_.back() != '[' && nested_.back() != '{') {
      nested_ += ", ";
    }
  }

  bool open(char bracket) {
    ++depth_;
    if (nested()) {
      separate();
      nested_ += bracket;
    } else if (in_rows() && depth_ == 3) {
      answer.rows.emplace_back();
      answer.rows.back().reserve(answer.columns.size());
    } else if (section_ == "columns" && depth_ == 3) {
      answer.columns.emplace_back();
    }
    return true;
  }

  bool close(char bracket) {
    const bool was_nested = nested();
    --depth_;
    if (was_nested) {
      nested_ += bracket;
      if (!nested()) {
        answer.rows.back().push_back(
            {.kind = Cell::Kind::Nested, .text = std::exchange(nested_, {})});
      }
    }
    return true;
  }

  bool number(json::string_view part) {
    gather(part);
    return value(Cell::Kind::Number, std::exchange(text_, {}));
  }

  bool value(Cell::Kind kind, std::string text) {
    if (nested()) {
      separate();
      if (kind == Cell::Kind::Text) {
        text = json::serialize(json::string(text));
      }
      nested_ += kind == Cell::Kind::Null ? "null" : text;
    } else if (in_rows() && depth_ == 3) {
      answer.rows.back().push_back({.kind = kind, .text = std::move(text)});
    } else if (section_ == "columns" && depth_ == 3) {
      if (member_ == "name") {
        answer.columns.back().name = std::move(text);
      } else if (member_ == "type") {
        answer.columns.back().type = std::move(text);
      }
    } else if (depth_ == 1 && section_ == "truncated") {
      answer.truncated = text == "true";
    } else if (depth_ == 1 && section_ == "elapsed_ms") {
      answer.elapsed_ms = std::strtod(text.c_str(), nullptr);
    }
    return true;
  }

  std::size_t depth_ = 0;
  std::string section_;  ///< The top-level member that is being read.
  std::string member_;   ///< The member of a column.
  std::string text_;     ///< A string or number in pieces.
  std::string nested_;   ///< A cell's nested value so far, as JSON.
  bool after_key_ = false;
};

json::parse_options options() {
  json::parse_options result;
  result.max_depth = 1000;
  return result;
}

}  // namespace

struct AnswerReader::Parser {
  json::basic_parser<Handler> parser{options()};
  bool failed = false;
};

AnswerReader::AnswerReader() : parser_(std::make_unique<Parser>()) {}
AnswerReader::~AnswerReader() = default;

bool AnswerReader::write(std::string_view bytes) {
  json::error_code code;
  const std::size_t used = parser_->parser.write_some(true, bytes.data(), bytes.size(), code);
  const bool rest_is_blank =
      bytes.substr(used).find_first_not_of(" \t\r\n") == std::string_view::npos;
  parser_->failed = parser_->failed || code.failed() || !rest_is_blank;
  return !parser_->failed;
}

Result<Answer> AnswerReader::finish() {
  json::error_code code;
  if (!parser_->failed && !parser_->parser.done()) {
    parser_->parser.write_some(false, "", 0, code);
  }
  if (parser_->failed || code.failed() || !parser_->parser.done()) {
    return fail(ErrorCode::DataLoss, "the server's answer is no JSON result",
                "Is it a lakehouse server that --server names?");
  }
  return std::move(parser_->parser.handler().answer);
}

}  // namespace lakehouse::cli
