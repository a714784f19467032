#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ai/model_service.h"
#include "answer/citations.h"
#include "answer/evidence.h"
#include "base/error.h"
#include "base/log.h"
#include "base/request_context.h"
#include "catalog/catalog.h"
#include "metastore/metastore.h"
#include "query/query_service.h"
#include "vector/vector_service.h"

/// \file
/// Questions answered out of an index, with receipts.

namespace lakehouse::answer {

struct RagRequest {
  static constexpr std::size_t kQuestionBytesMax = 8'192;
  static constexpr std::size_t kMax = 50;
  static constexpr std::uint32_t kTokensMax = 4'096;

  std::string question;
  std::string index;
  std::size_t k = 8;        ///< Chunks that an answer is made from, at most: 1 to kMax.
  std::string filter = {};  ///< As SearchRequest's.
  vector::SearchMode mode = vector::SearchMode::Hybrid;
  bool rerank = false;
  /// Who words the answer: a generator's name; empty for the default one or, where there is none,
  /// sentences of the evidence as they stand, which "extractive" asks for.
  std::string model = {};
  std::uint32_t max_tokens = 400;
  std::optional<std::uint64_t> seed = {};
};

/// A sentence of the answer, with what stands behind it.
struct AnswerSentence {
  std::string text;  ///< Without marks.
  std::vector<Citation> citations;
};

/// How an answer came about, as far as it can be told without the text itself: enough to read the
/// same evidence again, and to see whether it is the same.
struct Receipt {
  /// A chunk that was used.
  struct Item {
    std::uint32_t n = 0;
    boost::json::value key;
    std::uint32_t chunk = 0;
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    double score = 0;
    std::string text_sha256;
  };
  std::string id;
  std::string principal;
  std::int64_t created_at_ms = 0;
  RagRequest request;
  std::string dataset;
  std::string dataset_uuid;
  std::int64_t snapshot_id = 0;             ///< Of the dataset.
  std::int64_t embeddings_snapshot_id = 0;  ///< Of the index's vectors.
  std::int64_t generation = 0;              ///< Of the index.
  std::string key_column;
  vector::KeyType key_type = vector::KeyType::String;
  vector::Recipe recipe;  ///< How a row becomes text.
  std::string search_method;
  std::string embedding_model;
  std::string embedding_model_version;
  std::string model;  ///< "extractive", or the generator's name.
  std::string model_version;
  std::string prompt_sha256;  ///< Of the whole prompt; empty if nothing was generated.
  std::vector<Item> evidence;
  bool abstained = false;
  std::string answer;
};

struct RagAnswer {
  std::string receipt_id;
  std::vector<AnswerSentence> sentences;
  std::string answer;  ///< The sentences with their marks: "It is so [1]. ..." Empty: abstained.
  std::vector<Evidence> evidence;
  bool abstained = false;
  std::string reason;  ///< Why.
  std::string dataset;
  std::int64_t snapshot_id = 0;
  std::string model;  ///< "extractive", or the generator's name.
  std::string model_version;
  std::string search_method;
  /// What a reader should know: sentences that were left out, a model that could not be reached.
  std::vector<std::string> warnings;
  std::uint32_t tokens = 0;
  double elapsed_ms = 0;
};

/// What a stream shows before the answer is whole. Called in the caller's thread; an error ends the
/// work with it. Either may be empty.
struct RagEvents {
  std::function<Status(std::span<const Evidence>)> on_evidence;
  /// Each sentence once it has been checked: no other is ever shown.
  std::function<Status(const AnswerSentence&)> on_sentence;
};

/// The evidence of a receipt, read again: from the same snapshot, as the caller may read it now.
struct Replay {
  struct Item {
    Evidence evidence;     ///< Without text if it cannot be read.
    bool matches = false;  ///< The text is what it was.
  };
  Receipt receipt;
  std::vector<Item> evidence;
  bool is_complete = false;     ///< All of it matches.
  bool prompt_matches = false;  ///< The prompt made from it is what it was, if there was one.
};

/// Answers questions from what an index finds for the caller: searched as they may, so an answer
/// holds nothing that they may not read. What the evidence says is data: sentences that read like
/// orders to a model are kept from it, and of what it writes only what the evidence bears out is
/// passed on.
///
/// Thread-safe; calls block. What it refers to outlives it.
class RagService {
 public:
  struct Parts {
    vector::VectorService& vectors;
    ai::ModelService& models;
    query::QueryService& query;
    catalog::Catalog& catalog;
    metastore::Metastore& metastore;
    Log& log;
  };
  virtual ~RagService() = default;

  /// InvalidArgument for a question without a word, or numbers out of range; what the search and
  /// the models fail with. A default generator that cannot be reached is done without, with a
  /// warning.
  virtual Result<RagAnswer> answer(const RequestContext& context, const RagRequest& request,
                                   const RagEvents& events = {}) = 0;

  /// The caller's own receipts. NotFound for others', too.
  virtual Result<Receipt> receipt(const RequestContext& context, std::string_view id) = 0;
  /// The latest first; `after` is the id of the last one seen, or empty.
  virtual Result<std::vector<Receipt>> receipts(const RequestContext& context, std::size_t limit,
                                                std::string_view after) = 0;
  /// FailedPrecondition if the snapshot is no more.
  virtual Result<Replay> replay(const RequestContext& context, std::string_view id) = 0;
};

std::unique_ptr<RagService> make_rag_service(const RagService::Parts& parts);

}  // namespace lakehouse::answer
