#include "ai/model_service.h"

namespace lakehouse::ai {

std::string_view to_string(ModelKind kind) {
  switch (kind) {
    case ModelKind::Embedding: return "embedding";
    case ModelKind::Generation: return "generation";
    case ModelKind::Reranking: return "reranking";
  }
  return "?";
}

std::string_view to_string(FinishReason reason) {
  return reason == FinishReason::Stop ? "stop" : "length";
}

}  // namespace lakehouse::ai
