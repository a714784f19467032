#include "answer/ask_service.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "answer/answer_vote.h"
#include "answer/ask_doubts.h"
#include "answer/ask_mend.h"
#include "answer/ask_statement.h"
#include "answer/schema_linking.h"
#include "base/json.h"
#include "base/text.h"
#include "query/small_answer.h"

namespace lakehouse::answer {
namespace {

namespace json = boost::json;

constexpr std::size_t kQuestionBytesMax = 4'000;
constexpr std::size_t kDatasetsMax = 100;
constexpr std::size_t kSolvedMax = 3;
constexpr std::uint64_t kComparedRowsMax = 2'000;
constexpr std::uint64_t kRowsMax = 10'000;
/// How far nearness in meaning counts beside words: an embedding has an opinion on everything.
constexpr double kMeaningWeight = 4;
/// Further attempts are made so many at a time.
constexpr std::size_t kAttemptsTogether = 2;
/// With fewer tables all of them fit, and none need be compared.
constexpr std::size_t kTablesComparedMin = 13;

std::string clock_today() {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::now()));
}

Status check(const AskRequest& request) {
  const auto is_blank = [](std::string_view text) {
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
  };
  if (is_blank(request.question)) {
    return fail(ErrorCode::InvalidArgument, "there is no question",
                "Ask in 'question': \"How many placements started last month?\"");
  }
  if (request.question.size() > kQuestionBytesMax || request.hint.size() > kQuestionBytesMax) {
    return fail(ErrorCode::InvalidArgument, "a question or hint has at most 4,000 bytes");
  }
  if (!is_valid_utf8(request.question) || !is_valid_utf8(request.hint)) {
    return fail(ErrorCode::InvalidArgument, "the question is no UTF-8");
  }
  if (request.datasets.size() > kDatasetsMax) {
    return fail(ErrorCode::InvalidArgument, "a question names at most 100 datasets");
  }
  if (request.row_limit == 0 || request.row_limit > kRowsMax) {
    return fail(ErrorCode::InvalidArgument, "row_limit is 1 to 10,000");
  }
  return {};
}

/// What a model can mend: the statement itself is wrong.
bool is_statements_fault(const Error& error) {
  return error.code == ErrorCode::InvalidArgument || error.code == ErrorCode::NotFound ||
         error.code == ErrorCode::Unimplemented || error.code == ErrorCode::PermissionDenied;
}

}  // namespace

struct AskService::Written {
  std::string sql;
  std::optional<double> log_probability;
};

/// One statement that was written and what became of it.
struct AskService::Attempt {
  std::string sql;
  std::optional<double> log_probability;
  std::vector<json::array> rows;
  bool has_run = false;
  std::string problem;              ///< Why it does not run.
  std::vector<std::string> doubts;  ///< If it ran: why it is no answer all the same.

  [[nodiscard]] bool is_undoubted() const { return has_run && doubts.empty(); }
};

/// The attempts of one request.
struct AskService::Round {
  std::shared_ptr<ai::Generator> generator;
  AskPrompt prompt;
  std::vector<ai::ChatMessage> messages;
  FullNames names;
  std::vector<Attempt> attempts;
  Vote vote;  ///< Of those that nothing speaks against.
  std::size_t repairs = 0;
  std::string last_problem;
};

AskService::AskService(query::QueryService& queries, ai::ModelService& models,
                       VerifiedQuestions& verified, Options options)
    : queries_(queries), models_(models), verified_(verified), options_(std::move(options)) {
  if (!options_.today) {
    options_.today = clock_today;
  }
}

Result<AskAnswer> AskService::ask(const RequestContext& context, const AskRequest& request) {
  LH_RETURN_IF_ERROR(check(request));
  Round round;
  LH_ASSIGN_OR_RETURN(round.generator, models_.generator(context, request.model));
  LH_ASSIGN_OR_RETURN(round.prompt, prompt_for(context, request, options_.columns_max));
  round.messages = ask_messages(round.prompt);
  round.names = names_shown(round.prompt.tables);
  // The first alone: it may do, and the others find its prompt computed.
  for (std::size_t count = 1; count > 0; count = attempts_wanted(round)) {
    LH_RETURN_IF_ERROR(context.check());
    for (Result<Written>& written : write_together(context, round, count)) {
      if (!written) {
        return std::unexpected(std::move(written).error());
      }
      LH_RETURN_IF_ERROR(attempt(context, round, *std::move(written)));
    }
  }
  AskAnswer answer;
  answer.attempts = round.attempts.size();
  answer.repairs = round.repairs;
  answer.model = round.generator->info().name;
  answer.model_version = round.generator->info().version;
  for (const SchemaTable& table : round.prompt.tables) {
    answer.datasets.push_back(table.dataset());
  }
  decide(round, answer);
  if (!answer.is_abstained) {
    LH_RETURN_IF_ERROR(finish(context, request, answer));
  }
  return answer;
}

void AskService::decide(const Round& round, AskAnswer& answer) const {
  const auto leader = round.vote.leader();
  if (!leader) {
    answer.is_abstained = true;
    const auto ran = std::ranges::find_if(round.attempts, &Attempt::has_run);
    if (ran == round.attempts.end()) {
      answer.reason = "no statement that runs was found for the question";
      answer.reason +=
          round.last_problem.empty() ? "" : "; the last one failed: " + round.last_problem;
      return;
    }
    answer.sql = ran->sql;
    answer.reason =
        "no statement was found that fits the question; the likeliest one does not, since " +
        ran->doubts.front();
    return;
  }
  const Attempt& best = round.attempts[*leader];
  answer.sql = best.sql;
  const auto votes = static_cast<double>(round.vote.votes_of_leader());
  answer.confidence = votes / static_cast<double>(round.vote.count());
  if (round.attempts.size() == 1 && best.log_probability) {
    answer.confidence = std::exp(*best.log_probability);
  }
  if (answer.confidence < options_.agreement_min) {
    answer.is_abstained = true;
    answer.reason = "independent attempts at the question disagree about its answer";
  }
}

Result<AskPrompt> AskService::prompt_for(const RequestContext& context, const AskRequest& request,
                                         std::size_t columns_max) {
  LH_ASSIGN_OR_RETURN(std::vector<SchemaTable> tables,
                      read_schema(context, queries_, request.datasets));
  if (tables.empty()) {
    return fail(ErrorCode::FailedPrecondition, "there is no table to ask that you may see",
                "Load one: lakehouse ingest FILE.");
  }
  LH_ASSIGN_OR_RETURN(const std::vector<double> scores, table_scores(context, request, tables));
  AskPrompt prompt{.question = request.question,
                   .hint = request.hint,
                   .tables = choose_tables(std::move(tables), scores, columns_max),
                   .values = {},
                   .solved = {},
                   .today = options_.today()};
  const std::vector<std::string> phrases = value_phrases(request.question);
  for (SchemaTable& table : prompt.tables) {
    LH_RETURN_IF_ERROR(read_values(context, queries_, options_.values_timeout, table));
    LH_RETURN_IF_ERROR(
        find_values(context, queries_, options_.values_timeout, table, phrases, prompt.values));
  }
  LH_RETURN_IF_ERROR(find_references(context, queries_, options_.values_timeout, prompt.tables));
  LH_ASSIGN_OR_RETURN(auto alike, verified_.alike(context, request.question, kSolvedMax));
  for (VerifiedQuestion& one : alike) {
    // Its names would tell of tables that this caller may not see.
    if (dry_run(context, one.sql)) {
      prompt.solved.push_back({std::move(one.question), std::move(one.sql)});
    }
  }
  return prompt;
}

Result<std::vector<double>> AskService::table_scores(const RequestContext& context,
                                                     const AskRequest& request,
                                                     const std::vector<SchemaTable>& tables) {
  std::vector<double> scores = lexical_scores(request.question + "\n" + request.hint, tables);
  if (tables.size() < kTablesComparedMin) {
    return scores;
  }
  const auto embedder = models_.embedder(context, "");
  if (!embedder) {
    return scores;  // Words alone will do.
  }
  std::vector<std::string> texts{request.question};
  for (const SchemaTable& table : tables) {
    texts.push_back(text_of_table(table));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (std::size_t begin = 1; begin < views.size(); begin += ai::Embedder::kTextsMax - 1) {
    const std::size_t count = std::min(ai::Embedder::kTextsMax - 1, views.size() - begin);
    std::vector<std::string_view> batch{views.front()};
    batch.insert(batch.end(), views.begin() + static_cast<std::ptrdiff_t>(begin),
                 views.begin() + static_cast<std::ptrdiff_t>(begin + count));
    const auto embedded = (*embedder)->embed(context, batch);
    if (!embedded) {
      LH_RETURN_IF_ERROR(context.check());
      return scores;
    }
    for (std::size_t i = 1; i < embedded->size(); ++i) {
      double cosine = 0;
      for (std::size_t d = 0; d < embedded->dimensions; ++d) {
        cosine += static_cast<double>(embedded->row(0)[d]) * embedded->row(i)[d];
      }
      scores[begin + i - 2] += kMeaningWeight * std::max(0.0, cosine);
    }
  }
  return scores;
}

std::vector<Result<AskService::Written>> AskService::write_together(const RequestContext& context,
                                                                    const Round& round,
                                                                    std::size_t count) const {
  std::vector<Result<Written>> written(count);
  {
    std::vector<std::jthread> writers;
    writers.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      writers.emplace_back([&, i] {
        written[i] = write(context, round, round.messages, round.attempts.size() + i);
      });
    }
  }
  return written;
}

Result<AskService::Written> AskService::write(const RequestContext& context, const Round& round,
                                              std::vector<ai::ChatMessage> messages,
                                              std::size_t number) const {
  ai::GenerateRequest request;
  request.messages = std::move(messages);
  request.max_tokens = options_.sql_tokens_max;
  // The first is the likeliest of all; the others are drawn, each with its own dice.
  request.temperature = number == 0 ? 0 : options_.temperature;
  request.seed = number + 1;
  request.grammar = select_grammar();
  auto written = round.generator->generate(context, request, {});
  if (!written && written.error().code == ErrorCode::Unimplemented) {
    request.grammar.clear();  // A provider without grammars: the dry run is strict enough.
    written = round.generator->generate(context, request, {});
  }
  if (!written) {
    return std::unexpected(std::move(written).error());
  }
  std::string sql = with_full_names(statement_in(written->text), round.names);
  sql = with_stored_values(sql, round.prompt.values);
  return Written{with_columns_in_order(sql, round.prompt.question), written->log_probability};
}

std::size_t AskService::attempts_wanted(const Round& round) const {
  const std::size_t made = round.attempts.size();
  const Attempt& first = round.attempts.front();
  const bool is_sure = made == 1 && first.is_undoubted() && first.log_probability &&
                       *first.log_probability >= options_.sure_log_probability;
  const std::size_t votes = round.vote.votes_of_leader();
  const bool is_agreed = votes >= 2 && votes == round.vote.count();
  if (is_sure || is_agreed) {
    return 0;
  }
  return std::min(kAttemptsTogether, options_.attempts_max - made);
}

Result<AskService::Attempt> AskService::try_out(const RequestContext& context, const Round& round,
                                                Written written) {
  Attempt made;
  made.sql = std::move(written.sql);
  made.log_probability = written.log_probability;
  for (bool is_mended = false;; is_mended = true) {
    // A statement that was run already has its rows.
    const auto same = std::ranges::find(round.attempts, made.sql, &Attempt::sql);
    if (same != round.attempts.end()) {
      return *same;
    }
    LH_RETURN_IF_ERROR(run_attempt(context, round, made));
    if (made.has_run) {
      LH_RETURN_IF_ERROR(say_once(context, round, made));
      made.doubts = doubts_about(round.prompt, made.sql, made.rows);
      if (says_nothing(made.rows)) {
        made.doubts.emplace_back("it finds nothing");
      }
      return made;
    }
    std::string mended =
        is_mended ? made.sql : with_all_grouped(with_columns_mended(made.sql, round.prompt.tables));
    if (mended == made.sql) {
      return made;
    }
    made.sql = std::move(mended);
  }
}

Status AskService::say_once(const RequestContext& context, const Round& round, Attempt& made) {
  const auto is_first = [&](const json::array& row) { return row == made.rows.front(); };
  if (made.rows.size() < 2 || !asks_for_one(round.prompt.question) ||
      !std::ranges::all_of(made.rows, is_first)) {
    return {};
  }
  Attempt once;
  once.sql = with_distinct(made.sql);
  once.log_probability = made.log_probability;
  LH_RETURN_IF_ERROR(run_attempt(context, round, once));
  if (once.has_run) {
    made = std::move(once);
  }
  return {};
}

Status AskService::run_attempt(const RequestContext& context, const Round& round, Attempt& made) {
  made.problem.clear();
  Status runs = dry_run(context, made.sql);
  if (const std::string mistake = hidden_mistake(made.sql, round.prompt.tables);
      runs && !mistake.empty()) {
    runs = fail(ErrorCode::InvalidArgument, mistake);
  }
  if (runs) {
    auto rows = run(context, made.sql, kComparedRowsMax);
    if (rows) {
      made.rows = *std::move(rows);
      made.has_run = true;
      return {};
    }
    runs = std::unexpected(std::move(rows).error());
  }
  LH_RETURN_IF_ERROR(context.check());
  const Error& problem = runs.error();
  if (!is_statements_fault(problem) && problem.code != ErrorCode::DeadlineExceeded) {
    return std::unexpected(problem);
  }
  made.problem = problem.message + (problem.hint.empty() ? "" : " " + problem.hint);
  return {};
}

Status AskService::attempt(const RequestContext& context, Round& round, Written written) {
  LH_ASSIGN_OR_RETURN(Attempt made, try_out(context, round, std::move(written)));
  // Only the likeliest statement is worth the time that mending takes; what the model was told
  // helps the others, too.
  while (round.attempts.empty() && !made.problem.empty() && round.repairs < options_.repairs_max) {
    ++round.repairs;
    auto messages = repair_messages(round.messages, made.sql, made.problem);
    LH_ASSIGN_OR_RETURN(written, write(context, round, messages, round.attempts.size()));
    const bool is_same = written.sql == made.sql;
    LH_ASSIGN_OR_RETURN(made, try_out(context, round, std::move(written)));
    if (made.problem.empty()) {
      round.messages = std::move(messages);
      made.log_probability.reset();  // It is surer than it would be by itself.
    } else if (is_same) {
      break;
    }
  }
  if (!made.problem.empty()) {
    round.last_problem = made.problem;
  }
  round.vote.add(made.is_undoubted() ? std::optional(rows_key(made.rows)) : std::nullopt);
  round.attempts.push_back(std::move(made));
  return {};
}

Status AskService::dry_run(const RequestContext& context, const std::string& sql) {
  query::SqlRequest request;
  request.sql = sql;
  request.reads_only = true;
  request.is_own = true;
  const auto plan = queries_.explain(context, request);
  return plan ? Status() : Status(std::unexpected(plan.error()));
}

Result<std::vector<json::array>> AskService::run(const RequestContext& context,
                                                 const std::string& sql, std::uint64_t row_limit) {
  query::SqlRequest request;
  request.sql = sql;
  request.reads_only = true;
  request.limit = row_limit;
  request.timeout = options_.statement_timeout;
  request.is_own = true;
  return query::rows_of(context, queries_, std::move(request));
}

Status AskService::finish(const RequestContext& context, const AskRequest& asked,
                          AskAnswer& answer) {
  // Once more, as a statement of the caller's: it is theirs, and in the log.
  query::SqlRequest request;
  request.sql = answer.sql;
  request.reads_only = true;
  request.limit = asked.row_limit + 1;
  request.timeout = options_.statement_timeout;
  request.encoding = engine::Encoding::Json;
  LH_ASSIGN_OR_RETURN(query::QueryAnswer run, queries_.run(context, request));
  std::string text = "[";
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, run.stream->next(run.context));
    if (!bytes) {
      break;
    }
    text += *bytes;
  }
  LH_ASSIGN_OR_RETURN(json::value rows, parse_json(text + "]", "an answer of the engine"));
  answer.columns = run.stream->columns();
  answer.query_id = run.query_id;
  answer.snapshot_ids = std::move(run.snapshot_ids);
  for (json::value& row : rows.as_array()) {
    answer.rows.push_back(std::move(row.as_array()));
  }
  answer.is_truncated = answer.rows.size() > asked.row_limit;
  if (answer.is_truncated) {
    answer.rows.pop_back();
  }
  answer.explanation = explanation_of(answer.sql);
  return {};
}

}  // namespace lakehouse::answer
