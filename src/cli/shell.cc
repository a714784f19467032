#include "cli/shell.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <system_error>

#include <editline/readline.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/display.h"
#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/sql_client.h"
#include "cli/statements.h"
#include "query/sql_lexer.h"

namespace lakehouse::cli {
namespace {

constexpr int kHistoryMax = 5000;

constexpr std::array<std::string_view, 82> kKeywords = {
    "ADD",      "ALL",       "ALTER",     "AND",     "AS",       "ASC",       "ASOF",   "AT",
    "AVG",      "BETWEEN",   "BY",        "CASE",    "CAST",     "COLUMN",    "COUNT",  "CREATE",
    "CROSS",    "DATE",      "DELETE",    "DESC",    "DESCRIBE", "DISTINCT",  "DROP",   "ELSE",
    "END",      "EXCEPT",    "EXISTS",    "EXPLAIN", "FALSE",    "FILTER",    "FROM",   "FULL",
    "GROUP",    "HAVING",    "IF",        "ILIKE",   "IN",       "INNER",     "INSERT", "INTERSECT",
    "INTERVAL", "INTO",      "IS",        "JOIN",    "LEFT",     "LIKE",      "LIMIT",  "MAX",
    "MIN",      "NOT",       "NULL",      "NULLS",   "OFFSET",   "ON",        "OR",     "ORDER",
    "OUTER",    "OVER",      "PARTITION", "PIVOT",   "QUALIFY",  "RECURSIVE", "RENAME", "REPLACE",
    "RIGHT",    "SCHEMA",    "SELECT",    "SHOW",    "SUM",      "SUMMARIZE", "TABLE",  "TABLES",
    "THEN",     "TIMESTAMP", "TRUE",      "UNION",   "UNNEST",   "UPDATE",    "USING",  "VALUES",
    "WHEN",     "WHERE"};

constexpr std::string_view kHelp =
    "Statements end with a semicolon and may have several lines. Ctrl-C drops what is typed, or\n"
    "cancels what runs; Ctrl-D leaves. Tab completes keywords, tables and columns.\n"
    "  .tables          the datasets                      (\\dt)\n"
    "  .schema TABLE    its columns                       (\\d TABLE)\n"
    "  .format FORMAT   table, lines, csv, json, ndjson   (\\x: lines and back)\n"
    "  .limit N         rows shown of a table; 0: all\n"
    "  .timer on|off    the time under each table         (\\timing)\n"
    "  .read FILE       run the statements of a file      (\\i FILE)\n"
    "  .help            this text                         (\\?)\n"
    "  .quit            leave                             (\\q)\n";

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return {};
  }
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n;") + 1 - first));
}

// NOLINTBEGIN(concurrency-mt-unsafe): one thread, and nobody sets variables.
std::filesystem::path history_file() {
  if (const char* given = std::getenv("LAKEHOUSE_HISTORY")) {
    return given;
  }
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "lakehouse" / "history";
  }
  return home == nullptr ? std::filesystem::path()
                         : std::filesystem::path(home) / ".local/state/lakehouse/history";
}
// NOLINTEND(concurrency-mt-unsafe)

/// The names of tables and of the columns of those that the statement names, fetched when Tab is
/// first pressed.
class Names {
 public:
  explicit Names(SqlClient& client) : client_(client) {}

  std::vector<std::string> for_statement(std::string_view text) {
    if (tables_.empty()) {
      load_tables();
    }
    std::vector<std::string> names(tables_.begin(), tables_.end());
    const Result<std::vector<query::Token>> tokens = query::tokenize(text);
    if (!tokens) {
      return names;
    }
    for (const query::Token& token : *tokens) {
      if (token.is_name() && tables_.contains(token.value)) {
        const auto& columns = columns_of(token.value);
        names.insert(names.end(), columns.begin(), columns.end());
      }
    }
    return names;
  }

  void forget() {
    tables_.clear();
    columns_.clear();
  }

 private:
  void load_tables() {
    const Result<Answer> answer = client_.query("SHOW TABLES");
    if (!answer) {
      return;
    }
    for (const auto& row : answer->rows) {
      if (!row.empty()) {
        tables_.insert(row[0].text);
      }
    }
  }

  const std::vector<std::string>& columns_of(const std::string& table) {
    const auto [it, is_new] = columns_.try_emplace(table);
    if (is_new) {
      const Result<Answer> answer = client_.query("DESCRIBE " + quote_sql_identifier(table));
      if (answer) {
        for (const auto& row : answer->rows) {
          it->second.push_back(row[0].text);
        }
      }
    }
    return it->second;
  }

  SqlClient& client_;
  std::set<std::string> tables_;
  std::map<std::string, std::vector<std::string>> columns_;
};

/// What libedit's completion callback reaches: it takes no argument of ours.
struct CompletionState {
  Names* names = nullptr;
  const std::string* statement = nullptr;  ///< The lines before the one being typed.
  std::vector<std::string> matches;
  std::size_t next = 0;
};
CompletionState& completion_state() {
  static CompletionState state;
  return state;
}

char* next_match(const char* text, int begin) {
  CompletionState& state = completion_state();
  if (begin == 0) {
    const std::string all = *state.statement + std::string(rl_line_buffer);
    state.matches = completions(text, state.names->for_statement(all));
    state.next = 0;
  }
  return state.next < state.matches.size() ? ::strdup(state.matches[state.next++].c_str())
                                           : nullptr;
}

char** complete(const char* text, int, int) {
  rl_attempted_completion_over = 1;  // Never file names.
  return rl_completion_matches(text, &next_match);
}

/// Keeps SIGINT back from this thread for as long as it lives.
class InterruptsHeld {
 public:
  InterruptsHeld() {
    sigset_t held;
    ::sigemptyset(&held);
    ::sigaddset(&held, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &held, &before());
  }
  ~InterruptsHeld() { ::pthread_sigmask(SIG_SETMASK, &before(), nullptr); }
  InterruptsHeld(const InterruptsHeld&) = delete;
  InterruptsHeld& operator=(const InterruptsHeld&) = delete;

  static sigset_t& before() {
    static sigset_t mask;
    return mask;
  }
};

/// Waits for a key or for Ctrl-C, of which a plain read misses one that comes just before it. What
/// libedit calls before it reads: without the hook it takes the line's end.
int await_key() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  const int ready = ::ppoll(&input, 1, nullptr, &InterruptsHeld::before());
  const bool is_key = ready > 0 && (input.revents & POLLIN) != 0;
  if (InterruptGuard::flag()->load() || (ready > 0 && !is_key)) {
    rl_event_hook = nullptr;
  }
  return 0;
}

/// History and line editing for as long as the shell runs.
class LineEditor {
 public:
  LineEditor() {
    static std::string name = "lakehouse";  // libedit takes what it may write to.
    static std::string breaks = " \t\n,;()[]{}=<>+-*/%|.'\"";
    rl_readline_name = name.c_str();
    rl_initialize();
    rl_completer_word_break_characters = breaks.data();
    rl_basic_word_break_characters = breaks.data();
    rl_attempted_completion_function = &complete;
    rl_catch_signals = 0;
    using_history();
    stifle_history(kHistoryMax);
    if (const std::filesystem::path file = history_file(); !file.empty()) {
      read_history(file.c_str());
    }
  }

  ~LineEditor() {
    const std::filesystem::path file = history_file();
    if (file.empty()) {
      return;
    }
    std::error_code ignored;
    std::filesystem::create_directories(file.parent_path(), ignored);
    const mode_t before = ::umask(0077);  // Statements may hold what is nobody else's business.
    write_history(file.c_str());
    ::umask(before);
  }
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// Nothing at the end of the input, and when Ctrl-C was pressed.
  static std::optional<std::string> read(const char* prompt) {
    std::optional<InterruptsHeld> held;
    if (::isatty(STDIN_FILENO) != 0) {
      held.emplace();
      rl_event_hook = &await_key;
    }
    char* line = readline(prompt);
    if (line == nullptr) {
      return std::nullopt;
    }
    std::string text(line);
    std::free(line);
    return text;
  }

  static void remember(std::string statement) {
    // One line each, so that the arrow keys go statement by statement; comments end at line ends.
    if (statement.find("--") == std::string::npos) {
      std::ranges::replace(statement, '\n', ' ');
      add_history(statement.c_str());
      return;
    }
    for (std::size_t begin = 0; begin < statement.size();) {
      const std::size_t end = std::min(statement.find('\n', begin), statement.size());
      add_history(statement.substr(begin, end - begin).c_str());
      begin = end + 1;
    }
  }
};

class Shell {
 public:
  Shell(HttpClient& http, SqlOptions options, InterruptGuard& interrupt)
      : options_(std::move(options)),
        interrupt_(interrupt),
        client_(http, options_),
        names_(client_) {
    options_.output.clear();
    if (options_.format == OutputFormat::Arrow || options_.format == OutputFormat::Parquet) {
      options_.format = OutputFormat::Table;
    }
  }

  int run(const std::string& server_url) {
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    if (terminal) {
      fmt::print("lakehouse {} at {}. Statements end with ;  .help tells more.\n",
                 LAKEHOUSE_VERSION, server_url);
    }
    const LineEditor editor;
    completion_state().names = &names_;
    completion_state().statement = &pending_;
    while (!done_) {
      std::fflush(stdout);
      interrupt_.clear();
      const std::optional<std::string> line =
          LineEditor::read(pending_.empty() ? "lakehouse> " : "      ...> ");
      if (interrupt_.interrupted()) {
        fmt::print("^C\n");
        pending_.clear();
        continue;
      }
      if (!line) {
        fmt::print("\n");
        break;
      }
      take(*line);
    }
    completion_state() = {};
    return kExitOk;
  }

 private:
  void take(const std::string& line) {
    if (pending_.empty()) {
      if (const auto command = parse_shell_command(line)) {
        LineEditor::remember(trimmed(line));
        run_command(*command);
        return;
      }
      if (is_blank_sql(line)) {
        return;
      }
    }
    pending_ += line + "\n";
    const SplitText split = split_statements(pending_);
    if (split.statements.empty()) {
      return;
    }
    LineEditor::remember(trimmed(pending_) + ";");
    pending_ = split.rest;
    run_all(split.statements);
  }

  void run_all(const std::vector<std::string>& statements) {
    for (const std::string& statement : statements) {
      if (client_.run(statement) != kExitOk) {
        break;
      }
    }
    names_.forget();  // Any statement may have made a table.
  }

  void run_command(const ShellCommand& command) {
    using Action = void (Shell::*)(const std::string&);
    static const std::map<std::string, Action, std::less<>> actions = {
        {"tables", &Shell::tables}, {"schema", &Shell::schema}, {"format", &Shell::format},
        {"limit", &Shell::limit},   {"timer", &Shell::timer},   {"read", &Shell::read},
        {"help", &Shell::help},     {"quit", &Shell::quit},     {"exit", &Shell::quit},
        {"flip", &Shell::flip}};
    const auto found = actions.find(command.name);
    if (found == actions.end()) {
      fmt::print(stderr, "error: there is no command .{}\nhint: .help lists them.\n", command.name);
      return;
    }
    (this->*found->second)(command.argument);
  }

  void tables(const std::string&) { run_all({"SHOW TABLES"}); }

  void schema(const std::string& name) {
    if (name.empty()) {
      tables(name);
      return;
    }
    const bool quoted = name.find('"') != std::string::npos || name.find('.') != std::string::npos;
    run_all({"DESCRIBE " + (quoted ? name : quote_sql_identifier(name))});
  }

  void format(const std::string& name) {
    const std::optional<OutputFormat> wanted = output_format_from(name);
    if (!wanted || *wanted == OutputFormat::Arrow || *wanted == OutputFormat::Parquet) {
      fmt::print(stderr,
                 "error: '{}' is not shown here\nhint: table, lines, csv, json or ndjson; files "
                 "are written by lakehouse sql --format ... --output FILE.\n",
                 name);
      return;
    }
    options_.format = *wanted;
  }

  void flip(const std::string&) {
    options_.format =
        options_.format == OutputFormat::Lines ? OutputFormat::Table : OutputFormat::Lines;
  }

  void limit(const std::string& text) {
    char* end = nullptr;
    const unsigned long long rows = std::strtoull(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || text.front() == '-') {
      fmt::print(stderr, "error: .limit wants a number of rows\n");
      return;
    }
    options_.limit = rows == 0 ? std::uint64_t{1} << 40U : rows;
  }

  void timer(const std::string& text) {
    client_.show_time = text.empty() ? !client_.show_time : text != "off";
  }

  void read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      fmt::print(stderr, "error: cannot read '{}': {}\n", path,
                 std::generic_category().message(errno));
      return;
    }
    SplitText split = split_statements(std::string(std::istreambuf_iterator<char>(file), {}));
    if (!is_blank_sql(split.rest)) {
      split.statements.push_back(split.rest);
    }
    run_all(split.statements);
  }

  void help(const std::string&) { fmt::print("{}", kHelp); }
  void quit(const std::string&) { done_ = true; }

  SqlOptions options_;
  InterruptGuard& interrupt_;
  SqlClient client_;
  Names names_;
  std::string pending_;  ///< The lines of a statement that has not ended.
  bool done_ = false;
};

}  // namespace

std::optional<ShellCommand> parse_shell_command(std::string_view line) {
  const std::string text = trimmed(line);
  if (text.empty() || (text.front() != '.' && text.front() != '\\')) {
    return std::nullopt;
  }
  const std::size_t blank = std::min(text.find_first_of(" \t"), text.size());
  ShellCommand command{.name = text.substr(1, blank - 1), .argument = trimmed(text.substr(blank))};
  if (text.front() == '.') {
    // ".5 + 1" goes on with an expression.
    const bool is_word = !command.name.empty() &&
                         std::isalpha(static_cast<unsigned char>(command.name.front())) != 0;
    return is_word ? std::optional(command) : std::nullopt;
  }
  static const std::map<std::string, std::string, std::less<>> names_of_backslash = {
      {"d", "schema"},     {"dt", "tables"}, {"q", "quit"}, {"?", "help"},
      {"timing", "timer"}, {"x", "flip"},    {"i", "read"}};
  if (const auto found = names_of_backslash.find(command.name); found != names_of_backslash.end()) {
    command.name = found->second;
  }
  return command;
}

std::vector<std::string> completions(std::string_view prefix,
                                     const std::vector<std::string>& names) {
  const std::string wanted = to_lower(prefix);
  const bool lower = !prefix.empty() && std::islower(static_cast<unsigned char>(prefix[0])) != 0;
  std::set<std::string> found;
  for (const std::string& name : names) {
    if (to_lower(name).starts_with(wanted)) {
      found.insert(name);
    }
  }
  for (const std::string_view keyword : kKeywords) {
    if (!wanted.empty() && to_lower(keyword).starts_with(wanted)) {
      found.insert(lower ? to_lower(keyword) : std::string(keyword));
    }
  }
  return {found.begin(), found.end()};
}

int run_shell(HttpClient& client, SqlOptions options, InterruptGuard& interrupt) {
  Shell shell(client, std::move(options), interrupt);
  return shell.run(client.server_url());
}

}  // namespace lakehouse::cli
