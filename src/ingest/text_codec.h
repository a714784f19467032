#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// \file
/// Encodings of text files: which one, and into UTF-8.

namespace lakehouse::ingest {

enum class TextEncoding : std::uint8_t { Utf8, Utf16Le, Utf16Be, Windows1252 };
std::string_view to_string(TextEncoding encoding);  ///< "UTF-8".

/// Counts what is UTF-8 in text that comes in pieces. Not thread-safe.
class Utf8Counter {
 public:
  void update(std::string_view bytes);
  /// Ends the text: a character that was cut off is invalid.
  void finish();

  [[nodiscard]] std::uint64_t multibyte() const { return multibyte_; }  ///< Well-formed, non-ASCII.
  [[nodiscard]] std::uint64_t invalid() const { return invalid_; }      ///< Bytes in none.

  /// What the text is, if it has no byte order mark: text with a stray byte among much UTF-8 is
  /// UTF-8; else invalid bytes mean Windows-1252, which holds Latin-1's letters.
  [[nodiscard]] TextEncoding guess() const;

 private:
  void take(unsigned char byte);

  std::uint64_t multibyte_ = 0;
  std::uint64_t invalid_ = 0;
  unsigned pending_ = 0;      ///< Continuation bytes that must follow.
  unsigned seen_ = 0;         ///< Bytes of the character so far.
  unsigned char low_ = 0x80;  ///< What the next one may be: excludes overlong forms, surrogates.
  unsigned char high_ = 0xBF;
};

/// Turns text that comes in pieces into UTF-8. What cannot be becomes U+FFFD. Not thread-safe.
class Transcoder {
 public:
  explicit Transcoder(TextEncoding from) : from_(from) {}
  /// Appends the UTF-8 of the next bytes.
  void update(std::string_view bytes, std::string* out);
  void finish(std::string* out);

 private:
  void unit(std::uint32_t unit, std::string* out);

  TextEncoding from_;
  bool have_byte_ = false;
  unsigned char byte_ = 0;
  std::uint32_t high_surrogate_ = 0;
};

/// The encoding that a byte order mark, or the pattern of zeros in UTF-16, shows, and how long the
/// mark is. Utf8 with 0 if there is nothing to see.
struct EncodingStart {
  TextEncoding encoding = TextEncoding::Utf8;
  std::size_t mark_bytes = 0;
};
EncodingStart encoding_at_start(std::string_view head);

}  // namespace lakehouse::ingest
