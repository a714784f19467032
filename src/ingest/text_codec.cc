#include "ingest/text_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace lakehouse::ingest {

namespace {

/// What Windows-1252 has at 0x80 to 0x9F, where Latin-1 has control characters. The five places it
/// leaves empty stay what they are.
constexpr std::array<std::uint32_t, 32> kWindows1252 = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

constexpr std::uint32_t kReplacement = 0xFFFD;

void append_utf8(std::uint32_t code, std::string* out) {
  const auto put = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

/// The length of the run of ASCII at the start.
std::size_t ascii_run(std::string_view bytes) {
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    if ((word & 0x8080808080808080ULL) != 0) {
      break;
    }
  }
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) {
    ++at;
  }
  return at;
}

}  // namespace

std::string_view to_string(TextEncoding encoding) {
  switch (encoding) {
    case TextEncoding::Utf8: return "UTF-8";
    case TextEncoding::Utf16Le: return "UTF-16 (little-endian)";
    case TextEncoding::Utf16Be: return "UTF-16 (big-endian)";
    case TextEncoding::Windows1252: return "Windows-1252 (Latin-1)";
  }
  return "unknown";
}

void Utf8Counter::update(std::string_view bytes) {
  while (!bytes.empty()) {
    if (pending_ == 0) {
      bytes.remove_prefix(ascii_run(bytes));
      if (bytes.empty()) {
        return;
      }
    }
    take(static_cast<unsigned char>(bytes.front()));
    bytes.remove_prefix(1);
  }
}

void Utf8Counter::take(unsigned char byte) {
  if (pending_ > 0) {
    if (byte >= low_ && byte <= high_) {
      low_ = 0x80;
      high_ = 0xBF;
      ++seen_;
      if (--pending_ == 0) {
        ++multibyte_;
      }
      return;
    }
    invalid_ += seen_;
    pending_ = 0;
  }
  low_ = 0x80;
  high_ = 0xBF;
  seen_ = 1;
  if (byte < 0x80) {
    return;
  }
  if (byte >= 0xC2 && byte <= 0xDF) {
    pending_ = 1;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    pending_ = 2;
    low_ = byte == 0xE0 ? 0xA0 : 0x80;
    high_ = byte == 0xED ? 0x9F : 0xBF;
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    pending_ = 3;
    low_ = byte == 0xF0 ? 0x90 : 0x80;
    high_ = byte == 0xF4 ? 0x8F : 0xBF;
  } else {
    ++invalid_;
  }
}

void Utf8Counter::finish() {
  if (pending_ > 0) {
    invalid_ += seen_;
    pending_ = 0;
  }
}

TextEncoding Utf8Counter::guess() const {
  return invalid_ == 0 || multibyte_ / 10 >= invalid_ ? TextEncoding::Utf8
                                                      : TextEncoding::Windows1252;
}

void Transcoder::update(std::string_view bytes, std::string* out) {
  if (from_ == TextEncoding::Utf8) {
    out->append(bytes);
    return;
  }
  if (from_ == TextEncoding::Windows1252) {
    while (!bytes.empty()) {
      const std::size_t run = ascii_run(bytes);
      out->append(bytes.substr(0, run));
      bytes.remove_prefix(run);
      if (!bytes.empty()) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        append_utf8(byte < 0xA0 ? kWindows1252.at(byte - 0x80U) : byte, out);
        bytes.remove_prefix(1);
      }
    }
    return;
  }
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!have_byte_) {
      byte_ = byte;
      have_byte_ = true;
      continue;
    }
    have_byte_ = false;
    const std::uint32_t low = from_ == TextEncoding::Utf16Le ? byte_ : byte;
    const std::uint32_t high = from_ == TextEncoding::Utf16Le ? byte : byte_;
    unit(low | (high << 8U), out);
  }
}

void Transcoder::unit(std::uint32_t unit, std::string* out) {
  if (high_surrogate_ != 0) {
    const std::uint32_t high = std::exchange(high_surrogate_, 0);
    if (unit >= 0xDC00 && unit <= 0xDFFF) {
      append_utf8(0x10000 + ((high - 0xD800) << 10U) + (unit - 0xDC00), out);
      return;
    }
    append_utf8(kReplacement, out);
  }
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    high_surrogate_ = unit;
  } else {
    append_utf8(unit >= 0xDC00 && unit <= 0xDFFF ? kReplacement : unit, out);
  }
}

void Transcoder::finish(std::string* out) {
  if (have_byte_ || high_surrogate_ != 0) {
    append_utf8(kReplacement, out);
  }
  have_byte_ = false;
  high_surrogate_ = 0;
}

EncodingStart encoding_at_start(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) {
    return {TextEncoding::Utf8, 3};
  }
  if (head.starts_with("\xFF\xFE")) {
    return {TextEncoding::Utf16Le, 2};
  }
  if (head.starts_with("\xFE\xFF")) {
    return {TextEncoding::Utf16Be, 2};
  }
  // Without a mark: in UTF-16 of a table nearly every other byte is zero.
  const std::size_t pairs = std::min<std::size_t>(head.size(), 512) / 2;
  std::size_t even = 0;
  std::size_t odd = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    even += head[2 * i] == '\0' ? 1U : 0U;
    odd += head[2 * i + 1] == '\0' ? 1U : 0U;
  }
  if (pairs >= 2 && odd * 10 >= pairs * 7 && even * 10 <= pairs) {
    return {TextEncoding::Utf16Le, 0};
  }
  if (pairs >= 2 && even * 10 >= pairs * 7 && odd * 10 <= pairs) {
    return {TextEncoding::Utf16Be, 0};
  }
  return {};
}

}  // namespace lakehouse::ingest
