#pragma once

#include <vector>

#include "catalog/detail/name_parts.h"
#include "catalog/schema_diff.h"

namespace lakehouse::catalog {

/// A column and what is worked out of it once.
struct Candidate {
  const DiffColumn* column = nullptr;
  std::size_t index = 0;  ///< Among all columns of its side.
  std::vector<NamePart> parts;
  std::string left;  ///< The nearest unchanged column before it; empty: none.
};

/// For and against two columns being the same under two names.
std::vector<Evidence> rename_evidence(const Candidate& before, const Candidate& after,
                                      int format_version);

/// Log-odds as a probability.
double confidence_of(const std::vector<Evidence>& evidence);

/// Which of `many` are parts of which of `wholes`; none is in two.
std::vector<Split> find_splits(const std::vector<Candidate>& wholes,
                               const std::vector<Candidate>& many, bool merged);

}  // namespace lakehouse::catalog
