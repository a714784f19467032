#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

/// \file
/// What is kept of a statement's text beside what it did: in the query log, in the list of what
/// runs, in lineage. Literals may be what nobody but the caller should read.

namespace lakehouse::query {

enum class LogText : std::uint8_t {
  Full,    ///< As it was sent.
  Masked,  ///< With "?" for each string and number, without comments.
  Off,     ///< Its kind and length.
};
/// full, masked, off.
Result<LogText> log_text_from(std::string_view name);

/// How much is known of a statement.
enum class LogStage : std::uint8_t {
  Sent,    ///< It may be anything: a password in the wrong window. Masked, that is kind and length.
  Parsed,  ///< A name in quotes may be meant as a string. Masked, it is one.
  Bound,   ///< All names in it are names of something.
};

/// The text's first 2,000 bytes, whole characters only, as far as it may be kept.
std::string log_text(LogText how, LogStage stage, std::string_view sql);

}  // namespace lakehouse::query
