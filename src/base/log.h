#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/request_context.h"

namespace spdlog {
class logger;  // NOLINT(readability-identifier-naming): theirs.
}

namespace lakehouse {

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Text, Json };
Result<LogLevel> log_level_from(std::string_view name);    ///< debug, info, warn, error
Result<LogFormat> log_format_from(std::string_view name);  ///< text, json

/// A named value beside the message. Never a secret, never a row's content.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

/// Lines on standard error: "2026-01-31T12:00:00.123Z info  server: ready address=127.0.0.1:3100",
/// or one JSON object a line. What comes from outside is escaped, so it cannot forge a line.
///
/// Thread-safe.
class Log {
 public:
  struct Options {
    LogLevel level = LogLevel::Info;
    LogFormat format = LogFormat::Text;
    /// A file to append to instead of standard error; for tests.
    std::string file;
  };
  explicit Log(Options options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(LogLevel level, std::string_view module, std::string_view message,
             std::initializer_list<LogField> fields = {});
  /// The same, with the request's id and trace.
  void write(LogLevel level, std::string_view module, const RequestContext& context,
             std::string_view message, std::initializer_list<LogField> fields = {});
  [[nodiscard]] bool enabled(LogLevel level) const { return level >= options_.level; }

 private:
  void write_line(LogLevel level, std::string_view module, const RequestContext* context,
                  std::string_view message, std::initializer_list<LogField> fields);

  Options options_;
  std::shared_ptr<spdlog::logger> sink_;  ///< spdlog's own way to hold it.
};

}  // namespace lakehouse
