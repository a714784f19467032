#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/request_context.h"
#include "vector/exact_scan.h"
#include "vector/row_set.h"
#include "vector/text_analysis.h"

/// \file
/// Full text: an inverted index over chunks, ranked by BM25 (Robertson and Zaragoza, "The
/// Probabilistic Relevance Framework", 2009).

namespace lakehouse::vector {

struct TextQuery {
  /// Words to look for, all optional; the more and the rarer, the better. At most
  /// `TextIndex::kQueryBytesMax`.
  std::string_view text;
  std::size_t k = 10;  ///< Up to `TextIndex::kHitsMax`.
  /// Only these rows are found; all if null. k are found whenever k of them have a word.
  const RowSet* allowed = nullptr;
  /// Rows that are thought to answer well (found before, by words or by vectors), with their
  /// weights: the query grows by what is typical of them (relevance model RM3). May be empty. Must
  /// be among `allowed`: what they say is looked for.
  std::span<const Hit> feedback;
};

struct TextIndexStats {
  std::uint64_t rows = 0;   ///< That have a term and are not removed.
  std::uint64_t terms = 0;  ///< Different ones; those of removed rows may still count.
  std::uint64_t file_bytes = 0;
  std::uint64_t memory_bytes = 0;  ///< Beside the file: rows added since, and removals.
};

/// An inverted index: the rows of one file, memory-mapped, and those added since, in memory. Rows
/// have the ordinals of the vector index of the same chunks; not all need to be there.
///
/// What is in a file needs no memory but the pages that searches touch. Search of 100,000 chunks
/// takes 0.05 to 1.5 ms of one core for some words, up to 4 ms with feedback.
///
/// Thread-safe: searches run side by side; a change waits for them and they for it.
class TextIndex {
 public:
  static constexpr std::size_t kQueryBytesMax = 64UL << 10U;
  static constexpr std::size_t kHitsMax = 100'000;
  /// Bytes of one row's text that count; what follows is not found.
  static constexpr std::size_t kTextBytesMax = 16UL << 20U;
  static constexpr std::size_t kNoteBytesMax = 1UL << 20U;

  virtual ~TextIndex() = default;

  /// An empty one, in memory.
  static std::unique_ptr<TextIndex> make(Analysis analysis = Analysis::English);

  /// Maps what `save` wrote. Whole file is read once and checked, so that no search of it reads
  /// outside of it, whatever it holds: about 1 s for each GB. DataLoss if it is damaged or none of
  /// ours, Unimplemented if a later version wrote it, NotFound if there is none. The file must not
  /// change while this lives; it may be removed.
  static Result<std::unique_ptr<TextIndex>> load(const RequestContext& context,
                                                 const std::filesystem::path& file);

  /// Adds or replaces a row. InvalidArgument if `row` is not below
  /// `RowSet::kRowsMax`. Text that is no UTF-8
  /// is taken as far as it is.
  virtual Status add(Row row, std::string_view text) = 0;

  /// The row is not found any more. Does nothing if it is not there.
  virtual void remove(Row row) = 0;

  /// Writes all that is there to a new file, complete and on disk when this returns; what
  /// stood there is replaced in one step. The index itself goes on as it was: `load` the file to
  /// have its rows out of memory. The same rows give the same bytes, in whatever order they came.
  /// `note` is kept in the file: what the index covers, in its owner's words.
  virtual Status save(const RequestContext& context, const std::filesystem::path& file,
                      std::string_view note = {}) const = 0;

  /// The best rows, best first, scores above 0 (those of two queries do not compare); rows with the
  /// same score by their number. Fewer than k if fewer have a word of the query; none if the query
  /// has no word. InvalidArgument if a limit is passed.
  [[nodiscard]] virtual Result<std::vector<Hit>> search(const RequestContext& context,
                                                        const TextQuery& query) const = 0;

  [[nodiscard]] virtual TextIndexStats stats() const = 0;
  [[nodiscard]] virtual Analysis analysis() const = 0;
  /// What `save` was given; empty if it came from no file.
  [[nodiscard]] virtual std::string_view note() const = 0;
};

}  // namespace lakehouse::vector
