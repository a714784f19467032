#include "base/log.h"

#include <chrono>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/text.h"

namespace lakehouse {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warn: return "warn";
    case LogLevel::Error: return "error";
  }
  std::unreachable();
}

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

// Control characters and bytes that are no UTF-8 are written as escapes: a line stays one line.
std::string printable(std::string_view text) {
  const bool is_utf8 = is_valid_utf8(text);
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_utf8)) {
      safe += fmt::format("\\x{:02x}", byte);
    } else {
      safe.push_back(c);
    }
  }
  return safe;
}

std::string quoted_if_needed(std::string_view text) {
  std::string safe = printable(text);
  if (!safe.empty() && safe.find_first_of(" \"=") == std::string::npos) {
    return safe;
  }
  std::string quoted = "\"";
  for (const char c : safe) {
    if (c == '"') {
      quoted.push_back('\\');
    }
    quoted.push_back(c);
  }
  return quoted + '"';
}

std::string text_of(const LogField& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    return quoted_if_needed(*text);
  }
  return std::visit(
      [](const auto& value) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) {
          return std::string(value);
        } else {
          return fmt::format("{}", value);
        }
      },
      field.value);
}

boost::json::value json_of(const LogField& field) {
  return std::visit(
      [](const auto& value) -> boost::json::value {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) {
          return boost::json::string(is_valid_utf8(value) ? std::string(value) : printable(value));
        } else {
          return value;
        }
      },
      field.value);
}

}  // namespace

Result<LogLevel> log_level_from(std::string_view name) {
  for (const LogLevel level : {LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error}) {
    if (name == name_of(level)) {
      return level;
    }
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no log level '{}'", name));
}

Result<LogFormat> log_format_from(std::string_view name) {
  if (name == "text" || name == "json") {
    return name == "text" ? LogFormat::Text : LogFormat::Json;
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no log format '{}'", name));
}

Log::Log(Options options) : options_(std::move(options)) {
  spdlog::sink_ptr sink;
  if (options_.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options_.file);
  }
  sink_ = std::make_shared<spdlog::logger>("lakehouse", std::move(sink));
  sink_->set_pattern("%v");
  sink_->set_level(spdlog::level::trace);
  sink_->flush_on(spdlog::level::trace);
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view module, std::string_view message,
                std::initializer_list<LogField> fields) {
  write_line(level, module, nullptr, message, fields);
}

void Log::write(LogLevel level, std::string_view module, const RequestContext& context,
                std::string_view message, std::initializer_list<LogField> fields) {
  write_line(level, module, &context, message, fields);
}

void Log::write_line(LogLevel level, std::string_view module, const RequestContext* context,
                     std::string_view message, std::initializer_list<LogField> fields) {
  if (!enabled(level)) {
    return;
  }
  std::string line;
  if (options_.format == LogFormat::Json) {
    boost::json::object object;
    object["time"] = now_text();
    object["level"] = name_of(level);
    object["module"] = module;
    object["message"] = printable(message);
    if (context != nullptr) {
      object["request_id"] = context->request_id;
      if (!context->traceparent.empty()) {
        object["traceparent"] = context->traceparent;
      }
    }
    for (const LogField& field : fields) {
      object[field.name] = json_of(field);
    }
    line = boost::json::serialize(object);
  } else {
    line = fmt::format("{} {:<5} {}: {}", now_text(), name_of(level), module, printable(message));
    for (const LogField& field : fields) {
      line += fmt::format(" {}={}", field.name, text_of(field));
    }
    if (context != nullptr && !context->request_id.empty()) {
      line += fmt::format(" request_id={}", context->request_id);
    }
  }
  sink_->log(spdlog::level::info, line);
}

}  // namespace lakehouse
