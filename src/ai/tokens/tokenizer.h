#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ai/tokens/unicode.h"
#include "base/error.h"

namespace lakehouse::ai {

/// What a model takes: numbers of tokens, and which of two texts each is of.
struct TokenIds {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> types;
  bool truncated = false;

  void clear() { *this = TokenIds(); }
};

/// Text into the tokens of a BERT model (WordPiece), equal to what Hugging Face's `tokenizers`
/// makes of it with the same tokenizer.json (but for 64 KiB and more without a space). Immutable,
/// so thread-safe.
class Tokenizer {
 public:
  /// From the text of a tokenizer.json. InvalidArgument if it is none; Unimplemented, naming what
  /// is missing, if it is of another sort than BERT's.
  static Result<std::unique_ptr<Tokenizer>> parse(std::string_view json);

  /// With the special tokens around; a longer text is cut so that all are `tokens_max` at most.
  void encode(std::string_view text, std::size_t tokens_max, TokenIds& out) const;
  /// Two texts, for a model that compares them; the longer one is cut first.
  void encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max,
                   TokenIds& out) const;

  [[nodiscard]] std::int32_t padding_id() const { return padding_id_; }
  [[nodiscard]] std::size_t vocabulary_size() const { return vocabulary_size_; }
  /// What the file itself says; nothing if it does not.
  [[nodiscard]] std::optional<std::size_t> max_length() const { return max_length_; }

 private:
  Tokenizer() = default;

  /// A token that is found in the text as it stands.
  struct Added {
    std::string text;
    std::int32_t id = 0;
  };
  /// One piece of what is made of one or two texts: a special token, or a text.
  struct Part {
    std::int32_t id = -1;  ///< -1: the text.
    bool is_second = false;
    std::uint8_t type = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Vocabulary = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;
  friend class TokenizerReader;

  std::vector<std::int32_t> tokens_of(std::string_view text, std::size_t count_max) const;
  void add_text(std::string_view text, std::vector<std::int32_t>& to) const;
  void add_word(std::u32string_view word, std::vector<std::int32_t>& to) const;
  [[nodiscard]] std::pair<const Added*, std::size_t> find_added(std::string_view text) const;
  void assemble(const std::vector<Part>& parts, const std::vector<std::int32_t>& first,
                const std::vector<std::int32_t>& second, TokenIds& out) const;

  NormalizerOptions normalizer_;
  Vocabulary beginnings_;     ///< What a word can begin with.
  Vocabulary continuations_;  ///< What can follow, without the prefix.
  std::size_t longest_ = 0;   ///< In characters.
  std::vector<Added> added_;
  std::vector<Part> single_;
  std::vector<Part> pair_;
  std::size_t word_chars_max_ = 100;
  std::int32_t unknown_id_ = 0;
  std::int32_t padding_id_ = 0;
  std::size_t vocabulary_size_ = 0;
  std::optional<std::size_t> max_length_;
};

}  // namespace lakehouse::ai
