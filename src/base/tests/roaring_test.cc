#include "base/roaring.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/testing/matchers.h"

namespace lakehouse {
namespace {

using testing::FailsWith;
using testing::IsOk;

RoaringSet set_of(const std::set<std::uint64_t>& numbers) {
  RoaringSet out;
  for (const std::uint64_t number : numbers) {
    out.add(number);
  }
  return out;
}

/// Numbers as deletes are: some here and there, dense stretches, runs, and a few beyond 32 bits.
std::set<std::uint64_t> some_numbers() {
  std::set<std::uint64_t> out;
  const auto groups = *rc::gen::inRange(0, 6);
  for (int group = 0; group < groups; ++group) {
    const auto base =
        *rc::gen::element<std::uint64_t>(0, 65'530, 200'000, 0xFFFFFFF0ULL, 0x7FFFFFFF00000000ULL);
    const auto step = *rc::gen::element<std::uint64_t>(1, 2, 7, 1000);
    const auto count = *rc::gen::element<std::uint64_t>(1, 3, 100, 5000, 9000);
    for (std::uint64_t i = 0; i < count; ++i) {
      out.insert(base + i * step);
    }
  }
  return out;
}

TEST(Roaring, WhatIsWrittenIsReadAgain) {
  EXPECT_TRUE(rc::check("a set survives", [] {
    const std::set<std::uint64_t> numbers = some_numbers();
    const RoaringSet set = set_of(numbers);
    RC_ASSERT(set.cardinality() == numbers.size());
    RC_ASSERT(set.numbers() == std::vector<std::uint64_t>(numbers.begin(), numbers.end()));
    const std::string bytes = set.serialize();
    const auto again = RoaringSet::parse(bytes);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == set);
    const auto view = RoaringView::open(bytes);
    RC_ASSERT(view.has_value());
    RC_ASSERT(view->check().has_value());
    RC_ASSERT(view->cardinality() == numbers.size());
    RC_ASSERT(view->highest() ==
              (numbers.empty() ? std::nullopt : std::optional(*numbers.rbegin())));
    for (const std::uint64_t number : numbers) {
      RC_ASSERT(view->contains(number));
      RC_ASSERT(set.contains(number));
      RC_ASSERT(view->contains(number + 1) == numbers.contains(number + 1));
      RC_ASSERT(number == 0 || view->contains(number - 1) == numbers.contains(number - 1));
    }
  }));
}

TEST(Roaring, AMergeHoldsBoth) {
  EXPECT_TRUE(rc::check("a union", [] {
    std::set<std::uint64_t> a = some_numbers();
    const std::set<std::uint64_t> b = some_numbers();
    RoaringSet merged = set_of(a);
    merged.merge(set_of(b));
    a.insert(b.begin(), b.end());
    RC_ASSERT(merged == set_of(a));
  }));
}

TEST(Roaring, TheFormatIsThePortableOne) {
  using namespace std::string_literals;
  EXPECT_EQ(RoaringSet().serialize(), "\0\0\0\0\0\0\0\0"s);
  // One array container: its offset stands there, since there are no runs.
  EXPECT_EQ(set_of({3, 7}).serialize(),
            "\1\0\0\0\0\0\0\0"
            "\0\0\0\0"
            "\x3A\x30\0\0\1\0\0\0"
            "\0\0\1\0"
            "\x10\0\0\0"
            "\3\0\7\0"s);
  // Ten in a row are one run: 11,4 would be five.
  EXPECT_EQ(set_of({11, 12, 13, 14, 15, 16, 17, 18, 19, 20}).serialize(),
            "\1\0\0\0\0\0\0\0"
            "\0\0\0\0"
            "\x3B\x30\0\0\1"
            "\0\0\x9\0"
            "\1\0\xB\0\x9\0"s);
  std::set<std::uint64_t> odd;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    odd.insert(2 * i + 1);
  }
  EXPECT_EQ(set_of(odd).serialize().size(), 8U + 4 + 8 + 4 + 4 + 8192);
  // Some writers put an empty bitmap for a key without numbers.
  const auto empty = RoaringView::open("\1\0\0\0\0\0\0\0\0\0\0\0\x3A\x30\0\0\0\0\0\0"s);
  ASSERT_THAT(empty, IsOk());
  EXPECT_EQ(empty->cardinality(), 0U);
  EXPECT_FALSE(empty->contains(0));
}

TEST(Roaring, WhatIsBrokenIsRefusedAndNeverReadBeyond) {
  const RoaringSet set = set_of({1, 2, 3, 4, 5, 6, 7, 70'000, 70'002, 140'000, 0x100000000ULL});
  const std::string good = set.serialize();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(RoaringView::open(std::string_view(good).substr(0, size)),
                FailsWith(ErrorCode::DataLoss));
  }
  EXPECT_THAT(RoaringView::open(good + "x"), FailsWith(ErrorCode::DataLoss));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xFF}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const auto view = RoaringView::open(bad);
      if (!view) {
        continue;
      }
      for (const std::uint64_t number : {0ULL, 3ULL, 65'535ULL, 70'001ULL, 1ULL << 40U}) {
        static_cast<void>(view->contains(number));
      }
      static_cast<void>(view->highest());
      if (view->check()) {
        const auto parsed = RoaringSet::parse(bad);
        ASSERT_THAT(parsed, IsOk());
        EXPECT_EQ(parsed->cardinality(), view->cardinality());
      }
    }
  }
}

TEST(Roaring, NumbersOutOfOrderAreFound) {
  std::string bytes = set_of({3, 7}).serialize();
  bytes[bytes.size() - 2] = 2;  // 3, 2
  const auto view = RoaringView::open(bytes);
  ASSERT_THAT(view, IsOk());
  EXPECT_THAT(view->check(), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(RoaringSet::parse(bytes), FailsWith(ErrorCode::DataLoss));
}

TEST(Roaring, ALittleFileDoesNotBecomeAllMemory) {
  // 65,536 containers, each one run of all its numbers: 4 GB of positions in under 1 MB.
  using namespace std::string_literals;
  std::string bytes = "\1\0\0\0\0\0\0\0\0\0\0\0\x3B\x30\xFF\xFF"s + std::string(8192, '\xFF');
  for (unsigned key = 0; key < 65'536; ++key) {
    bytes += static_cast<char>(key & 0xFFU);
    bytes += static_cast<char>(key >> 8U);
    bytes += "\xFF\xFF";
  }
  bytes += std::string(std::size_t{4} * 65'536, '\0');
  for (unsigned key = 0; key < 65'536; ++key) {
    bytes += "\1\0\0\0\xFF\xFF"s;
  }
  const auto view = RoaringView::open(bytes);
  ASSERT_THAT(view, IsOk());
  EXPECT_THAT(view->check(), IsOk());
  EXPECT_EQ(view->cardinality(), 1ULL << 32U);
  EXPECT_THAT(RoaringSet::parse(bytes), FailsWith(ErrorCode::ResourceExhausted));
}

}  // namespace
}  // namespace lakehouse
