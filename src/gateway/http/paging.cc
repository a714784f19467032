#include "gateway/http/paging.h"

#include <utility>

#include <fmt/format.h>

namespace lakehouse::gateway::http {

Result<catalog::PageRequest> page_of(const Request& request) {
  LH_ASSIGN_OR_RETURN(const auto limit,
                      request.query_int("limit", 1, static_cast<std::int64_t>(kPageMax)));
  return catalog::PageRequest{.page_token = request.query_param("page_token").value_or(""),
                              .limit = limit ? static_cast<std::size_t>(*limit) : kPageDefault};
}

std::vector<ParameterSpec> page_parameters() {
  return {{.in = ParameterSpec::In::Query,
           .name = "limit",
           .description = "How many at most.",
           .schema = fmt::format(R"({{"type":"integer","minimum":1,"maximum":{},"default":{}}})",
                                 kPageMax, kPageDefault)},
          {.in = ParameterSpec::In::Query,
           .name = "page_token",
           .description = "A page's next_page_token; left out for the first page."}};
}

std::vector<ParameterSpec> with_page_parameters(std::vector<ParameterSpec> parameters) {
  for (ParameterSpec& parameter : page_parameters()) {
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

}  // namespace lakehouse::gateway::http
