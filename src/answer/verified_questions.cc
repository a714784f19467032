#include "answer/verified_questions.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "vector/text_analysis.h"

namespace lakehouse::answer {
namespace {

constexpr std::int64_t kCountMax = 10'000;
constexpr std::string_view kColumns = "question_id, question, sql, principal, verified_at_ms";

VerifiedQuestion to_question(const metastore::Row& row) {
  return {.id = metastore::text(row[0]),
          .question = metastore::text(row[1]),
          .sql = metastore::text(row[2]),
          .principal = metastore::text(row[3]),
          .verified_at_ms = metastore::integer(row[4])};
}

std::set<std::string> terms_of(std::string_view question) {
  std::set<std::string> out;
  for (auto& term : vector::query_terms(question, vector::Analysis::English)) {
    out.insert(std::move(term.term));
  }
  return out;
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Result<VerifiedQuestion> VerifiedQuestions::put(const RequestContext& context, std::string question,
                                                std::string sql) {
  VerifiedQuestion one{.id = sha256_hex(to_lower(question)).substr(0, 32),
                       .question = std::move(question),
                       .sql = std::move(sql),
                       .principal = context.principal,
                       .verified_at_ms = now_ms()};
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT count(*) FROM verified_questions"));
    if (metastore::integer(rows.front().front()) >= kCountMax) {
      return fail(ErrorCode::ResourceExhausted, "10,000 verified questions are kept already",
                  "Remove some: DELETE /ai/questions/{id}.");
    }
    LH_ASSIGN_OR_RETURN(
        const std::int64_t done,
        transaction.execute(
            "INSERT INTO verified_questions (question_id, question, sql, principal, "
            "verified_at_ms) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (question_id) DO UPDATE SET "
            "question = excluded.question, sql = excluded.sql, principal = excluded.principal, "
            "verified_at_ms = excluded.verified_at_ms",
            {one.id, one.question, one.sql, one.principal, one.verified_at_ms}));
    (void)done;
    return {};
  }));
  return one;
}

Result<std::optional<VerifiedQuestion>> VerifiedQuestions::find(const RequestContext& context,
                                                                const std::string& id) {
  std::optional<VerifiedQuestion> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT " + std::string(kColumns) +
                                              " FROM verified_questions WHERE question_id = $1",
                                          {id}));
    if (!rows.empty()) {
      out = to_question(rows.front());
    }
    return {};
  }));
  return out;
}

Result<std::vector<VerifiedQuestion>> VerifiedQuestions::list(const RequestContext& context,
                                                              const std::string& after,
                                                              std::size_t limit) {
  std::vector<VerifiedQuestion> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    out.clear();
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT " + std::string(kColumns) +
                                              " FROM verified_questions WHERE question_id > $1 "
                                              "ORDER BY question_id LIMIT $2",
                                          {after, static_cast<std::int64_t>(limit)}));
    for (const metastore::Row& row : rows) {
      out.push_back(to_question(row));
    }
    return {};
  }));
  return out;
}

Status VerifiedQuestions::remove(const RequestContext& context, const std::string& id) {
  return metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const std::int64_t gone,
        transaction.execute("DELETE FROM verified_questions WHERE question_id = $1", {id}));
    (void)gone;
    return {};
  });
}

Result<std::vector<VerifiedQuestion>> VerifiedQuestions::alike(const RequestContext& context,
                                                               const std::string& question,
                                                               std::size_t count_max) {
  LH_ASSIGN_OR_RETURN(std::vector<VerifiedQuestion> all,
                      list(context, "", static_cast<std::size_t>(kCountMax)));
  std::vector<std::set<std::string>> terms;
  std::map<std::string, double> questions_with;
  for (const VerifiedQuestion& one : all) {
    terms.push_back(terms_of(one.question));
    for (const std::string& term : terms.back()) {
      ++questions_with[term];
    }
  }
  const std::set<std::string> asked = terms_of(question);
  std::vector<std::pair<double, std::size_t>> scored;
  for (std::size_t i = 0; i < all.size(); ++i) {
    double score = 0;
    for (const std::string& term : asked) {
      if (terms[i].contains(term)) {
        score += std::log(1 + static_cast<double>(all.size()) / questions_with[term]);
      }
    }
    if (score > 0) {
      scored.emplace_back(score / std::sqrt(1 + static_cast<double>(terms[i].size())), i);
    }
  }
  std::ranges::sort(scored);
  std::vector<VerifiedQuestion> out;
  for (std::size_t i = scored.size() - std::min(scored.size(), count_max); i < scored.size(); ++i) {
    out.push_back(std::move(all[scored[i].second]));
  }
  return out;
}

}  // namespace lakehouse::answer
