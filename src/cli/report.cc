#include "cli/report.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "cli/display.h"
#include "cli/options.h"

namespace lakehouse::cli {
namespace {

constexpr std::size_t kExcerptWidth = 100;

// The line of `sql` that holds `position`, with a caret; long lines are cut around it.
std::string excerpt(std::string_view sql, std::size_t position) {
  position = std::min(position, sql.size());
  const std::string_view before = sql.substr(0, position);
  const std::size_t number = 1 + static_cast<std::size_t>(std::ranges::count(before, '\n'));
  std::size_t begin = before.rfind('\n');
  begin = begin == std::string_view::npos ? 0 : begin + 1;
  const std::size_t end = std::min(sql.find('\n', position), sql.size());
  std::string lead = printable(sql.substr(begin, position - begin));
  std::string rest = printable(sql.substr(position, end - position));
  if (display_width(lead) > kExcerptWidth / 2) {
    // Cut on a character's border.
    std::size_t from = lead.size() - kExcerptWidth / 2;
    while (from < lead.size() && (static_cast<unsigned char>(lead[from]) & 0xC0U) == 0x80U) {
      ++from;
    }
    lead = "…" + lead.substr(from);
  }
  rest = fit(rest, kExcerptWidth - std::min(display_width(lead), kExcerptWidth - 1));
  const std::string margin = std::to_string(number);
  return fmt::format("  {} | {}{}\n  {} | {}^\n", margin, lead, rest,
                     std::string(margin.size(), ' '), std::string(display_width(lead), ' '));
}

std::string describe_parts(std::string_view message, std::string_view hint,
                           std::string_view place) {
  std::string text = fmt::format("error: {}\n{}", message, place);
  if (!hint.empty()) {
    text += fmt::format("hint: {}\n", hint);
  }
  return text;
}

// Messages may have several lines, but must not command the terminal.
std::string safe(std::string_view message) {
  std::string text;
  while (true) {
    const std::size_t end = message.find('\n');
    text += printable(message.substr(0, end));
    if (end == std::string_view::npos) {
      return text;
    }
    text += '\n';
    message.remove_prefix(end + 1);
  }
}

}  // namespace

std::string describe(const Problem& problem, std::string_view sql) {
  const std::string place = problem.position_bytes && !sql.empty()
                                ? excerpt(sql, *problem.position_bytes)
                                : std::string();
  return describe_parts(safe(problem.detail), safe(problem.hint), place);
}

std::string describe(const Error& error) {
  return describe_parts(safe(error.message), safe(error.hint), {});
}

int report_no_answer(const Error& error) {
  fmt::print(stderr, "{}", describe(error));
  if (error.code == ErrorCode::Cancelled) {
    return kExitInterrupted;
  }
  return error.code == ErrorCode::Unavailable ? kExitUnreachable : kExitFailed;
}

int report(const Problem& problem, std::string_view sql) {
  fmt::print(stderr, "{}", describe(problem, sql));
  return kExitFailed;
}

}  // namespace lakehouse::cli
