#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace lakehouse::gateway::http {

/// One part's header, of a multipart/form-data body.
struct PartHeader {
  std::string name;          ///< The form field.
  std::string file_name;     ///< Empty if the part is no file.
  std::string content_type;  ///< Empty if not given.
};

/// Splits a multipart/form-data body (RFC 7578) that is pushed in pieces of any size. Keeps at most
/// a header (8 KiB) and a boundary's length of data. Not thread-safe.
class MultipartParser {
 public:
  /// What comes out of one push, in order.
  struct Event {
    enum class Kind : std::uint8_t { PartBegin, Data, PartEnd };
    Kind kind = Kind::Data;
    PartHeader header;  ///< Of PartBegin.
    std::string data;   ///< Of Data: never empty.
  };

  /// From a Content-Type header's whole value. InvalidArgument if it is no multipart/form-data, or
  /// has no boundary.
  static Result<MultipartParser> of(std::string_view content_type);

  /// InvalidArgument for a malformed body; the parser is then useless.
  Result<std::vector<Event>> push(std::string_view bytes);
  /// InvalidArgument if the closing boundary has not come.
  [[nodiscard]] Status finish() const;

  static constexpr std::size_t kHeaderBytesMax = 8192;
  static constexpr std::size_t kPartsMax = 1000;

 private:
  explicit MultipartParser(std::string boundary);
  Status read_header(std::string_view text, PartHeader* header) const;
  // One move of the machine each; false if it needs more bytes.
  Result<bool> step(std::vector<Event>* events);
  bool read_until_delimiter(std::vector<Event>* events);
  Result<bool> read_boundary_end();
  Result<bool> read_part_begin(std::vector<Event>* events);

  enum class State : std::uint8_t { Preamble, AfterBoundary, Header, Data, Epilogue };
  std::string delimiter_;  ///< CR LF "--" boundary.
  std::string held_;
  State state_ = State::Preamble;
  std::size_t parts_ = 0;
};

}  // namespace lakehouse::gateway::http
