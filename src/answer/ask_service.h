#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "ai/model_service.h"
#include "answer/ask_prompt.h"
#include "answer/verified_questions.h"
#include "base/error.h"
#include "base/request_context.h"
#include "engine/engine.h"
#include "query/query_service.h"

namespace lakehouse::answer {

struct AskRequest {
  std::string question;  ///< 1 to 4,000 bytes.
  std::string hint;      ///< What the asker would have told; at most 4,000 bytes.
  /// "namespace.table" each; empty: all that the caller may see.
  std::vector<std::string> datasets;
  std::string model;  ///< Empty: the default generation model.
  std::uint64_t row_limit = 1000;
};

struct AskAnswer {
  bool is_abstained = false;
  std::string reason;  ///< Why, if abstained: a sentence for a person.
  std::string sql;     ///< The statement; if abstained, the likeliest one that ran, or empty.
  std::vector<engine::Column> columns;
  std::vector<boost::json::array> rows;  ///< None if abstained.
  bool is_truncated = false;
  std::string explanation;  ///< One line.
  double confidence = 0;    ///< 0 to 1: how far the attempts that fit the question agree.
  std::size_t attempts = 0;
  std::size_t repairs = 0;
  std::vector<std::string> datasets;  ///< What the model was shown.
  std::vector<std::pair<std::string, std::int64_t>> snapshot_ids;
  std::string query_id;
  std::string model;
  std::string model_version;
};

/// Questions in plain language become SQL, as the caller: what they may not see is neither in the
/// prompt nor in the rows.
///
/// The model writes statements, the likeliest one first. Each must be one SELECT by grammar, is
/// dry-run against the binder (mended by names alone, or by the model told the error's text, at
/// most twice in a request), run, and held against the question (doubts_about). Of those that
/// nothing speaks against the rows on which enough agree are the answer. Where they disagree, or
/// there is none, it abstains.
///
/// Thread-safe; calls block for as long as the model takes.
class AskService {
 public:
  struct Options {
    std::size_t attempts_max = 5;
    /// The share of those that fit the question that must agree.
    double agreement_min = 0.6;
    std::size_t repairs_max = 2;
    std::size_t columns_max = 120;  ///< Of the tables in a prompt.
    std::uint32_t sql_tokens_max = 400;
    double temperature = 0.6;  ///< Of the attempts after the first.
    /// A first statement that the model found at least as probable (Generation) is the only one.
    double sure_log_probability = -0.05;
    std::chrono::milliseconds statement_timeout{20'000};
    std::chrono::milliseconds values_timeout{3'000};
    std::function<std::string()> today;  ///< 2026-01-31; empty: the clock's, in UTC.
  };

  AskService(query::QueryService& queries, ai::ModelService& models, VerifiedQuestions& verified,
             Options options);

  /// InvalidArgument for a question that is none; NotFound for datasets or a model that are not
  /// there; FailedPrecondition if there is no generation model, or no table to ask.
  Result<AskAnswer> ask(const RequestContext& context, const AskRequest& request);

  /// Fails unless `sql` is one SELECT that would run for the caller.
  Status dry_run(const RequestContext& context, const std::string& sql);

 private:
  struct Written;
  struct Attempt;
  struct Round;
  Result<AskPrompt> prompt_for(const RequestContext& context, const AskRequest& request,
                               std::size_t columns_max);
  Result<std::vector<double>> table_scores(const RequestContext& context, const AskRequest& request,
                                           const std::vector<SchemaTable>& tables);
  /// So many statements, written side by side.
  std::vector<Result<Written>> write_together(const RequestContext& context, const Round& round,
                                              std::size_t count) const;
  Result<Written> write(const RequestContext& context, const Round& round,
                        std::vector<ai::ChatMessage> messages, std::size_t number) const;
  /// How many further attempts are to be made now; 0 if enough is known.
  [[nodiscard]] std::size_t attempts_wanted(const Round& round) const;
  /// Runs a statement, with its columns mended if it must be. An error that is none of its own ends
  /// the request.
  Result<Attempt> try_out(const RequestContext& context, const Round& round, Written written);
  /// "How long is the Danube?" has one answer, though each country that it crosses has a row of it.
  Status say_once(const RequestContext& context, const Round& round, Attempt& made);
  Status run_attempt(const RequestContext& context, const Round& round, Attempt& made);
  /// The same, mended where it does not run, and its vote counted.
  Status attempt(const RequestContext& context, Round& round, Written written);
  Result<std::vector<boost::json::array>> run(const RequestContext& context, const std::string& sql,
                                              std::uint64_t row_limit);
  /// The answer's statement, or that it abstains.
  void decide(const Round& round, AskAnswer& answer) const;
  Status finish(const RequestContext& context, const AskRequest& asked, AskAnswer& answer);

  query::QueryService& queries_;
  ai::ModelService& models_;
  VerifiedQuestions& verified_;
  Options options_;
};

}  // namespace lakehouse::answer
