#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

#include "answer/ask_prompt.h"

/// \file
/// A statement that runs may still answer another question. What a question says in plain words can
/// be held against it: its values and numbers, "the highest", "not", "each", the tables and columns
/// that it names. Words are English; of a question in another language only values and numbers
/// count.

namespace lakehouse::answer {

/// What speaks against `sql` and its rows as the answer to the prompt's question, a sentence each
/// for a person and a model; none of what is right, as a rule.
std::vector<std::string> doubts_about(const AskPrompt& prompt, std::string_view sql,
                                      const std::vector<boost::json::array>& rows);

/// True for a question with one answer: "How long is...", "What is...", "Where is...".
bool asks_for_one(std::string_view question);

}  // namespace lakehouse::answer
