#include "ingest/bad_rows.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "base/unique_fd.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;

constexpr std::size_t kBufferBytes = std::size_t{256} << 10U;

/// Counts the lines up to places in a file, which are asked for in order.
class LineCounter {
 public:
  explicit LineCounter(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), buffer_(kBufferBytes, '\0') {}

  /// The line, from 1, that the byte (from 0) is on.
  std::int64_t line_at(std::int64_t byte) {
    while (at_ < byte && fill()) {
      const auto count =
          std::min<std::int64_t>(byte - at_, static_cast<std::int64_t>(rest_.size()));
      lines_ += std::count(rest_.begin(), rest_.begin() + count, '\n');
      rest_.remove_prefix(static_cast<std::size_t>(count));
      at_ += count;
    }
    return lines_ + 1;
  }

 private:
  bool fill() {
    if (rest_.empty()) {
      const ssize_t got = ::read(fd_.get(), buffer_.data(), buffer_.size());
      rest_ = std::string_view(buffer_).substr(0, got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    return !rest_.empty();
  }

  UniqueFd fd_;
  std::string buffer_;
  std::string_view rest_;
  std::int64_t at_ = 0;
  std::int64_t lines_ = 0;
};

/// Cuts between characters.
std::string cut(std::string text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
      --end;
    }
    text.resize(end);
    text += "...";
  }
  return text;
}

/// JSON is UTF-8; a bad row need not be.
std::string printable(std::string text) {
  if (!is_valid_utf8(text)) {
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  }
  return text;
}

void add_misfits(const std::vector<std::string>& columns, std::vector<std::string>* all) {
  for (const std::string& column : columns) {
    if (std::ranges::find(*all, column) == all->end()) {
      all->push_back(column);
    }
  }
}

}  // namespace

bool BadRowLimit::allows(std::int64_t bad_rows, std::int64_t rows) const {
  if (bad_rows == 0) {
    return true;
  }
  return is_share ? static_cast<double>(bad_rows) <= share * static_cast<double>(rows)
                  : bad_rows <= count;
}

Result<BadRowLimit> parse_bad_row_limit(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::InvalidArgument, fmt::format("max_bad_rows is '{}'", text.substr(0, 40)),
                "Give a share of the rows, such as 1% or 0.5%, or a count, such as 100.");
  };
  std::string_view rest = text;
  while (!rest.empty() && rest.front() == ' ') {
    rest.remove_prefix(1);
  }
  while (!rest.empty() && rest.back() == ' ') {
    rest.remove_suffix(1);
  }
  BadRowLimit limit;
  limit.is_share = rest.ends_with('%');
  if (!limit.is_share) {
    const auto [end, problem] =
        std::from_chars(rest.data(), rest.data() + rest.size(), limit.count);
    if (problem != std::errc() || end != rest.data() + rest.size() || limit.count < 0) {
      return wrong();
    }
    return limit;
  }
  rest.remove_suffix(1);
  while (!rest.empty() && rest.back() == ' ') {
    rest.remove_suffix(1);
  }
  double percent = 0;
  const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), percent);
  if (problem != std::errc() || end != rest.data() + rest.size() || !(percent >= 0) ||
      percent > 100) {
    return wrong();
  }
  limit.share = percent / 100;
  return limit;
}

std::string to_string(const BadRowLimit& limit) {
  return limit.is_share ? fmt::format("{:g} %", limit.share * 100) : fmt::format("{}", limit.count);
}

std::string to_string(const BadRow& row) {
  std::string text = cut(row.text, 200);
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return fmt::format("line {}: {}: {}", row.line, row.reason, text);
}

Status BadRowWriter::add(BadRow row) {
  if (fd_ < 0) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd_ < 0) {
      return fail(ErrorCode::Unavailable,
                  "cannot keep bad rows aside: " + std::system_category().message(errno));
    }
  }
  json::object line;
  line["line"] = row.line;
  line["reason"] = printable(row.reason);
  line["text"] = printable(row.text);
  buffer_ += json::serialize(line);
  buffer_ += '\n';
  ++rows_.count;
  add_misfits(row.columns, &rows_.misfit_columns);
  if (rows_.first.size() < kFirstBadRows) {
    row.reason = printable(cut(std::move(row.reason), 500));
    row.text = printable(cut(std::move(row.text), kBadRowTextBytesMax));
    rows_.first.push_back(std::move(row));
  }
  return buffer_.size() < kBufferBytes ? Status() : flush();
}

Status BadRowWriter::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno != EINTR) {
      return fail(ErrorCode::Unavailable,
                  "cannot keep bad rows aside: " + std::system_category().message(errno));
    }
    rest.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  buffer_.clear();
  return {};
}

Result<BadRows> BadRowWriter::finish() {
  if (fd_ >= 0) {
    LH_RETURN_IF_ERROR(flush());
    rows_.path = path_;
  }
  return std::move(rows_);
}

BadRowWriter::~BadRowWriter() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<BadRows> collect_csv_rejects(const std::string& rejects_path, const std::string& csv_path,
                                    const std::string& out_path) {
  std::ifstream rejects(rejects_path, std::ios::binary);
  LineCounter lines(csv_path);
  BadRowWriter writer(out_path);
  std::string text;
  while (std::getline(rejects, text)) {
    LH_ASSIGN_OR_RETURN(const json::value value, parse_json(text, "the engine's list of bad rows"));
    JsonFields fields(value.as_object(), "the engine's list of bad rows");
    LH_ASSIGN_OR_RETURN(const std::optional<std::int64_t> byte, fields.optional_int64("byte"));
    LH_ASSIGN_OR_RETURN(const std::optional<std::int64_t> record, fields.optional_int64("record"));
    LH_ASSIGN_OR_RETURN(std::optional<std::string> reason, fields.optional_string("reason"));
    LH_ASSIGN_OR_RETURN(std::optional<std::string> row, fields.optional_string("text"));
    LH_ASSIGN_OR_RETURN(const json::array* columns, fields.optional_array("columns"));
    BadRow bad;
    // DuckDB counts bytes from 1.
    bad.line = byte ? lines.line_at(*byte - 1) : record.value_or(0);
    bad.reason = std::move(reason).value_or("cannot be read");
    bad.text = std::move(row).value_or("");
    if (columns != nullptr) {
      for (const json::value& column : *columns) {
        if (const json::string* name = column.if_string()) {
          bad.columns.emplace_back(*name);
        }
      }
    }
    LH_RETURN_IF_ERROR(writer.add(std::move(bad)));
  }
  return writer.finish();
}

}  // namespace lakehouse::ingest
