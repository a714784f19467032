#include "iceberg/detail/compression.h"

#include <array>

#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse::iceberg::detail {
namespace {

using testing::FailsWith;
using testing::IsOkAnd;
using namespace std::string_literals;

/// Made by Google's Snappy from `plain()`: literals, near and far copies.
constexpr std::string_view kPacked =
    "f403f06900010409101924314051647990a9c4e10526496e95bee91b4a7baee31f5893d0145598dd2972bd0f5eaf07"
    "5cb3116cc92d8ef15bc2309b0d7ced65da56cf4fcc50d159de6af38315a43acd67039c3cd97d23c6701cc57527d68c"
    "44f9b57333f0b47a420c000104091019fe6400fe6400ee640009640061fe0100fe0100fe01000d01";

std::string plain() {
  std::string out;
  for (int copy = 0; copy < 3; ++copy) {
    for (int i = 0; i < 100; ++i) {
      out.push_back(static_cast<char>(i * i % 251));
    }
  }
  return out + std::string(200, 'a');
}

std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

TEST(Compression, SnappyIsUndone) {
  EXPECT_THAT(unsnappy(from_hex(kPacked), 500), IsOkAnd(plain()));
  EXPECT_THAT(unsnappy("\0"s, 500), IsOkAnd(""s));
  EXPECT_EQ(crc32_of(plain()), 0xB4B98C2AU);
}

TEST(Compression, BrokenSnappyIsRefused) {
  const std::string good = from_hex(kPacked);
  EXPECT_THAT(unsnappy(good, 499), FailsWith(ErrorCode::DataLoss));
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(unsnappy(std::string_view(good).substr(0, size), 500),
                FailsWith(ErrorCode::DataLoss));
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      static_cast<void>(unsnappy(bad, 1000));
    }
  }
  // Claims much, copies from before its beginning, a size without end.
  for (const std::string& bad : {"\xFF\xFF\xFF\xFF\x07\0a"s, "\4\x0D\1"s, "\4\0a\x05\2"s,
                                 "\xFF\xFF\xFF\xFF\xFF\xFF"s, ""s}) {
    EXPECT_THAT(unsnappy(bad, 1U << 30U), FailsWith(ErrorCode::DataLoss));
  }
}

}  // namespace
}  // namespace lakehouse::iceberg::detail
