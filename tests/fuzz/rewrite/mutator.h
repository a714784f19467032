#pragma once

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "dice.h"
#include "engine/engine.h"

namespace lakehouse::query::fuzz {

/// Changes statements: those of a corpus (statements.sql) and those it is given. As trees, where a
/// part of one takes the place of a part of another, and as text. Not thread-safe.
class Mutator {
 public:
  /// The engine parses, and makes text of trees.
  Mutator(Dice& dice, engine::Engine& engine);

  /// One of the corpus or `generated`, changed or as it is.
  std::string statement(std::string generated);

 private:
  std::string by_tree(const std::string& sql, const std::string& donor);
  std::string by_tokens(const std::string& sql, const std::string& donor);
  std::string wrapped(const std::string& sql);
  std::string disguised(const std::string& sql);

  Dice& dice_;
  engine::Engine& engine_;
};

/// The statements of statements.sql.
const std::vector<std::string>& corpus();

}  // namespace lakehouse::query::fuzz
