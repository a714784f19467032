#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ai/model_service.h"
#include "answer/ask_statement.h"
#include "answer/schema_reader.h"

/// \file
/// What a model is told before it writes SQL. Notes and values of tables are data in it: one line
/// each, in comments, cut.

namespace lakehouse::answer {

/// A question whose SQL somebody has verified.
struct SolvedQuestion {
  std::string question;
  std::string sql;
};

struct AskPrompt {
  std::string question;
  std::string hint;  ///< What the asker would have told: terms, conventions. May be empty.
  std::vector<SchemaTable> tables;
  std::vector<ValueFound> values;
  std::vector<SolvedQuestion> solved;
  std::string today;  ///< 2026-01-31
};

/// The tables that the prompt calls by their single names, since no other one is called so: a small
/// model drops namespaces anyway.
FullNames names_shown(const std::vector<SchemaTable>& tables);

/// The tables as CREATE TABLE statements with comments, and REFERENCES where their names suggest a
/// join.
std::string schema_text(const std::vector<SchemaTable>& tables);

/// The conversation up to where the model answers with SQL. The part that all questions about the
/// same tables share comes first, so that a model's prompt cache serves it.
std::vector<ai::ChatMessage> ask_messages(const AskPrompt& prompt);

/// The conversation continued: `sql` failed with `problem`.
std::vector<ai::ChatMessage> repair_messages(std::vector<ai::ChatMessage> messages,
                                             std::string_view sql, std::string_view problem);

/// GBNF: one statement that begins with SELECT or WITH; strings and parentheses are closed; no
/// comments.
std::string_view select_grammar();

/// The statement in what a model wrote: without fences and the final semicolon. Empty if there is
/// none.
std::string statement_in(std::string_view text);

}  // namespace lakehouse::answer
