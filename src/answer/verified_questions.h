#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "metastore/metastore.h"

namespace lakehouse::answer {

/// A question whose SQL a person has found right: an example for questions to come.
struct VerifiedQuestion {
  std::string id;  ///< A hash of the question: the same question has one SQL.
  std::string question;
  std::string sql;
  std::string principal;  ///< Who said so.
  std::int64_t verified_at_ms = 0;
};

/// In the metastore. Thread-safe; calls block.
class VerifiedQuestions {
 public:
  explicit VerifiedQuestions(metastore::Metastore& metastore) : metastore_(metastore) {}

  /// Keeps it, in place of what was kept for the question; `id` and time are given here.
  /// ResourceExhausted past 10,000 of them.
  Result<VerifiedQuestion> put(const RequestContext& context, std::string question,
                               std::string sql);
  Result<std::optional<VerifiedQuestion>> find(const RequestContext& context,
                                               const std::string& id);
  /// By id, those after `after`.
  Result<std::vector<VerifiedQuestion>> list(const RequestContext& context,
                                             const std::string& after, std::size_t limit);
  Status remove(const RequestContext& context, const std::string& id);

  /// At most `count_max` whose words are most like the question's, the best last (nearest to where
  /// a model reads on); none that shares no rare word.
  Result<std::vector<VerifiedQuestion>> alike(const RequestContext& context,
                                              const std::string& question, std::size_t count_max);

 private:
  metastore::Metastore& metastore_;
};

}  // namespace lakehouse::answer
