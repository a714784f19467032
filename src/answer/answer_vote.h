#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

/// \file
/// Statements that were written independently and give the same rows are likely right (Wang et
/// al., Self-Consistency Improves Chain of Thought Reasoning, 2023).

namespace lakehouse::answer {

/// Equal for answers with the same rows, whatever the columns are called and however the rows are
/// ordered; numbers count to six digits.
std::string rows_key(const std::vector<boost::json::array>& rows);

/// True if the rows say nothing: none, or a single one of NULLs.
bool says_nothing(const std::vector<boost::json::array>& rows);

/// Votes for answers by their keys, in order. Not thread-safe.
class Vote {
 public:
  /// A statement's answer; nothing for one that failed.
  void add(std::optional<std::string> key);
  /// The place (in the order of `add`) of the first vote for the leading answer; nothing if none
  /// has one. The earlier one leads of two.
  [[nodiscard]] std::optional<std::size_t> leader() const;
  [[nodiscard]] std::size_t votes_of_leader() const;
  /// Of all that have an answer.
  [[nodiscard]] std::size_t count() const;

 private:
  std::vector<std::optional<std::string>> votes_;
};

}  // namespace lakehouse::answer
