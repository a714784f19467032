#include "answer/answer_vote.h"

#include <algorithm>
#include <map>
#include <utility>

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/json.h"

namespace lakehouse::answer {
namespace {

namespace json = boost::json;

std::string cell_key(const json::value& cell) {
  if (cell.is_number()) {
    return fmt::format("{:.6g}", cell.to_number<double>());
  }
  if (cell.is_string()) {
    // A decimal leaves the engine as text.
    double number = 0;
    const std::string text(cell.get_string());
    std::size_t used = 0;
    try {
      number = std::stod(text, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    return used == text.size() && used > 0 ? fmt::format("{:.6g}", number) : to_json(cell);
  }
  return to_json(cell);
}

struct Leading {
  std::optional<std::size_t> place;
  std::size_t votes = 0;
};

Leading leading(const std::vector<std::optional<std::string>>& votes) {
  std::map<std::string, std::pair<std::size_t, std::size_t>> counted;  // Votes, first place.
  for (std::size_t i = 0; i < votes.size(); ++i) {
    if (votes[i]) {
      ++counted.try_emplace(*votes[i], 0, i).first->second.first;
    }
  }
  Leading out;
  for (const auto& [key, entry] : counted) {
    const auto& [count, place] = entry;
    if (count > out.votes || (count == out.votes && place < out.place)) {
      out = {.place = place, .votes = count};
    }
  }
  return out;
}

}  // namespace

std::string rows_key(const std::vector<json::array>& rows) {
  std::vector<std::string> lines;
  lines.reserve(rows.size());
  for (const json::array& row : rows) {
    std::string line;
    for (const json::value& cell : row) {
      line += cell_key(cell) + "\x1f";
    }
    lines.push_back(std::move(line));
  }
  std::ranges::sort(lines);
  std::string out = fmt::format("{}x{}\n", rows.size(), rows.empty() ? 0 : rows.front().size());
  for (const std::string& line : lines) {
    out += line + "\n";
  }
  return out;
}

bool says_nothing(const std::vector<json::array>& rows) {
  return rows.empty() ||
         (rows.size() == 1 && std::ranges::all_of(rows.front(), [](const json::value& cell) {
            return cell.is_null();
          }));
}

void Vote::add(std::optional<std::string> key) {
  votes_.push_back(std::move(key));
}

std::optional<std::size_t> Vote::leader() const {
  return leading(votes_).place;
}

std::size_t Vote::votes_of_leader() const {
  return leading(votes_).votes;
}

std::size_t Vote::count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(votes_, [](const auto& vote) { return vote.has_value(); }));
}

}  // namespace lakehouse::answer
