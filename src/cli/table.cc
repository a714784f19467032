#include "cli/table.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "cli/display.h"

namespace lakehouse::cli {
namespace {

constexpr std::size_t kNarrowest = 6;        // A column is cut to this before others are left out.
constexpr std::size_t kWidestInFile = 2000;  // Keeps one long text from blowing up every line.

struct Layout {
  std::vector<std::size_t> widths;
  std::vector<std::size_t> shown;    ///< Which columns, in order.
  std::size_t gap_after = SIZE_MAX;  ///< Columns are left out after this many of `shown`.
};

std::string text_of(const Cell& cell) {
  return cell.kind == Cell::Kind::Null ? std::string("NULL") : printable(cell.text);
}

std::size_t line_width(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + 3 * widths.size() - 1;
}

// Takes from the widest column until the line fits or every column is at its narrowest.
void shrink(std::vector<std::size_t>& widths, std::size_t width_max) {
  while (!widths.empty() && line_width(widths) > width_max) {
    const auto widest = std::ranges::max_element(widths);
    if (*widest <= kNarrowest) {
      return;
    }
    std::size_t second = kNarrowest;
    for (auto it = widths.begin(); it != widths.end(); ++it) {
      if (it != widest) {
        second = std::max(second, std::min(*it, *widest - 1));
      }
    }
    const std::size_t over = line_width(widths) - width_max;
    *widest -= std::min(over, *widest - second);
  }
}

Layout lay_out(const Answer& answer, const std::vector<std::vector<std::string>>& cells,
               std::size_t width_max) {
  std::vector<std::size_t> natural;
  for (std::size_t column = 0; column < answer.columns.size(); ++column) {
    std::size_t width = std::max<std::size_t>(1, display_width(answer.columns[column].name));
    for (const auto& row : cells) {
      width = std::max(width, display_width(row[column]));
    }
    natural.push_back(std::min(width, kWidestInFile));
  }
  Layout layout;
  layout.widths = natural;
  layout.shown.resize(natural.size());
  std::iota(layout.shown.begin(), layout.shown.end(), std::size_t{0});
  if (width_max == 0) {
    return layout;
  }
  while (true) {
    layout.widths.clear();
    for (const std::size_t column : layout.shown) {
      layout.widths.push_back(natural[column]);
    }
    const std::size_t gap = layout.shown.size() < natural.size() ? 4 : 0;  // " … |"
    const std::size_t room = width_max > gap ? width_max - gap : 1;
    shrink(layout.widths, room);
    if (layout.shown.size() <= 1 || line_width(layout.widths) <= room) {
      break;
    }
    const std::size_t middle = layout.shown.size() / 2;
    layout.shown.erase(layout.shown.begin() + static_cast<std::ptrdiff_t>(middle));
    layout.gap_after = middle;
  }
  return layout;
}

std::string pad(std::string text, std::size_t width, bool right) {
  text = fit(text, width);
  const std::string blanks(width - display_width(text), ' ');
  return right ? blanks + text : text + blanks;
}

class Writer {
 public:
  explicit Writer(Layout layout) : layout_(std::move(layout)) {}

  void line(const std::vector<std::string>& cells, const std::vector<bool>& right) {
    std::string text;
    for (std::size_t at = 0; at < layout_.shown.size(); ++at) {
      if (at == layout_.gap_after) {
        text += " … |";
      }
      const std::size_t column = layout_.shown[at];
      text += " " + pad(cells[column], layout_.widths[at], right[column]);
      text += at + 1 < layout_.shown.size() ? " |" : "";
    }
    if (layout_.gap_after == layout_.shown.size()) {
      text += " | …";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out_ += text + "\n";
  }

  void rule() {
    std::string text;
    for (std::size_t at = 0; at < layout_.shown.size(); ++at) {
      if (at == layout_.gap_after) {
        text += "---+";
      }
      text += std::string(layout_.widths[at] + 2, '-');
      text += at + 1 < layout_.shown.size() ? "+" : "";
    }
    if (layout_.gap_after == layout_.shown.size()) {
      text += "+--";
    }
    out_ += text + "\n";
  }

  std::string take() { return std::move(out_); }

 private:
  Layout layout_;
  std::string out_;
};

}  // namespace

std::string render_table(const Answer& answer, std::size_t width_max) {
  if (answer.columns.empty()) {
    return {};
  }
  std::vector<std::vector<std::string>> cells;
  cells.reserve(answer.rows.size());
  std::vector<bool> right(answer.columns.size(), false);
  for (const auto& row : answer.rows) {
    auto& texts = cells.emplace_back(answer.columns.size());
    for (std::size_t column = 0; column < std::min(row.size(), texts.size()); ++column) {
      texts[column] = text_of(row[column]);
      right[column] = right[column] || row[column].kind == Cell::Kind::Number;
    }
  }
  std::vector<std::string> header;
  for (const AnswerColumn& column : answer.columns) {
    header.push_back(printable(column.name));
  }
  Layout layout = lay_out(answer, cells, width_max);
  const std::size_t hidden = answer.columns.size() - layout.shown.size();
  Writer writer(std::move(layout));
  writer.line(header, right);
  writer.rule();
  for (const auto& row : cells) {
    writer.line(row, right);
  }
  std::string text = writer.take();
  if (hidden > 0) {
    text += fmt::format("({} of {} columns do not fit here; the format lines shows all)\n", hidden,
                        answer.columns.size());
  }
  return text;
}

std::string render_lines(const Answer& answer) {
  std::size_t width = 0;
  for (const AnswerColumn& column : answer.columns) {
    width = std::max(width, display_width(printable(column.name)));
  }
  std::string text;
  for (std::size_t number = 0; number < answer.rows.size(); ++number) {
    text += fmt::format("-- row {} --\n", number + 1);
    const auto& row = answer.rows[number];
    for (std::size_t column = 0; column < std::min(row.size(), answer.columns.size()); ++column) {
      text += pad(printable(answer.columns[column].name), width, true) + " = " +
              text_of(row[column]) + "\n";
    }
  }
  return text;
}

std::string render_summary(const Answer& answer, bool with_time) {
  std::string text = fmt::format("({} {}", with_thousands(answer.rows.size()),
                                 answer.rows.size() == 1 ? "row" : "rows");
  if (answer.truncated) {
    text += ", and there are more: --limit N shows N of them";
  }
  if (with_time) {
    text += ", " + human_seconds(answer.elapsed_ms / 1000);
  }
  return text + ")\n";
}

}  // namespace lakehouse::cli
