#include "engine/engine_pool.h"

#include <fmt/format.h>

#include "base/text.h"
#include "engine/child_connections.h"
#include "engine/client/result_stream.h"
#include "engine/wire/messages.h"

namespace lakehouse::engine {

Status check_statement_text(std::string_view sql) {
  if (!is_valid_utf8(sql)) {
    return fail(ErrorCode::InvalidArgument, "the SQL text is not UTF-8");
  }
  if (sql.contains('\0')) {
    return fail(ErrorCode::InvalidArgument, "the SQL text holds a zero byte");
  }
  return {};
}

namespace {

std::vector<std::string> child_arguments(const EngineOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  const auto add = [&](std::string name, std::string value) {
    arguments.push_back(std::move(name));
    arguments.push_back(std::move(value));
  };
  add("--memory-limit-bytes", std::to_string(options.memory_limit_bytes));
  add("--spill-bytes-max", std::to_string(options.spill_bytes_max));
  add("--threads", std::to_string(options.threads));
  add("--spill", (options.spill_directory / "engine-spill").string());
  // Room for connections that are idle, or whose other end has just gone.
  add("--connections-max", std::to_string(options.statements_max + 64));
  for (const auto& path : options.grant.readable) {
    add("--readable", path.string());
  }
  for (const auto& path : options.grant.writable) {
    add("--writable", path.string());
  }
  for (const auto& path : options.grant.extensions) {
    add("--extension", path.string());
  }
  if (options.grant.loopback_port) {
    add("--loopback-port", std::to_string(*options.grant.loopback_port));
  }
  if (options.grant.runtime_calls) {
    add("--runtime-calls", "1");
  }
  add("--data-bytes-max", std::to_string(options.limits.data_bytes_max));
  add("--nice", std::to_string(options.limits.nice));
  add("--grant-later", options.grant_later ? "1" : "0");
  add("--sandbox", std::to_string(static_cast<int>(options.sandbox)));
  return arguments;
}

ChildOptions child_options(EngineOptions options) {
  ChildOptions child{.executable = options.executable,
                     .arguments = child_arguments(options),
                     .requests_max = options.statements_max,
                     .ready_wait_max = options.ready_wait_max,
                     .on_log = std::move(options.on_log)};
  child.clean_up = [spill = options.spill_directory / "engine-spill"] {
    std::error_code ignored;
    std::filesystem::remove_all(spill, ignored);
  };
  return child;
}

}  // namespace

class EnginePool::Impl {
 public:
  explicit Impl(EngineOptions options)
      : connections_(std::make_shared<ChildConnections>(child_options(std::move(options)))) {}
  ~Impl() { connections_->stop(std::chrono::milliseconds(0)); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ChildConnections& connections() { return *connections_; }

 private:
  std::shared_ptr<ChildConnections> connections_;
};

EnginePool::EnginePool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EnginePool::~EnginePool() = default;

Result<std::unique_ptr<EnginePool>> EnginePool::start(EngineOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.spill_directory, error);
  if (error) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the engine's spill directory {}: {}", options.spill_directory.string(),
                            error.message()));
  }
  return std::unique_ptr<EnginePool>(new EnginePool(std::make_unique<Impl>(std::move(options))));
}

Result<std::vector<ParsedStatement>> EnginePool::parse(const RequestContext& context,
                                                       std::string_view sql) {
  LH_RETURN_IF_ERROR(check_statement_text(sql));
  Request request{
      .operation = Operation::Parse, .time_left = {}, .sql = std::string(sql), .statement = {}};
  LH_ASSIGN_OR_RETURN(const std::string answer, ask_value(impl_->connections(), context, request));
  return decode_parsed(answer);
}

Result<std::vector<Column>> EnginePool::describe(const RequestContext& context,
                                                 Statement statement) {
  LH_RETURN_IF_ERROR(check_statement_text(statement.text));
  Request request{.operation = Operation::Describe,
                  .time_left = {},
                  .sql = {},
                  .statement = std::move(statement)};
  LH_ASSIGN_OR_RETURN(const std::string answer, ask_value(impl_->connections(), context, request));
  return decode_columns(answer);
}

Result<std::unique_ptr<ResultStream>> EnginePool::execute(const RequestContext& context,
                                                          Statement statement) {
  LH_RETURN_IF_ERROR(check_statement_text(statement.text));
  Request request{.operation = Operation::Execute,
                  .time_left = {},
                  .sql = {},
                  .statement = std::move(statement)};
  LH_ASSIGN_OR_RETURN(auto lease, impl_->connections().acquire(context));
  return begin_statement(lease, context, Deadline::max(), request);
}

std::uint64_t EnginePool::generation() const {
  return impl_->connections().generation();
}

void EnginePool::give(EngineGrant grant) {
  impl_->connections().give(encode_grant(grant));
}

Status EnginePool::wait_ready(const RequestContext& context) {
  return impl_->connections().wait_ready(context);
}

EngineMetrics EnginePool::metrics() const {
  const ChildConnections& connections = impl_->connections();
  ChildState state = connections.state();
  return {.ready = state.ready,
          .starts = state.starts,
          .crashes = state.crashes,
          .statements = connections.requests(),
          .running = connections.running(),
          .pid = state.pid,
          .sandbox = std::move(state.sandbox)};
}

void EnginePool::kill() {
  impl_->connections().kill();
}

ChildConnections& EnginePool::connections() {
  return impl_->connections();
}

void EnginePool::stop(std::chrono::milliseconds grace) {
  impl_->connections().stop(grace);
}

}  // namespace lakehouse::engine
