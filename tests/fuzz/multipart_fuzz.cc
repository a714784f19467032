// The multipart parser on any bytes, pushed in pieces that the input itself chooses.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/http/multipart.h"

using lakehouse::gateway::http::MultipartParser;

namespace {

// The parts' data in one string; the same whatever the pieces.
std::string parse(std::string_view body, std::size_t step) {
  auto parser = MultipartParser::of("multipart/form-data; boundary=b");
  std::string seen;
  while (!body.empty()) {
    const std::size_t count = std::min(step, body.size());
    const auto events = parser->push(body.substr(0, count));
    if (!events) {
      return "refused";
    }
    for (const auto& event : *events) {
      const bool is_data = event.kind == MultipartParser::Event::Kind::Data;
      if (is_data && event.data.empty()) {
        std::abort();  // Its contract: data is never empty.
      }
      seen += is_data ? event.data
              : event.kind == MultipartParser::Event::Kind::PartBegin
                  ? "<" + event.header.name + "|" + event.header.file_name + ">"
                  : std::string("</>");
    }
    body.remove_prefix(count);
  }
  return parser->finish() ? seen : "refused";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  static_cast<void>(MultipartParser::of(body));
  if (parse(body, body.size() + 1) != parse(body, std::size_t{data[0]} + 1)) {
    std::abort();
  }
  return 0;
}
