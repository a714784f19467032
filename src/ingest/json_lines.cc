#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/json/basic_parser_impl.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "ingest/json_reader.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;
using boost::system::error_code;

/// Notices what DuckDB refuses and Boost.JSON accepts: a key twice in an object, and what is no
/// object at the top. Builds nothing.
struct LineHandler {
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  std::vector<std::unordered_set<std::string>> objects;
  std::size_t depth = 0;
  std::string key;
  std::string twice;
  bool not_object = false;

  bool scalar() {
    not_object = not_object || depth == 0;
    return true;
  }

  bool on_document_begin(error_code& /*ec*/) {
    depth = 0;
    not_object = false;
    key.clear();
    twice.clear();
    return true;
  }
  bool on_document_end(error_code& /*ec*/) { return true; }
  bool on_array_begin(error_code& /*ec*/) {
    scalar();
    enter();
    return true;
  }
  bool on_array_end(std::size_t /*n*/, error_code& /*ec*/) {
    --depth;
    return true;
  }
  bool on_object_begin(error_code& /*ec*/) {
    enter();
    return true;
  }
  bool on_object_end(std::size_t /*n*/, error_code& /*ec*/) {
    --depth;
    return true;
  }
  void enter() {
    ++depth;
    if (objects.size() < depth) {
      objects.emplace_back();
    }
    objects[depth - 1].clear();
  }
  bool on_string_part(json::string_view /*s*/, std::size_t /*n*/, error_code& /*ec*/) {
    return true;
  }
  bool on_string(json::string_view /*s*/, std::size_t /*n*/, error_code& /*ec*/) {
    return scalar();
  }
  bool on_key_part(json::string_view s, std::size_t /*n*/, error_code& /*ec*/) {
    key.append(s.data(), s.size());
    return true;
  }
  bool on_key(json::string_view s, std::size_t /*n*/, error_code& /*ec*/) {
    key.append(s.data(), s.size());
    if (!objects[depth - 1].insert(key).second && twice.empty()) {
      twice = key;
    }
    key.clear();
    return true;
  }
  bool on_number_part(json::string_view /*s*/, error_code& /*ec*/) { return true; }
  bool on_int64(std::int64_t /*i*/, json::string_view /*s*/, error_code& /*ec*/) {
    return scalar();
  }
  bool on_uint64(std::uint64_t /*u*/, json::string_view /*s*/, error_code& /*ec*/) {
    return scalar();
  }
  bool on_double(double /*d*/, json::string_view /*s*/, error_code& /*ec*/) { return scalar(); }
  bool on_bool(bool /*b*/, error_code& /*ec*/) { return scalar(); }
  bool on_null(error_code& /*ec*/) { return scalar(); }
  bool on_comment_part(json::string_view /*s*/, error_code& /*ec*/) { return true; }
  bool on_comment(json::string_view /*s*/, error_code& /*ec*/) { return true; }
};

class LineChecker {
 public:
  LineChecker() : parser_(options()) {}

  /// Why the line is bad; nothing if it is good.
  std::optional<std::string> problem(std::string_view line) {
    parser_.reset();
    error_code code;
    const std::size_t used = parser_.write_some(false, line.data(), line.size(), code);
    if (code) {
      return fmt::format("{} at column {}", code.message(), used + 1);
    }
    if (line.substr(used).find_first_not_of(" \t\r") != std::string_view::npos) {
      return fmt::format("more than one value, at column {}", used + 1);
    }
    const LineHandler& handler = parser_.handler();
    if (handler.not_object) {
      return "not a JSON object";
    }
    if (!handler.twice.empty()) {
      return fmt::format("the key '{}' is there twice", handler.twice);
    }
    return std::nullopt;
  }

 private:
  static json::parse_options options() {
    json::parse_options options;
    options.max_depth = 500;
    return options;
  }
  json::basic_parser<LineHandler> parser_;
};

constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;

/// Follows keys and numbers through the bytes of JSON that matter.
class FractionFinder {
 public:
  void take(std::string_view bytes) {
    for (const char c : bytes) {
      if (in_string_) {
        in_text(c);
      } else if (c == '"') {
        in_string_ = true;
        text_.clear();
      } else if (c == ':') {
        key_.swap(text_);
        known_ = false;
      } else if (c == '.' && !known_) {
        keys_.insert(key_);
        known_ = true;
      }
    }
  }
  std::set<std::string, std::less<>> finish() { return std::move(keys_); }

 private:
  void in_text(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      return;
    }
    // Only short strings can be keys that matter.
    if (text_.size() < 256) {
      text_ += c;
    }
  }

  bool in_string_ = false;
  bool escaped_ = false;
  bool known_ = false;  ///< The key was noted for this value.
  std::string text_;
  std::string key_;
  std::set<std::string, std::less<>> keys_;
};

}  // namespace

Result<BadRows> separate_bad_lines(const std::string& from, const std::string& to,
                                   const std::string& bad_path) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  if (!in || !out) {
    return fail(ErrorCode::Unavailable, "cannot write to staging");
  }
  BadRowWriter bad(bad_path);
  LineChecker checker;
  std::string line;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    if (std::optional<std::string> problem = checker.problem(line)) {
      line.resize(std::min(line.size(), kBadRowTextBytesMax));
      LH_RETURN_IF_ERROR(
          bad.add({.line = number, .reason = *std::move(problem), .text = line, .columns = {}}));
    } else {
      out.write(line.data(), static_cast<std::streamsize>(line.size()));
      out.put('\n');
    }
  }
  out.close();
  if (!out) {
    return fail(ErrorCode::Unavailable, "cannot write to staging");
  }
  return bad.finish();
}

Result<std::set<std::string, std::less<>>> keys_with_fractions(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string buffer(kBufferBytes, '\0');
  FractionFinder finder;
  while (true) {
    const ssize_t got = file ? ::read(file.get(), buffer.data(), buffer.size()) : -1;
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(ErrorCode::Unavailable,
                  "cannot read staging: " + std::system_category().message(errno));
    }
    if (got == 0) {
      return finder.finish();
    }
    finder.take(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

}  // namespace lakehouse::ingest
