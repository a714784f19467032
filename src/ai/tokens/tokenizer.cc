#include "ai/tokens/tokenizer.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"

namespace lakehouse::ai {
namespace {

namespace json = boost::json;

// Text is taken apart piece by piece, so that what is cut off costs nothing.
constexpr std::size_t kPieceBytes = 1'024;
constexpr std::size_t kPieceBytesMax = std::size_t{64} << 10U;
constexpr std::int64_t kIdMax = 10'000'000;

std::unexpected<Error> unknown_kind(std::string_view what) {
  return fail(ErrorCode::Unimplemented,
              fmt::format("this tokenizer.json has {}, which is not built in", what),
              "Models with BERT's tokenizer (WordPiece) work: MiniLM, BGE, E5, GTE in English.");
}

std::string_view type_of(const json::object& object) {
  const json::value* type = object.if_contains("type");
  return type != nullptr && type->is_string() ? std::string_view(type->get_string())
                                              : std::string_view();
}

// Cut at a space, where nothing belongs together; where there is none for long, at a character.
std::size_t piece_of(std::string_view text) {
  if (text.size() <= kPieceBytes) {
    return text.size();
  }
  const std::size_t space = text.substr(0, kPieceBytesMax + 1).find(' ', kPieceBytes);
  const std::size_t end = std::min(space, text.size());
  if (end <= kPieceBytesMax) {
    return end;
  }
  std::size_t cut = kPieceBytesMax;
  while (cut > kPieceBytesMax - 4 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) {
    --cut;
  }
  return cut;
}

std::string as_text(std::u32string_view characters) {
  std::string text;
  for (const char32_t c : characters) {
    append_utf8(text, c);
  }
  return text;
}

}  // namespace

/// Reads the parts of a tokenizer.json, each of which may say that it is not ours.
class TokenizerReader {
 public:
  explicit TokenizerReader(Tokenizer& to) : to_(to) {}

  Status read(const json::value& document) {
    LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(document, "tokenizer.json"));
    LH_ASSIGN_OR_RETURN(const auto* model, fields.require_object("model"));
    LH_RETURN_IF_ERROR(read_model(*model));
    LH_ASSIGN_OR_RETURN(const auto* normalizer, fields.optional_object("normalizer"));
    LH_RETURN_IF_ERROR(read_normalizer(normalizer));
    LH_ASSIGN_OR_RETURN(const auto* splitter, fields.require_object("pre_tokenizer"));
    if (type_of(*splitter) != "BertPreTokenizer") {
      return unknown_kind(fmt::format("the pre-tokenizer '{}'", type_of(*splitter)));
    }
    LH_ASSIGN_OR_RETURN(const auto* added, fields.optional_array("added_tokens"));
    LH_RETURN_IF_ERROR(read_added(added));
    LH_ASSIGN_OR_RETURN(const auto* around, fields.optional_object("post_processor"));
    LH_RETURN_IF_ERROR(read_around(around));
    LH_ASSIGN_OR_RETURN(const auto* truncation, fields.optional_object("truncation"));
    if (truncation != nullptr) {
      JsonFields members(*truncation, "truncation");
      LH_ASSIGN_OR_RETURN(const auto length, members.require_int64("max_length"));
      to_.max_length_ = static_cast<std::size_t>(std::max<std::int64_t>(length, 3));
    }
    return {};
  }

 private:
  Status read_model(const json::object& object) {
    if (type_of(object) != "WordPiece") {
      return unknown_kind(fmt::format("a model of the type '{}'", type_of(object)));
    }
    JsonFields fields(object, "the model of tokenizer.json");
    LH_ASSIGN_OR_RETURN(const auto unknown, fields.require_string("unk_token"));
    LH_ASSIGN_OR_RETURN(const auto prefix, fields.require_string("continuing_subword_prefix"));
    LH_ASSIGN_OR_RETURN(const auto chars_max, fields.optional_int64("max_input_chars_per_word"));
    to_.word_chars_max_ =
        static_cast<std::size_t>(std::clamp<std::int64_t>(chars_max.value_or(100), 1, 10'000));
    LH_ASSIGN_OR_RETURN(const auto* vocabulary, fields.require_object("vocab"));
    for (const auto& [name, value] : *vocabulary) {
      if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > kIdMax) {
        return fail(ErrorCode::InvalidArgument, "tokenizer.json: a token's number is none");
      }
      const auto id = static_cast<std::int32_t>(value.get_int64());
      const std::string_view text = name;
      to_.longest_ = std::max(to_.longest_, text.size());
      to_.beginnings_.emplace(text, id);
      if (text.starts_with(prefix) && text.size() > prefix.size()) {
        to_.continuations_.emplace(text.substr(prefix.size()), id);
      }
      ids_.emplace(text, id);
    }
    to_.vocabulary_size_ = vocabulary->size();
    LH_ASSIGN_OR_RETURN(to_.unknown_id_, id_of(unknown));
    if (const auto padding = ids_.find("[PAD]"); padding != ids_.end()) {
      to_.padding_id_ = padding->second;
    }
    return {};
  }

  Result<std::int32_t> id_of(const std::string& token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("tokenizer.json: the token {} has no number", token));
    }
    return found->second;
  }

  Status read_normalizer(const json::object* object) {
    if (object == nullptr) {
      to_.normalizer_ = {false, false, false, false};
      return {};
    }
    if (type_of(*object) != "BertNormalizer") {
      return unknown_kind(fmt::format("the normalizer '{}'", type_of(*object)));
    }
    JsonFields fields(*object, "the normalizer of tokenizer.json");
    LH_ASSIGN_OR_RETURN(const auto clean, fields.optional_bool("clean_text"));
    LH_ASSIGN_OR_RETURN(const auto chinese, fields.optional_bool("handle_chinese_chars"));
    LH_ASSIGN_OR_RETURN(const auto accents, fields.optional_bool("strip_accents"));
    LH_ASSIGN_OR_RETURN(const auto lowercase, fields.optional_bool("lowercase"));
    to_.normalizer_.clean_text = clean.value_or(true);
    to_.normalizer_.handle_chinese_chars = chinese.value_or(true);
    to_.normalizer_.lowercase = lowercase.value_or(true);
    to_.normalizer_.strip_accents = accents.value_or(to_.normalizer_.lowercase);
    return {};
  }

  Status read_added(const json::array* array) {
    if (array == nullptr) {
      return {};
    }
    for (const json::value& value : *array) {
      LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "an added token"));
      LH_ASSIGN_OR_RETURN(auto text, fields.require_string("content"));
      LH_ASSIGN_OR_RETURN(const auto id, fields.require_int64("id"));
      LH_ASSIGN_OR_RETURN(const auto single_word, fields.optional_bool("single_word"));
      LH_ASSIGN_OR_RETURN(const auto normalized, fields.optional_bool("normalized"));
      if (id < 0 || id > kIdMax || text.empty()) {
        return fail(ErrorCode::InvalidArgument, "tokenizer.json: an added token is none");
      }
      if (single_word.value_or(false) || normalized.value_or(false)) {
        return unknown_kind(fmt::format("the added token {} that is no plain text", text));
      }
      const auto number = static_cast<std::int32_t>(id);
      ids_.emplace(text, number);
      to_.added_.push_back({.text = std::move(text), .id = number});
    }
    return {};
  }

  Status read_around(const json::object* object) {
    const std::string_view type = object == nullptr ? "" : type_of(*object);
    if (type == "TemplateProcessing") {
      JsonFields fields(*object, "the post-processor of tokenizer.json");
      LH_ASSIGN_OR_RETURN(const auto* single, fields.require_array("single"));
      LH_RETURN_IF_ERROR(read_template(*single, to_.single_));
      LH_ASSIGN_OR_RETURN(const auto* pair, fields.require_array("pair"));
      return read_template(*pair, to_.pair_);
    }
    if (!type.empty() && type != "BertProcessing") {
      return unknown_kind(fmt::format("the post-processor '{}'", type));
    }
    LH_ASSIGN_OR_RETURN(const std::int32_t cls, id_of("[CLS]"));
    LH_ASSIGN_OR_RETURN(const std::int32_t sep, id_of("[SEP]"));
    to_.single_ = {{.id = cls}, {}, {.id = sep}};
    to_.pair_ = {{.id = cls},
                 {},
                 {.id = sep},
                 {.id = -1, .is_second = true, .type = 1},
                 {.id = sep, .is_second = false, .type = 1}};
    return {};
  }

  Status read_template(const json::array& array, std::vector<Tokenizer::Part>& parts) {
    for (const json::value& value : array) {
      LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "a template"));
      LH_ASSIGN_OR_RETURN(const auto* special, fields.optional_object("SpecialToken"));
      LH_ASSIGN_OR_RETURN(const auto* sequence, fields.optional_object("Sequence"));
      if ((special == nullptr) == (sequence == nullptr)) {
        return fail(ErrorCode::InvalidArgument, "tokenizer.json: a template has an odd part");
      }
      JsonFields members(special != nullptr ? *special : *sequence, "a part of a template");
      LH_ASSIGN_OR_RETURN(const auto name, members.require_string("id"));
      LH_ASSIGN_OR_RETURN(const auto type, members.require_int64("type_id"));
      Tokenizer::Part part{.id = -1, .is_second = false, .type = static_cast<std::uint8_t>(type)};
      if (special != nullptr) {
        LH_ASSIGN_OR_RETURN(part.id, id_of(name));
      } else {
        part.is_second = name == "B";
      }
      parts.push_back(part);
    }
    return {};
  }

  Tokenizer& to_;
  Tokenizer::Vocabulary ids_;
};

Result<std::unique_ptr<Tokenizer>> Tokenizer::parse(std::string_view json) {
  LH_ASSIGN_OR_RETURN(const boost::json::value document, parse_json(json, "tokenizer.json"));
  std::unique_ptr<Tokenizer> tokenizer(new Tokenizer());
  LH_RETURN_IF_ERROR(TokenizerReader(*tokenizer).read(document));
  return tokenizer;
}

void Tokenizer::add_word(std::u32string_view word, std::vector<std::int32_t>& to) const {
  if (word.size() > word_chars_max_) {
    to.push_back(unknown_id_);
    return;
  }
  const std::string text = as_text(word);
  const std::size_t before = to.size();
  for (std::size_t begin = 0; begin < text.size();) {
    const Vocabulary& vocabulary = begin == 0 ? beginnings_ : continuations_;
    std::size_t end = std::min(text.size(), begin + longest_);
    auto found = vocabulary.end();
    for (; end > begin; --end) {
      const bool is_boundary =
          end == text.size() || (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
      if (is_boundary) {
        found = vocabulary.find(std::string_view(text).substr(begin, end - begin));
        if (found != vocabulary.end()) {
          break;
        }
      }
    }
    if (found == vocabulary.end()) {
      to.resize(before);
      to.push_back(unknown_id_);
      return;
    }
    to.push_back(found->second);
    begin = end;
  }
}

void Tokenizer::add_text(std::string_view text, std::vector<std::int32_t>& to) const {
  const std::u32string piece = normalize(decode_utf8(text), normalizer_);
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= piece.size(); ++i) {
    const bool is_end = i == piece.size();
    const bool is_own = !is_end && is_punctuation(piece[i]);
    if (!is_end && !is_own && !is_between_words(piece[i])) {
      continue;
    }
    if (i > begin) {
      add_word(std::u32string_view(piece).substr(begin, i - begin), to);
    }
    if (is_own) {
      add_word(std::u32string_view(piece).substr(i, 1), to);
    }
    begin = i + 1;
  }
}

std::pair<const Tokenizer::Added*, std::size_t> Tokenizer::find_added(std::string_view text) const {
  std::pair<const Added*, std::size_t> first{nullptr, std::string_view::npos};
  for (const Added& added : added_) {
    const std::size_t at =
        text.substr(0, first.second == std::string_view::npos
                           ? text.size()
                           : std::min(text.size(), first.second + added.text.size()))
            .find(added.text);
    const bool is_longer = first.first != nullptr && at == first.second &&
                           added.text.size() > first.first->text.size();
    if (at != std::string_view::npos && (at < first.second || is_longer)) {
      first = {&added, at};
    }
  }
  return first;
}

std::vector<std::int32_t> Tokenizer::tokens_of(std::string_view text, std::size_t count_max) const {
  std::vector<std::int32_t> tokens;
  while (!text.empty() && tokens.size() <= count_max) {
    std::string_view piece = text.substr(0, piece_of(text));
    text.remove_prefix(piece.size());
    while (!piece.empty() && tokens.size() <= count_max) {
      const auto [added, at] = find_added(piece);
      add_text(piece.substr(0, at), tokens);
      if (added == nullptr) {
        break;
      }
      tokens.push_back(added->id);
      piece.remove_prefix(at + added->text.size());
    }
  }
  return tokens;
}

void Tokenizer::assemble(const std::vector<Part>& parts, const std::vector<std::int32_t>& first,
                         const std::vector<std::int32_t>& second, TokenIds& out) const {
  for (const Part& part : parts) {
    if (part.id >= 0) {
      out.ids.push_back(part.id);
    } else {
      const auto& tokens = part.is_second ? second : first;
      out.ids.insert(out.ids.end(), tokens.begin(), tokens.end());
    }
    out.types.resize(out.ids.size(), part.type);
  }
}

void Tokenizer::encode(std::string_view text, std::size_t tokens_max, TokenIds& out) const {
  out.clear();
  const std::size_t around = single_.size() - 1;
  const std::size_t room = tokens_max > around ? tokens_max - around : 0;
  std::vector<std::int32_t> tokens = tokens_of(text, room);
  out.truncated = tokens.size() > room;
  tokens.resize(std::min(tokens.size(), room));
  assemble(single_, tokens, {}, out);
}

void Tokenizer::encode_pair(std::string_view first, std::string_view second, std::size_t tokens_max,
                            TokenIds& out) const {
  out.clear();
  const std::size_t around = pair_.size() - 2;
  const std::size_t room = tokens_max > around ? tokens_max - around : 0;
  std::vector<std::int32_t> a = tokens_of(first, room);
  std::vector<std::int32_t> b = tokens_of(second, room);
  if (a.size() + b.size() > room) {
    out.truncated = true;
    // The shorter one stays whole if that leaves the other as much; else each gets half.
    auto& shorter = a.size() > b.size() ? b : a;
    auto& longer = a.size() > b.size() ? a : b;
    if (shorter.size() > room / 2) {
      shorter.resize(room / 2);
    }
    longer.resize(room - shorter.size());
  }
  assemble(pair_, a, b, out);
}

}  // namespace lakehouse::ai
