#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vector/vector_service.h"

namespace lakehouse::vector::testing {

/// Answers searches as a test says, and keeps what it was asked. Everything else is Unimplemented,
/// until a test's own class overrides it. Not thread-safe.
class FakeVectorService : public VectorService {
 public:
  IndexInfo index;                                   ///< What `get` finds, whatever the name.
  SearchResults results;                             ///< What searches find.
  std::function<Status(const SearchRequest&)> fail;  ///< May refuse a search.
  std::vector<SearchRequest> requests;
  std::vector<std::string> principals;

  Result<IndexInfo> get(const RequestContext&, std::string_view) override { return index; }
  Result<SearchResults> search(const RequestContext& context,
                               const SearchRequest& request) override {
    requests.push_back(request);
    principals.push_back(context.principal);
    if (fail) {
      LH_RETURN_IF_ERROR(fail(request));
    }
    SearchResults found = results;
    found.hits.resize(std::min(found.hits.size(), request.k));
    return found;
  }

  Result<jobs::Job> create_index(const RequestContext&, const IndexSpec&,
                                 const AlsoStart&) override {
    return none();
  }
  Result<catalog::Page<IndexInfo>> list(const RequestContext&,
                                        const catalog::PageRequest&) override {
    return none();
  }
  Result<bool> drop(const RequestContext&, std::string_view) override { return none(); }
  Result<IndexInfo> set_refresh(const RequestContext&, std::string_view, const Refresh&) override {
    return none();
  }
  Result<std::vector<SearchResults>> search_all(const RequestContext&,
                                                std::span<const SearchRequest>) override {
    return none();
  }
  Result<std::vector<jobs::Job>> refresh(const RequestContext&, std::string_view) override {
    return none();
  }
  Result<std::vector<StaleIndex>> stale(const RequestContext&) override { return none(); }
  Result<jobs::Job> build_beside(const RequestContext&, std::string_view, const Recipe&,
                                 const GraphSettings&) override {
    return none();
  }
  Result<IndexInfo> switch_to(const RequestContext&, std::string_view, std::int64_t,
                              bool) override {
    return none();
  }
  Result<IndexInfo> drop_generation(const RequestContext&, std::string_view,
                                    std::int64_t) override {
    return none();
  }
  Result<std::shared_ptr<const PinnedEmbeddings>> pin_embeddings(const RequestContext&,
                                                                 std::string_view) override {
    return none();
  }
  Result<jobs::Job> promote(const RequestContext&, std::string_view,
                            const GraphSettings&) override {
    return none();
  }
  void set_quality(Quality) override {}
  [[nodiscard]] IndexCacheStats cache_stats() const override { return {}; }
  void run() override {}
  void stop() override {}

 private:
  static std::unexpected<Error> none() {
    return lakehouse::fail(ErrorCode::Unimplemented, "the fake does not do this");
  }
};

}  // namespace lakehouse::vector::testing
