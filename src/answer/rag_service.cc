#include "answer/rag_service.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <numeric>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "answer/extractive.h"
#include "answer/rag_prompt.h"
#include "answer/rag_receipts.h"
#include "base/hash.h"
#include "base/id.h"
#include "vector/source_sql.h"
#include "vector/text_analysis.h"

namespace lakehouse::answer {

namespace {

/// Of all sources together; and what a model may take of it, three bytes a token at worst.
constexpr std::size_t kEvidenceBytesMax = 48'000;
constexpr std::size_t kBytesOfToken = 3;
/// Of the prompt's own words and marks.
constexpr std::size_t kPromptTokens = 400;
/// A sentence that shares no word with the question must at least be about it.
constexpr double kAboutIt = 0.25;
constexpr std::size_t kReplayKeysMax = RagRequest::kMax;

Status check(const RagRequest& request) {
  if (request.question.size() > RagRequest::kQuestionBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the question has {} bytes; at most {} are taken",
                            request.question.size(), RagRequest::kQuestionBytesMax));
  }
  if (vector::query_terms(request.question, vector::Analysis::Plain).empty()) {
    return fail(ErrorCode::InvalidArgument, "the question has no word");
  }
  if (request.k == 0 || request.k > RagRequest::kMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("k is {}; it must be from 1 to {}", request.k, RagRequest::kMax));
  }
  if (request.max_tokens == 0 || request.max_tokens > RagRequest::kTokensMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("max_tokens is {}; it must be from 1 to {}", request.max_tokens,
                            RagRequest::kTokensMax));
  }
  return {};
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// "It is so [1][2]."
std::string with_marks(const AnswerSentence& sentence) {
  std::string marks;
  for (const Citation& citation : sentence.citations) {
    marks += fmt::format("[{}]", citation.n);
  }
  std::string text = sentence.text;
  std::string stop;
  while (!text.empty() && std::string_view(".!?").find(text.back()) != std::string_view::npos) {
    stop.insert(stop.begin(), text.back());
    text.pop_back();
  }
  return fmt::format("{} {}{}", text, marks, stop);
}

/// One question on its way to an answer.
class Answering {
 public:
  Answering(const RagService::Parts& parts, ReceiptStore& receipts, const RequestContext& context,
            const RagRequest& request, const RagEvents& events)
      : parts_(parts), receipts_(receipts), context_(context), request_(request), events_(events) {}

  Result<RagAnswer> run() {
    const double began = now_ms();
    LH_RETURN_IF_ERROR(check(request_));
    LH_RETURN_IF_ERROR(find_generator());
    LH_RETURN_IF_ERROR(retrieve());
    if (events_.on_evidence) {
      LH_RETURN_IF_ERROR(events_.on_evidence(answer_.evidence));
    }
    if (answer_.evidence.empty()) {
      abstain("the search found nothing that may be read");
    } else if (strength_of(request_.question, answer_.evidence).is_weak()) {
      abstain("what was found hardly speaks to the question");
    } else {
      checker_.emplace(request_.question, answer_.evidence);
      LH_RETURN_IF_ERROR(generator_ == nullptr ? extract() : generate());
    }
    LH_RETURN_IF_ERROR(keep_receipt());
    answer_.elapsed_ms = now_ms() - began;
    return std::move(answer_);
  }

 private:
  void abstain(std::string reason) {
    answer_.abstained = true;
    answer_.reason = std::move(reason);
    answer_.sentences.clear();
    answer_.answer.clear();
  }

  Status find_generator() {
    answer_.model = kExtractive;
    if (request_.model == kExtractive) {
      return {};
    }
    auto found = parts_.models.generator(context_, request_.model);
    if (found) {
      generator_ = *std::move(found);
      answer_.model = generator_->info().name;
      answer_.model_version = generator_->info().version;
      return {};
    }
    const ErrorCode code = found.error().code;
    const bool is_none = code == ErrorCode::FailedPrecondition || code == ErrorCode::NotFound ||
                         code == ErrorCode::Unavailable || code == ErrorCode::Unimplemented;
    if (!request_.model.empty() || !is_none) {
      return std::unexpected(std::move(found).error());
    }
    if (code == ErrorCode::Unavailable) {
      answer_.warnings.push_back("no model words the answer: " + found.error().message);
    }
    return {};
  }

  [[nodiscard]] std::size_t evidence_bytes() const {
    if (generator_ == nullptr || generator_->info().context_tokens == 0) {
      return kEvidenceBytesMax;
    }
    const std::size_t taken =
        request_.max_tokens + kPromptTokens + request_.question.size() / kBytesOfToken;
    const std::size_t tokens = generator_->info().context_tokens;
    return std::min(kEvidenceBytesMax, tokens > taken ? (tokens - taken) * kBytesOfToken : 0);
  }

  Status retrieve() {
    if (evidence_bytes() < 300) {
      return fail(
          ErrorCode::InvalidArgument,
          fmt::format("the model '{}' has a context of {} tokens: no source fits beside the "
                      "question and an answer of {} tokens",
                      answer_.model, generator_->info().context_tokens, request_.max_tokens),
          "Ask for less with max_tokens.");
    }
    LH_ASSIGN_OR_RETURN(index_, parts_.vectors.get(context_, request_.index));
    vector::SearchRequest search;
    search.index = request_.index;
    search.text = request_.question;
    search.k = request_.k * 2;  // Some say the same, some do not fit.
    search.filter = request_.filter;
    search.mode = request_.mode;
    search.rerank = request_.rerank;
    LH_ASSIGN_OR_RETURN(found_, parts_.vectors.search(context_, search));
    answer_.evidence = choose_evidence(found_.hits, request_.k, evidence_bytes());
    answer_.dataset = index_.dataset;
    answer_.snapshot_id = found_.snapshot_id;
    answer_.search_method = found_.method;
    std::size_t left_out = 0;
    for (const Evidence& item : answer_.evidence) {
      std::ignore = without_instructions(item.text, left_out);
    }
    if (left_out > 0) {
      answer_.warnings.push_back(fmt::format(
          "{} sentence(s) of the sources read like instructions to a model and were left out",
          left_out));
    }
    return {};
  }

  /// The model whose vectors the index has; null if it is not there.
  ai::Embedder* embedder() {
    if (embedder_ == nullptr && !embedder_missing_) {
      auto found = parts_.models.embedder(context_, found_.model);
      embedder_missing_ = !found;
      if (found) {
        embedder_ = *std::move(found);
      }
    }
    return embedder_.get();
  }

  Status extract() {
    LH_ASSIGN_OR_RETURN(
        std::vector<AnswerSentence> sentences,
        extract_sentences(context_, request_.question, answer_.evidence, embedder()));
    for (AnswerSentence& sentence : sentences) {
      LH_RETURN_IF_ERROR(take(std::move(sentence)));
    }
    if (answer_.sentences.empty()) {
      abstain("no sentence of what was found answers the question");
    }
    return {};
  }

  Status take(AnswerSentence sentence) {
    if (events_.on_sentence) {
      LH_RETURN_IF_ERROR(events_.on_sentence(sentence));
    }
    answer_.answer += (answer_.answer.empty() ? "" : " ") + with_marks(sentence);
    answer_.sentences.push_back(std::move(sentence));
    return {};
  }

  Status generate() {
    ai::GenerateRequest request;
    request.messages = rag_messages(request_.question, answer_.evidence);
    request.max_tokens = request_.max_tokens;
    request.seed = request_.seed;
    prompt_sha256_ = prompt_digest(request.messages);
    SentenceStream stream;
    const auto on_piece = [&](std::string_view piece) -> Status {
      for (const std::string& sentence : stream.add(piece)) {
        LH_RETURN_IF_ERROR(consider(sentence));
      }
      return {};
    };
    auto generated = generator_->generate(context_, request, on_piece);
    if (!generated) {
      return recover(std::move(generated).error());
    }
    answer_.tokens = generated->tokens;
    std::vector<std::string> rest = stream.finish();
    // What was cut off in its middle is no sentence.
    if (generated->finish_reason == ai::FinishReason::Length && !rest.empty() &&
        std::string_view(".!?]").find(rest.back().back()) == std::string_view::npos) {
      rest.pop_back();
    }
    for (const std::string& sentence : rest) {
      LH_RETURN_IF_ERROR(consider(sentence));
    }
    if (left_out_ > 0) {
      answer_.warnings.push_back(fmt::format(
          "{} sentence(s) of the model were left out: the evidence does not bear them out",
          left_out_));
    }
    if (answer_.sentences.empty()) {
      abstain(says_no_answer_ ? "the sources do not tell"
                              : "nothing that the model wrote is borne out by the evidence");
    }
    return {};
  }

  /// The default model may be away; what has been shown already cannot be taken back.
  Status recover(Error error) {
    const bool is_away =
        error.code == ErrorCode::Unavailable || error.code == ErrorCode::ResourceExhausted;
    if (!is_away || !request_.model.empty() || !answer_.sentences.empty()) {
      return std::unexpected(std::move(error));
    }
    answer_.warnings.push_back("no model words the answer: " + error.message);
    answer_.model = kExtractive;
    answer_.model_version.clear();
    prompt_sha256_.clear();
    return extract();
  }

  Status consider(std::string_view written) {
    if (written.find(kNoAnswer) != std::string_view::npos) {
      says_no_answer_ = true;
      return {};
    }
    MarkedSentence sentence = read_marks(written);
    while (!sentence.text.empty() &&
           std::string_view(" -*\n\t").find(sentence.text.front()) != std::string_view::npos) {
      sentence.text.erase(0, 1);
    }
    if (says_no_answer_ || sentence.text.empty()) {
      return {};
    }
    if (checker_->says_nothing(sentence)) {
      opening_ = sentence.text + " ";  // "Yes.": goes with what follows.
      return {};
    }
    std::vector<Citation> citations = checker_->citations(sentence);
    if (citations.empty() || reads_like_instructions(sentence.text) ||
        !is_about_question(sentence, citations)) {
      ++left_out_;
      return {};
    }
    AnswerSentence checked{.text = std::exchange(opening_, {}) + sentence.text,
                           .citations = std::move(citations)};
    return take(std::move(checked));
  }

  /// By a word, or by sense: an order that the evidence smuggled in speaks of something else.
  bool is_about_question(const MarkedSentence& sentence, const std::vector<Citation>& citations) {
    const auto speaks = [&](const Citation& citation) {
      return checker_->speaks_to_question(citation.quote);
    };
    if (checker_->speaks_to_question(sentence.text) || std::ranges::any_of(citations, speaks)) {
      return true;
    }
    ai::Embedder* const model = embedder();
    if (model == nullptr) {
      return false;
    }
    const std::array<std::string_view, 2> texts = {request_.question, sentence.text};
    const auto embedded = model->embed(context_, texts);
    return embedded && embedded->size() == 2 &&
           std::inner_product(embedded->row(0).begin(), embedded->row(0).end(),
                              embedded->row(1).begin(), 0.0) >= kAboutIt;
  }

  Status keep_receipt() {
    const vector::Generation* const generation = index_.generation(found_.generation);
    Receipt receipt;
    receipt.id = new_uuid();
    receipt.principal = context_.principal;
    receipt.created_at_ms = wall_ms();
    receipt.request = request_;
    receipt.dataset = index_.dataset;
    receipt.dataset_uuid = index_.dataset_uuid;
    receipt.snapshot_id = found_.snapshot_id;
    receipt.embeddings_snapshot_id = found_.embeddings_snapshot_id;
    receipt.generation = found_.generation;
    receipt.key_column = index_.key;
    receipt.key_type = index_.key_type;
    receipt.recipe = generation == nullptr ? vector::Recipe() : generation->recipe;
    receipt.search_method = found_.method;
    receipt.embedding_model = found_.model;
    receipt.embedding_model_version = found_.model_version;
    receipt.model = answer_.model;
    receipt.model_version = answer_.model_version;
    receipt.prompt_sha256 = prompt_sha256_;
    for (const Evidence& item : answer_.evidence) {
      receipt.evidence.push_back({.n = item.n,
                                  .key = item.key,
                                  .chunk = item.chunk,
                                  .start = item.start,
                                  .end = item.end,
                                  .score = item.score,
                                  .text_sha256 = sha256_hex(item.text)});
    }
    receipt.abstained = answer_.abstained;
    receipt.answer = answer_.answer;
    answer_.receipt_id = receipt.id;
    return receipts_.put(context_, receipt);
  }

  const RagService::Parts& parts_;
  ReceiptStore& receipts_;
  const RequestContext& context_;
  const RagRequest& request_;
  const RagEvents& events_;
  RagAnswer answer_;
  std::shared_ptr<ai::Generator> generator_;  ///< Null: extractive. Shared with the service.
  std::shared_ptr<ai::Embedder> embedder_;
  bool embedder_missing_ = false;
  vector::IndexInfo index_;
  vector::SearchResults found_;
  std::optional<SupportChecker> checker_;
  std::string prompt_sha256_;
  std::string opening_;
  std::size_t left_out_ = 0;
  bool says_no_answer_ = false;
};

class RagServiceImpl final : public RagService {
 public:
  explicit RagServiceImpl(const Parts& parts) : parts_(parts), receipts_(parts.metastore) {}

  Result<RagAnswer> answer(const RequestContext& context, const RagRequest& request,
                           const RagEvents& events) override {
    return Answering(parts_, receipts_, context, request, events).run();
  }
  Result<Receipt> receipt(const RequestContext& context, std::string_view id) override {
    return receipts_.get(context, id);
  }
  Result<std::vector<Receipt>> receipts(const RequestContext& context, std::size_t limit,
                                        std::string_view after) override {
    return receipts_.list(context, limit, after);
  }
  Result<Replay> replay(const RequestContext& context, std::string_view id) override;

 private:
  /// The texts of the receipt's rows as they were, by key.
  Result<std::map<std::string, std::string>> texts_then(const RequestContext& context,
                                                        const Receipt& receipt);

  const Parts parts_;
  ReceiptStore receipts_;
};

Result<std::map<std::string, std::string>> RagServiceImpl::texts_then(const RequestContext& context,
                                                                      const Receipt& receipt) {
  std::map<std::string, std::string> texts;
  if (receipt.evidence.empty()) {
    return texts;
  }
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier identifier,
                      catalog::Catalog::parse_dataset(receipt.dataset));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable table,
                      parts_.catalog.load_table(context, identifier));
  boost::json::array keys;
  std::string places;
  for (const Receipt::Item& item : receipt.evidence) {
    if (keys.size() < kReplayKeysMax && std::ranges::find(keys, item.key) == keys.end()) {
      keys.push_back(item.key);
      places += fmt::format("{}${}", places.empty() ? "" : ", ", keys.size());
    }
  }
  const bool is_text = vector::has_text_keys(receipt.key_type);
  LH_ASSIGN_OR_RETURN(const std::string text,
                      vector::text_sql(*table.metadata->current_schema(), receipt.recipe));
  const std::string key = vector::key_sql(receipt.key_column, receipt.key_type);
  query::SqlRequest request;
  request.sql = fmt::format("SELECT {0} AS k, {1} AS t FROM {2} WHERE {0} IN ({3})", key, text,
                            vector::table_sql(receipt.dataset, receipt.snapshot_id), places);
  request.params = std::move(keys);
  request.encoding = engine::Encoding::Raw;
  request.is_own = true;
  LH_RETURN_IF_ERROR(vector::read_raw(
      context, parts_.query, std::move(request), [&](const engine::RawBatch& batch) -> Status {
        for (std::size_t row = 0; row < batch.rows; ++row) {
          const vector::KeyView view = vector::key_in(batch.columns[0], row, is_text);
          texts[boost::json::serialize(vector::key_json(view, is_text))] =
              batch.columns[1].is_null(row) ? "" : std::string(batch.columns[1].text(row));
        }
        return {};
      }));
  return texts;
}

Result<Replay> RagServiceImpl::replay(const RequestContext& context, std::string_view id) {
  Replay replay;
  LH_ASSIGN_OR_RETURN(replay.receipt, receipts_.get(context, id));
  auto texts = texts_then(context, replay.receipt);
  if (!texts) {
    return std::unexpected(std::move(texts).error().with_context("read the evidence again"));
  }
  replay.is_complete = true;
  std::vector<Evidence> evidence;
  for (const Receipt::Item& item : replay.receipt.evidence) {
    Replay::Item read{.evidence = {.n = item.n,
                                   .key = item.key,
                                   .chunk = item.chunk,
                                   .start = item.start,
                                   .end = item.end,
                                   .score = item.score,
                                   .vector_score = {},
                                   .text_score = {},
                                   .text = {}},
                      .matches = false};
    const auto row = texts->find(boost::json::serialize(item.key));
    if (row != texts->end() && item.start <= item.end && item.end <= row->second.size()) {
      read.evidence.text = row->second.substr(item.start, item.end - item.start);
      read.matches = sha256_hex(read.evidence.text) == item.text_sha256;
    }
    replay.is_complete = replay.is_complete && read.matches;
    evidence.push_back(read.evidence);
    replay.evidence.push_back(std::move(read));
  }
  const std::string& digest = replay.receipt.prompt_sha256;
  replay.prompt_matches =
      digest.empty() ||
      prompt_digest(rag_messages(replay.receipt.request.question, evidence)) == digest;
  return replay;
}

}  // namespace

std::unique_ptr<RagService> make_rag_service(const RagService::Parts& parts) {
  return std::make_unique<RagServiceImpl>(parts);
}

}  // namespace lakehouse::answer
