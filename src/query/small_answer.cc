#include "query/small_answer.h"

#include <utility>

#include "base/json.h"

namespace lakehouse::query {
namespace {

constexpr std::size_t kBytesMax = std::size_t{64} << 20U;

}  // namespace

Result<std::vector<boost::json::array>> rows_of(const RequestContext& context,
                                                QueryService& queries, SqlRequest request) {
  request.encoding = engine::Encoding::Json;
  LH_ASSIGN_OR_RETURN(QueryAnswer answer, queries.run(context, request));
  std::string text = "[";
  while (true) {
    LH_ASSIGN_OR_RETURN(const auto bytes, answer.stream->next(answer.context));
    if (!bytes) {
      break;
    }
    text += *bytes;
    if (text.size() > kBytesMax) {
      return fail(ErrorCode::ResourceExhausted, "the answer is larger than 64 MiB");
    }
  }
  LH_ASSIGN_OR_RETURN(boost::json::value parsed, parse_json(text + "]", "an answer of the engine"));
  std::vector<boost::json::array> rows;
  for (boost::json::value& row : parsed.as_array()) {
    rows.push_back(std::move(row.as_array()));
  }
  return rows;
}

}  // namespace lakehouse::query
