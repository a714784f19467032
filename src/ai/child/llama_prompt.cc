#include "ai/child/llama_prompt.h"

#include <limits>
#include <string>

#include <fmt/format.h>

namespace lakehouse::ai {
namespace {

constexpr std::size_t kTemplateBytesMax = std::size_t{1} << 20U;

Status append_tokens(const llama_vocab* vocab, std::string_view text, bool is_first,
                     bool with_control, std::vector<llama_token>& tokens) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() / 2)) {
    return fail(ErrorCode::InvalidArgument, "the prompt is too long");
  }
  const auto length = static_cast<std::int32_t>(text.size());
  const std::size_t before = tokens.size();
  tokens.resize(before + text.size() + 2);
  std::int32_t count =
      llama_tokenize(vocab, text.data(), length, tokens.data() + before,
                     static_cast<std::int32_t>(text.size() + 2), is_first, with_control);
  if (count < 0 && count != std::numeric_limits<std::int32_t>::min()) {
    tokens.resize(before + static_cast<std::size_t>(-count));
    count = llama_tokenize(vocab, text.data(), length, tokens.data() + before, -count, is_first,
                           with_control);
  }
  if (count < 0) {
    return fail(ErrorCode::InvalidArgument, "the prompt cannot be made into tokens");
  }
  tokens.resize(before + static_cast<std::size_t>(count));
  return {};
}

std::string marker(std::size_t i) {
  return fmt::format("\x01lh-message-{}\x02", i);
}

// The template with a marker in the place of each content.
Result<std::string> fill_template(const char* form, std::span<const ChatMessage> messages) {
  std::vector<std::string> markers;
  std::vector<llama_chat_message> chat;
  markers.reserve(messages.size());
  for (const ChatMessage& message : messages) {
    markers.push_back(marker(markers.size()));
    chat.push_back({.role = message.role.c_str(), .content = markers.back().c_str()});
  }
  std::string text(4096 + messages.size() * 256, '\0');
  for (int tries = 0; tries < 2; ++tries) {
    const std::int32_t size = llama_chat_apply_template(
        form, chat.data(), chat.size(), true, text.data(), static_cast<std::int32_t>(text.size()));
    if (size < 0 || static_cast<std::size_t>(size) > kTemplateBytesMax) {
      break;
    }
    const bool fits = static_cast<std::size_t>(size) <= text.size();
    text.resize(static_cast<std::size_t>(size));
    if (fits) {
      return text;
    }
  }
  return fail(ErrorCode::FailedPrecondition, "this model has no known form of conversations",
              "Give a prompt instead of messages.");
}

}  // namespace

Result<std::vector<llama_token>> tokenize_conversation(const llama_model& model,
                                                       std::span<const ChatMessage> messages) {
  const char* form = llama_model_chat_template(&model, nullptr);
  if (form == nullptr) {
    return fail(ErrorCode::FailedPrecondition, "this model brings no form of conversations",
                "Give a prompt instead of messages.");
  }
  LH_ASSIGN_OR_RETURN(const std::string filled, fill_template(form, messages));
  const llama_vocab* vocab = llama_model_get_vocab(&model);
  std::vector<llama_token> tokens;
  std::string_view rest = filled;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string mark = marker(i);
    const std::size_t at = rest.find(mark);
    if (at == std::string_view::npos) {
      return fail(ErrorCode::FailedPrecondition,
                  "this model's form of conversations leaves messages out",
                  "Give a prompt instead of messages.");
    }
    LH_RETURN_IF_ERROR(append_tokens(vocab, rest.substr(0, at), i == 0, true, tokens));
    LH_RETURN_IF_ERROR(append_tokens(vocab, messages[i].content, false, false, tokens));
    rest.remove_prefix(at + mark.size());
  }
  LH_RETURN_IF_ERROR(append_tokens(vocab, rest, false, true, tokens));
  return tokens;
}

Result<std::vector<llama_token>> tokenize_prompt(const llama_model& model,
                                                 std::string_view prompt) {
  std::vector<llama_token> tokens;
  LH_RETURN_IF_ERROR(append_tokens(llama_model_get_vocab(&model), prompt, true, true, tokens));
  return tokens;
}

}  // namespace lakehouse::ai
