#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <llama.h>

#include "ai/model_service.h"
#include "base/error.h"

namespace lakehouse::ai {

/// A conversation in the model's own form, ready for its answer. What the messages hold is text and
/// nothing else: a control token written out in one (`<|im_end|>`) is taken for its letters, so no
/// retrieved text can end its message and begin another one.
///
/// FailedPrecondition if the model brings no form of conversations that llama.cpp knows.
Result<std::vector<llama_token>> tokenize_conversation(const llama_model& model,
                                                       std::span<const ChatMessage> messages);

/// A prompt as it stands, with the control tokens that are written out in it.
Result<std::vector<llama_token>> tokenize_prompt(const llama_model& model, std::string_view prompt);

}  // namespace lakehouse::ai
