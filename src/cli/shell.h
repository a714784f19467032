#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/options.h"

namespace lakehouse::cli {

/// The interactive shell: reads statements until the input ends. Returns an exit code.
int run_shell(HttpClient& client, SqlOptions options, InterruptGuard& interrupt);

/// A line such as ".tables" or "\d candidates", taken apart; nothing if it is no command.
struct ShellCommand {
  std::string name;      ///< Without the dot; "\dt" and its like become the dot commands' names.
  std::string argument;  ///< Trimmed; may be empty.
  friend bool operator==(const ShellCommand&, const ShellCommand&) = default;
};
[[nodiscard]] std::optional<ShellCommand> parse_shell_command(std::string_view line);

/// The words that may stand for the unfinished one: keywords, tables and columns that begin with
/// it, compared without case; keywords in the case of the prefix. Sorted, each once.
[[nodiscard]] std::vector<std::string> completions(std::string_view prefix,
                                                   const std::vector<std::string>& names);

}  // namespace lakehouse::cli
