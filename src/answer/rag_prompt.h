#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ai/model_service.h"
#include "answer/evidence.h"

namespace lakehouse::answer {

/// What a model writes when the sources do not tell.
inline constexpr std::string_view kNoAnswer = "NO ANSWER";

/// The conversation that asks for an answer. The same question and evidence give the same one.
/// Sources stand between marks that their text cannot know, without sentences that read like
/// instructions and without what a chat format is made of.
std::vector<ai::ChatMessage> rag_messages(std::string_view question,
                                          std::span<const Evidence> evidence);
/// SHA-256 of the messages.
std::string prompt_digest(const std::vector<ai::ChatMessage>& messages);

/// `text` without sentences that read like instructions; `left_out` counts them.
std::string without_instructions(std::string_view text, std::size_t& left_out);

}  // namespace lakehouse::answer
