#include "vector/index_vectors.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace lakehouse::vector {
namespace {

class GraphVectors final : public IndexVectors {
 public:
  explicit GraphVectors(std::unique_ptr<VectorIndex> index) : index_(std::move(index)) {}

  [[nodiscard]] std::uint32_t size() const override { return index_->size(); }
  [[nodiscard]] std::size_t memory_bytes() const override { return index_->memory_bytes(); }

  Result<Nearest> nearest(const RequestContext& context, std::span<const float> query,
                          std::uint32_t k, const RowSet* allowed, bool exact,
                          std::uint32_t ef) const override {
    SearchOptions options;
    options.k = k;
    options.ef = ef;
    options.filter = allowed;
    options.exact = exact;
    LH_ASSIGN_OR_RETURN(SearchAnswer answer, index_->search(context, query, options));
    return Nearest{std::move(answer.hits), std::string(to_string(answer.method))};
  }

  Status read(const RequestContext& /*context*/, std::span<const Row> rows,
              std::span<float> out) const override {
    for (const Row row : rows) {
      const auto vector = index_->table().vector(row);
      std::ranges::copy(vector, out.begin());
      out = out.subspan(vector.size());
    }
    return {};
  }

  [[nodiscard]] std::span<const float> mapped() const override {
    const Row rows = index_->size();
    if (rows == 0) {
      return {};
    }
    const auto first = index_->table().vector(0);
    const bool is_one =
        index_->table().vector(rows - 1).data() == first.data() + first.size() * (rows - 1);
    return is_one ? std::span(first.data(), first.size() * rows) : std::span<const float>();
  }

 private:
  std::unique_ptr<VectorIndex> index_;
};

class GraphWriter final : public IndexVectorsWriter {
 public:
  GraphWriter(std::unique_ptr<VectorIndexBuilder> builder, const std::string& folder,
              std::string name)
      : builder_(std::move(builder)), path_(folder + "/" + name), name_(std::move(name)) {}

  Status add(const RequestContext& /*context*/, std::span<const float> vector) override {
    return builder_->add(vector);
  }

  Result<std::vector<std::string>> finish(const RequestContext& context, const std::string& note,
                                          const FileProgress& progress) override {
    // Half of the machine: searches and embedding go on beside it.
    const unsigned threads = std::max(1U, std::thread::hardware_concurrency() / 2);
    LH_ASSIGN_OR_RETURN(
        const std::unique_ptr<VectorIndex> built,
        builder_->build(context, note, threads, [&](std::uint32_t done, std::uint32_t total) {
          progress(done, total, "building the graph");
        }));
    LH_RETURN_IF_ERROR(built->save(path_));
    return std::vector{name_};
  }

 private:
  std::unique_ptr<VectorIndexBuilder> builder_;
  std::string path_;
  std::string name_;
};

}  // namespace

Result<std::unique_ptr<IndexVectors>> open_graph_vectors(const std::string& path,
                                                         std::uint32_t dimensions,
                                                         std::string_view note) {
  LH_ASSIGN_OR_RETURN(auto index, VectorIndex::open(path));
  if (index->options().dimensions != dimensions || index->note() != note) {
    return fail(ErrorCode::DataLoss, "an index's files are not of one index");
  }
  return std::make_unique<GraphVectors>(std::move(index));
}

Result<std::unique_ptr<IndexVectorsWriter>> make_graph_writer(const GraphSettings& graph,
                                                              std::uint32_t dimensions,
                                                              const std::string& folder,
                                                              const std::string& name) {
  IndexOptions options;
  options.dimensions = dimensions;
  options.m = graph.m;
  options.ef_construction = graph.ef_construction;
  options.seed = graph.seed;
  LH_ASSIGN_OR_RETURN(options.quantization, quantization_named(graph.quantization));
  LH_ASSIGN_OR_RETURN(auto builder, VectorIndexBuilder::create(options));
  return std::make_unique<GraphWriter>(std::move(builder), folder, name);
}

}  // namespace lakehouse::vector
