#include "query/constant_stream.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <sys/eventfd.h>

#include "base/unique_fd.h"

namespace lakehouse::query {
namespace {

class ConstantStream final : public engine::ResultStream {
 public:
  ConstantStream(UniqueFd ready, std::vector<engine::Column> columns, std::string bytes,
                 std::uint64_t row_count)
      : ready_(std::move(ready)),
        columns_(std::move(columns)),
        bytes_(std::move(bytes)),
        end_{.row_count = row_count} {}

  [[nodiscard]] const std::vector<engine::Column>& columns() const override { return columns_; }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    LH_RETURN_IF_ERROR(context.check());
    return std::exchange(bytes_, std::nullopt);
  }
  [[nodiscard]] int fd() const override { return ready_.get(); }
  Result<Poll> try_next() override { return Poll{true, std::exchange(bytes_, std::nullopt)}; }
  [[nodiscard]] const engine::ResultEnd& end() const override { return end_; }

 private:
  UniqueFd ready_;  ///< Always readable.
  std::vector<engine::Column> columns_;
  std::optional<std::string> bytes_;
  engine::ResultEnd end_;
};

class HoldingStream final : public engine::ResultStream {
 public:
  HoldingStream(std::unique_ptr<engine::ResultStream> inner, std::shared_ptr<void> held)
      : held_(std::move(held)), inner_(std::move(inner)) {}

  [[nodiscard]] const std::vector<engine::Column>& columns() const override {
    return inner_->columns();
  }
  Result<std::optional<std::string>> next(const RequestContext& context) override {
    return inner_->next(context);
  }
  [[nodiscard]] int fd() const override { return inner_->fd(); }
  Result<Poll> try_next() override { return inner_->try_next(); }
  [[nodiscard]] const engine::ResultEnd& end() const override { return inner_->end(); }

 private:
  std::shared_ptr<void> held_;  ///< Goes after the stream.
  std::unique_ptr<engine::ResultStream> inner_;
};

}  // namespace

Result<std::unique_ptr<engine::ResultStream>> constant_stream(const std::string& column,
                                                              const boost::json::value& value,
                                                              engine::Encoding encoding) {
  const std::string text = boost::json::serialize(value);
  std::string bytes;
  switch (encoding) {
    case engine::Encoding::Json: bytes = "[" + text + "]"; break;
    case engine::Encoding::Ndjson:
      bytes = boost::json::serialize(boost::json::object{{column, value}}) + "\n";
      break;
    case engine::Encoding::Csv: bytes = column + "\r\n" + text + "\r\n"; break;
    case engine::Encoding::ArrowStream:
    case engine::Encoding::Raw: return fail(ErrorCode::Internal, "a constant has no binary form");
  }
  std::vector<engine::Column> columns{{column, value.is_bool() ? "BOOLEAN" : "BIGINT"}};
  return bytes_stream(std::move(columns), std::move(bytes), 1);
}

Result<std::unique_ptr<engine::ResultStream>> bytes_stream(std::vector<engine::Column> columns,
                                                           std::string bytes,
                                                           std::uint64_t row_count) {
  UniqueFd ready(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (ready.get() < 0) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("no descriptor is left: errno {}", errno));
  }
  return std::make_unique<ConstantStream>(std::move(ready), std::move(columns), std::move(bytes),
                                          row_count);
}

std::unique_ptr<engine::ResultStream> holding_stream(std::unique_ptr<engine::ResultStream> inner,
                                                     std::shared_ptr<void> held) {
  return std::make_unique<HoldingStream>(std::move(inner), std::move(held));
}

}  // namespace lakehouse::query
