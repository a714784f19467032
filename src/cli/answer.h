#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse::cli {

/// One value of a result, as text to be shown.
struct Cell {
  enum class Kind : std::uint8_t { Null, Number, Text, Bool, Nested };
  Kind kind = Kind::Null;
  /// Numbers keep all their digits; nested values are JSON.
  std::string text;
  friend bool operator==(const Cell&, const Cell&) = default;
};

struct AnswerColumn {
  std::string name;
  std::string type;
  friend bool operator==(const AnswerColumn&, const AnswerColumn&) = default;
};

/// The JSON answer of POST /query/sql.
struct Answer {
  std::vector<AnswerColumn> columns;
  std::vector<std::vector<Cell>> rows;
  bool truncated = false;
  double elapsed_ms = 0;
};

/// Reads an answer from its bytes as they arrive. Not thread-safe.
class AnswerReader {
 public:
  AnswerReader();
  ~AnswerReader();
  AnswerReader(const AnswerReader&) = delete;
  AnswerReader& operator=(const AnswerReader&) = delete;

  /// False if the bytes are no such document; the rest need not be given then.
  bool write(std::string_view bytes);
  /// The answer, once all bytes were given. DataLoss if they are no whole answer.
  Result<Answer> finish();

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace lakehouse::cli
