#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ai/model_service.h"
#include "answer/evidence.h"
#include "answer/rag_service.h"
#include "base/error.h"
#include "base/request_context.h"

namespace lakehouse::answer {

/// The name of answering without a model that writes.
inline constexpr std::string_view kExtractive = "extractive";

/// The sentences of the evidence that answer the question best, as they stand, at most three, each
/// its own citation; none if none is near. `embedder` may be null: then by words alone.
Result<std::vector<AnswerSentence>> extract_sentences(const RequestContext& context,
                                                      std::string_view question,
                                                      std::span<const Evidence> evidence,
                                                      ai::Embedder* embedder);

}  // namespace lakehouse::answer
