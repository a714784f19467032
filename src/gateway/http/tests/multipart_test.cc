#include "gateway/http/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"

namespace lakehouse::gateway::http {
namespace {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;

struct Part {
  std::string name;
  std::string file_name;
  std::string content_type;
  std::string data;
  friend bool operator==(const Part&, const Part&) = default;
};

// The parts of `body`, pushed in pieces of `step` bytes.
Result<std::vector<Part>> parse(std::string_view body, std::size_t step) {
  LH_ASSIGN_OR_RETURN(auto parser, MultipartParser::of("multipart/form-data; boundary=\"XX\""));
  std::vector<Part> parts;
  for (std::size_t at = 0; at < body.size(); at += step) {
    LH_ASSIGN_OR_RETURN(const auto events, parser.push(body.substr(at, step)));
    for (const auto& event : events) {
      switch (event.kind) {
        case MultipartParser::Event::Kind::PartBegin:
          parts.push_back({.name = event.header.name,
                           .file_name = event.header.file_name,
                           .content_type = event.header.content_type,
                           .data = {}});
          break;
        case MultipartParser::Event::Kind::Data: parts.back().data += event.data; break;
        case MultipartParser::Event::Kind::PartEnd: break;
      }
    }
  }
  LH_RETURN_IF_ERROR(parser.finish());
  return parts;
}

const std::string kBody =
    "--XX\r\n"
    "Content-Disposition: form-data; name=\"dataset\"\r\n"
    "\r\n"
    "main.orders\r\n"
    "--XX\r\n"
    "content-disposition: form-data; name=file; filename=\"a \\\"b\\\".csv\"\r\n"
    "Content-Type: text/csv\r\n"
    "\r\n"
    "a,b\r\n1,2\r\n--X\r\n--\r\n"
    "\r\n--XX--\r\nepilogue";

TEST(Multipart, GivesThePartsWhateverThePieces) {
  for (std::size_t step = 1; step <= kBody.size(); ++step) {
    SCOPED_TRACE(step);
    const auto parts = parse(kBody, step);
    ASSERT_THAT(parts, IsOk());
    ASSERT_EQ(parts->size(), 2U);
    EXPECT_EQ((*parts)[0], (Part{"dataset", "", "", "main.orders"}));
    EXPECT_EQ((*parts)[1],
              (Part{"file", "a \"b\".csv", "text/csv", "a,b\r\n1,2\r\n--X\r\n--\r\n"}));
  }
}

TEST(Multipart, RefusesWhatIsMalformed) {
  const std::vector<std::string> bodies = {
      "",
      "no boundary at all",
      "--XX",
      "--XXjunk\r\n\r\n",
      "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ndata",
      "--XX\r\nContent-Disposition: form-data\r\n\r\ndata\r\n--XX--",
      "--XX\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\ndata\r\n--XX--",
      "--XX\r\nno colon\r\n\r\ndata\r\n--XX--",
      "--XX\r\n\r\ndata\r\n--XX--",
      "--XX\r\nX: " + std::string(9000, 'x') + "\r\n\r\ndata\r\n--XX--",
      "--XX\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\ndata\r\n--XX--",
  };
  for (const std::string& body : bodies) {
    SCOPED_TRACE(body.substr(0, 60));
    EXPECT_THAT(parse(body, 7), FailsWith(ErrorCode::InvalidArgument));
  }
}

TEST(Multipart, NeedsItsContentType) {
  for (const auto* type : {"", "application/json", "multipart/form-data",
                           "multipart/mixed; boundary=a", "multipart/form-data; boundary="}) {
    SCOPED_TRACE(type);
    EXPECT_FALSE(MultipartParser::of(type).has_value());
  }
  EXPECT_TRUE(MultipartParser::of("Multipart/Form-Data; charset=utf-8; Boundary=a-b").has_value());
}

TEST(Multipart, AnyDataComesThroughWhole) {
  EXPECT_TRUE(rc::check("data in, data out", [](const std::string& data, std::uint8_t step) {
    RC_PRE(data.find("\r\n--XX") == std::string::npos);
    const std::string body =
        "--XX\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n" + data + "\r\n--XX--";
    const auto parts = parse(body, std::size_t{step} + 1);
    RC_ASSERT(parts.has_value());
    RC_ASSERT(parts->size() == 1U);
    RC_ASSERT(parts->front().data == data);
  }));
}

}  // namespace
}  // namespace lakehouse::gateway::http
