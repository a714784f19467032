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
  ConstantStream(UniqueFd ready, std::vector<engine::Column> columns, std::string bytes)
      : ready_(std::move(ready)), columns_(std::move(columns)), bytes_(std::move(bytes)) {}

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
  engine::ResultEnd end_{1, false};
};

}  // namespace

Result<std::unique_ptr<engine::ResultStream>> constant_stream(const std::string& column,
                                                              const boost::json::value& value,
                                                              engine::Encoding encoding) {
  UniqueFd ready(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  if (ready.get() < 0) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("no descriptor is left: errno {}", errno));
  }
  const std::string text = boost::json::serialize(value);
  std::string bytes;
  switch (encoding) {
    case engine::Encoding::Json: bytes = "[" + text + "]"; break;
    case engine::Encoding::Ndjson:
      bytes = boost::json::serialize(boost::json::object{{column, value}}) + "\n";
      break;
    case engine::Encoding::Csv: bytes = column + "\r\n" + text + "\r\n"; break;
    case engine::Encoding::ArrowStream:
      return fail(ErrorCode::Internal, "a constant has no Arrow form");
  }
  std::vector<engine::Column> columns{{column, value.is_bool() ? "BOOLEAN" : "BIGINT"}};
  return std::make_unique<ConstantStream>(std::move(ready), std::move(columns), std::move(bytes));
}

}  // namespace lakehouse::query
