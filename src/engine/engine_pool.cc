#include "engine/engine_pool.h"

#include <fmt/format.h>

#include "base/text.h"
#include "engine/client/connections.h"
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

class EnginePool::Impl {
 public:
  explicit Impl(EngineOptions options)
      : connections_(std::make_shared<Connections>(std::move(options))) {}
  ~Impl() { connections_->stop(std::chrono::milliseconds(0)); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Connections& connections() { return *connections_; }

 private:
  std::shared_ptr<Connections> connections_;
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
  impl_->connections().give(std::move(grant));
}

Status EnginePool::wait_ready(const RequestContext& context) {
  return impl_->connections().wait_ready(context);
}

EngineMetrics EnginePool::metrics() const {
  return impl_->connections().metrics();
}

void EnginePool::kill() {
  impl_->connections().kill();
}

Connections& EnginePool::connections() {
  return impl_->connections();
}

void EnginePool::stop(std::chrono::milliseconds grace) {
  impl_->connections().stop(grace);
}

}  // namespace lakehouse::engine
