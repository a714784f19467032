#include "vector/vector_index.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "vector/batcher.h"
#include "vector/detail/graph.h"
#include "vector/detail/index_file.h"
#include "vector/detail/table_data.h"

namespace lakehouse::vector {

namespace {

// What a row costs in a scan and in a walk: relative, measured at 384 dimensions (bench/vector).
// The walk's include what it does beside scoring.
constexpr double kScanCost = 1;
constexpr double kGatherCost = 2;
constexpr double kWalkCost = 4;
/// Of a row's links, how many lead to a row that was not visited before, as a share of m.
constexpr double kFreshShare = 0.9;
/// Before a scan: the walk's width, and beyond which k it would cost more than it saves.
constexpr std::uint32_t kGlanceEf = 12;
constexpr std::uint32_t kGlanceMax = 100;

Status check_range(std::string_view name, std::uint64_t value, std::uint64_t least,
                   std::uint64_t most) {
  if (value < least || value > most) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is {}, it must be {} to {}", name, value, least, most));
  }
  return {};
}

}  // namespace

std::string_view to_string(Quantization quantization) {
  return quantization == Quantization::Int8 ? "int8" : "none";
}

Result<Quantization> quantization_named(std::string_view name) {
  for (const Quantization quantization : {Quantization::Int8, Quantization::None}) {
    if (name == to_string(quantization)) {
      return quantization;
    }
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("there is no quantisation '{}'", name),
              "Use int8 or none.");
}

std::string_view to_string(SearchMethod method) {
  switch (method) {
    case SearchMethod::Graph: return "graph";
    case SearchMethod::FilteredGraph: return "filtered_graph";
    case SearchMethod::Scan: break;
  }
  return "scan";
}

Status IndexOptions::check() const {
  LH_RETURN_IF_ERROR(check_range("dimensions", dimensions, 1, VectorTable::kDimensionsMax));
  LH_RETURN_IF_ERROR(check_range("m", m, 2, kMMax));
  LH_RETURN_IF_ERROR(check_range("ef_construction", ef_construction, 1, kEfMax));
  return check_range("quantization", std::to_underlying(quantization), 0, 1);
}

/// Everything an index has, in the order that it is needed.
struct VectorIndex::Impl {
  Impl(IndexContent content_given)
      : content(std::move(content_given)),
        table(std::move(content.table)),
        space(*content.rows, content.options.quantization),
        rough(content.rows->sketches.empty() ? space : Space(*content.rows)),
        batcher(table) {}

  IndexContent content;
  VectorTable table;
  Space space;
  Space rough;  ///< For a glance.
  mutable SearchBatcher batcher;

  mutable std::mutex mutex;
  mutable std::vector<std::unique_ptr<Walker>> walkers;  ///< Those that nobody uses.

  /// A walker for one search, given back afterwards: it keeps its memory.
  class Loan {
   public:
    explicit Loan(const Impl& impl) : impl_(impl) {
      const std::lock_guard lock(impl.mutex);
      if (impl.walkers.empty()) {
        walker_ = std::make_unique<Walker>();
      } else {
        walker_ = std::move(impl.walkers.back());
        impl.walkers.pop_back();
      }
    }
    ~Loan() {
      const std::lock_guard lock(impl_.mutex);
      impl_.walkers.push_back(std::move(walker_));
    }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Walker& operator*() const { return *walker_; }

   private:
    const Impl& impl_;
    std::unique_ptr<Walker> walker_;
  };

  /// Finds rows that the scan may start with.
  void glance(PreparedQuery& query) const;
  [[nodiscard]] Result<SearchAnswer> scan(const RequestContext& context,
                                          std::span<const float> query,
                                          const SearchOptions& options) const;
  [[nodiscard]] std::vector<Hit> score(const Target& target, std::span<const Neighbour> found,
                                       std::uint32_t k) const;
};

void VectorIndex::Impl::glance(PreparedQuery& query) const {
  const Graph& graph = content.graph;
  // What a filter leaves little of, the graph finds little of.
  if (query.k > kGlanceMax || graph.size == 0 ||
      (query.filter != nullptr && query.filter->count() < graph.size / 2)) {
    return;
  }
  const bool sketched = !content.rows->sketches.empty();
  const Target target{.code = sketched ? query.fine : query.code, .unit = query.unit};
  const Loan walker(*this);
  const Neighbour entry =
      (*walker).descend(graph, rough, target, {graph.entry, graph.top}, 0, nullptr);
  const std::uint32_t ef = query.filter == nullptr ? query.k : 4 * query.k;
  (*walker).walk(graph, rough, target, {&entry, 1}, std::max(ef, kGlanceEf), 0, nullptr);
  for (const Neighbour& found : (*walker).found()) {
    if (query.start.size() < query.k &&
        (query.filter == nullptr || query.filter->contains(found.row))) {
      query.start.push_back(found.row);
    }
  }
}

Result<SearchAnswer> VectorIndex::Impl::scan(const RequestContext& context,
                                             std::span<const float> query,
                                             const SearchOptions& options) const {
  LH_ASSIGN_OR_RETURN(
      PreparedQuery prepared,
      prepare_query(*content.rows, {.vector = query, .k = options.k, .filter = options.filter}));
  const bool narrow = options.filter != nullptr && options.filter->count() < table.size() / 20;
  SearchAnswer answer;
  if (narrow) {
    LH_ASSIGN_OR_RETURN(answer.hits, scan_table(context, *content.rows, prepared));
  } else {
    glance(prepared);
    LH_ASSIGN_OR_RETURN(answer.hits, batcher.search(context, std::move(prepared)));
  }
  answer.method = SearchMethod::Scan;
  answer.scored = narrow ? options.filter->count() : table.size();
  return answer;
}

/// The best k of what a walk found. Codes may have put rows in a wrong order: those that could be
/// among the k are scored in fp32.
std::vector<Hit> VectorIndex::Impl::score(const Target& target, std::span<const Neighbour> found,
                                          std::uint32_t k) const {
  std::vector<Hit> hits;
  const std::int32_t doubt = space.doubt(target);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i >= k && std::int64_t{found[i].nearness} + doubt < found[k - 1].nearness) {
      break;
    }
    hits.push_back({found[i].row, 0});
  }
  const TableData& rows = *content.rows;
  for (const Hit& hit : hits) {
    const float* vector = rows.vectors + hit.row * rows.stride;
    for (std::size_t i = 0; i < rows.stride; i += 16) {
      __builtin_prefetch(vector + i, 0, 1);
    }
  }
  for (Hit& hit : hits) {
    hit.score = rows.score(target.unit.data(), hit.row);
  }
  std::sort(hits.begin(), hits.end(), better);
  hits.resize(std::min<std::size_t>(hits.size(), k));
  return hits;
}

VectorIndex::VectorIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VectorIndex::~VectorIndex() = default;

Result<std::unique_ptr<VectorIndex>> VectorIndex::open(const std::string& path) {
  LH_ASSIGN_OR_RETURN(IndexContent content, read_index_file(path));
  return std::unique_ptr<VectorIndex>(new VectorIndex(std::make_unique<Impl>(std::move(content))));
}

Status VectorIndex::verify(const RequestContext& context) const {
  return impl_->content.file ? verify_index_file(context, *impl_->content.file) : Status{};
}

Status VectorIndex::warm(const RequestContext& context) const {
  return impl_->content.file ? touch_index_file(context, *impl_->content.file) : Status{};
}

Status VectorIndex::save(const std::string& path) const {
  return write_index_file(impl_->content, path);
}

const IndexOptions& VectorIndex::options() const {
  return impl_->content.options;
}
std::uint32_t VectorIndex::size() const {
  return impl_->table.size();
}
std::string_view VectorIndex::note() const {
  return impl_->content.note;
}
const VectorTable& VectorIndex::table() const {
  return impl_->table;
}

std::size_t VectorIndex::memory_bytes() const {
  const Graph& graph = impl_->content.graph;
  const std::size_t mapped = impl_->content.file ? impl_->content.file->codes_bytes() : 0;
  return impl_->table.memory_bytes() + mapped + graph.ground.bytes() + graph.upper.bytes() +
         graph.levels.size() * (sizeof(std::uint8_t) + sizeof(std::uint32_t));
}

std::size_t VectorIndex::file_bytes() const {
  return impl_->content.file ? impl_->content.file->bytes() : 0;
}

Result<SearchAnswer> VectorIndex::search(const RequestContext& context,
                                         std::span<const float> query,
                                         const SearchOptions& options) const {
  const Impl& impl = *impl_;
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_k(options.k));
  LH_RETURN_IF_ERROR(check_range("ef", options.ef, 0, IndexOptions::kEfMax));
  LH_ASSIGN_OR_RETURN(std::vector<float> unit, unit_query(query, impl.content.options.dimensions,
                                                          impl.content.rows->stride));
  const std::uint32_t ef = std::max(options.ef == 0 ? kEfSearch : options.ef, options.k);
  const auto size = static_cast<double>(impl.table.size());
  const double allowed = options.filter == nullptr
                             ? size
                             : std::min(size, static_cast<double>(options.filter->count()));
  if (allowed < 1) {
    return SearchAnswer{.hits = {}, .method = SearchMethod::Scan, .scored = 0};
  }
  const double scan_cost = allowed * 3 >= size ? size * kScanCost : allowed * kGatherCost;
  const double walk_rows =
      static_cast<double>(ef) * impl.content.options.m * kFreshShare * size / allowed;
  if (options.exact || walk_rows * kWalkCost > scan_cost) {
    return impl.scan(context, query, options);
  }
  const Target target = impl.space.target(std::move(unit));
  const Graph& graph = impl.content.graph;
  const typename Impl::Loan walker(impl);
  const Neighbour entry =
      (*walker).descend(graph, impl.space, target, {graph.entry, graph.top}, 0, nullptr);
  bool done = true;
  if (options.filter == nullptr) {
    (*walker).walk(graph, impl.space, target, {&entry, 1}, ef, 0, nullptr);
  } else {
    // A filter may lie far from the query: then the walk is given up before it costs more than a
    // scan.
    const auto scored_max = static_cast<std::uint64_t>(scan_cost / kWalkCost) + 1;
    done =
        (*walker).walk_filtered(graph, impl.space, target, entry, ef, *options.filter, scored_max);
  }
  SearchAnswer answer;
  answer.method = options.filter == nullptr ? SearchMethod::Graph : SearchMethod::FilteredGraph;
  answer.scored = (*walker).scored();
  answer.hits = impl.score(target, (*walker).found(), options.k);
  if (!done ||
      answer.hits.size() < std::min<std::size_t>(options.k, static_cast<std::size_t>(allowed))) {
    LH_ASSIGN_OR_RETURN(SearchAnswer scanned, impl.scan(context, query, options));
    scanned.scored += answer.scored;
    return scanned;
  }
  return answer;
}

Result<std::vector<std::vector<Hit>>> VectorIndex::scan(const RequestContext& context,
                                                        std::span<const ScanQuery> queries) const {
  std::vector<PreparedQuery> prepared;
  prepared.reserve(queries.size());
  std::vector<const PreparedQuery*> asked;
  for (const ScanQuery& query : queries) {
    LH_ASSIGN_OR_RETURN(PreparedQuery one, prepare_query(*impl_->content.rows, query));
    impl_->glance(prepared.emplace_back(std::move(one)));
    asked.push_back(&prepared.back());
  }
  return scan_table(context, *impl_->content.rows, asked);
}

/// The rows and the graph as far as it is linked.
struct VectorIndexBuilder::Impl {
  explicit Impl(const IndexOptions& options_given)
      : options(options_given), table(options_given.dimensions) {
    graph.m = options.m;
  }

  IndexOptions options;
  VectorTable table;
  Graph graph;
  std::uint32_t linked = 0;
};

VectorIndexBuilder::VectorIndexBuilder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VectorIndexBuilder::~VectorIndexBuilder() = default;

Result<std::unique_ptr<VectorIndexBuilder>> VectorIndexBuilder::create(
    const IndexOptions& options) {
  LH_RETURN_IF_ERROR(options.check());
  return std::unique_ptr<VectorIndexBuilder>(
      new VectorIndexBuilder(std::make_unique<Impl>(options)));
}

Result<std::unique_ptr<VectorIndexBuilder>> VectorIndexBuilder::extend(const VectorIndex& base) {
  LH_ASSIGN_OR_RETURN(std::unique_ptr<VectorIndexBuilder> builder, create(base.options()));
  const IndexContent& from = base.impl_->content;
  Impl& impl = *builder->impl_;
  LH_RETURN_IF_ERROR(impl.table.data().copy(*from.rows));
  LH_RETURN_IF_ERROR(impl.graph.grow(from.rows->size, impl.options.seed));
  impl.graph.levels = from.graph.levels;
  impl.graph.upper_at = from.graph.upper_at;
  LH_RETURN_IF_ERROR(impl.graph.upper.reserve(impl.graph.upper_bytes()));
  std::copy_n(from.graph.ground.data(), impl.graph.ground_bytes(), impl.graph.ground.data());
  std::copy_n(from.graph.upper.data(), impl.graph.upper_bytes(), impl.graph.upper.data());
  impl.graph.entry = from.graph.entry;
  impl.graph.top = from.graph.top;
  impl.linked = from.rows->size;
  return builder;
}

Status VectorIndexBuilder::add(std::span<const float> rows) {
  return impl_->table.add(rows);
}
std::uint32_t VectorIndexBuilder::size() const {
  return impl_->table.size();
}

Result<std::unique_ptr<VectorIndex>> VectorIndexBuilder::build(const RequestContext& context,
                                                               std::string note, unsigned threads,
                                                               const Progress& progress) {
  LH_RETURN_IF_ERROR(check_range("threads", threads, 1, 64));
  LH_RETURN_IF_ERROR(check_range("the note's length", note.size(), 0, VectorIndex::kNoteBytesMax));
  Impl& impl = *impl_;
  LH_RETURN_IF_ERROR(impl.graph.grow(impl.table.size(), impl.options.seed));
  const Space space(impl.table.data(), impl.options.quantization);
  {
    GraphBuilder builder(impl.graph, space, impl.options.ef_construction);
    LH_RETURN_IF_ERROR(builder.recall(impl.linked));
    LH_RETURN_IF_ERROR(builder.link(context, impl.linked, threads, progress));
    LH_RETURN_IF_ERROR(builder.connect_strays(context));
  }
  LH_ASSIGN_OR_RETURN(impl.table.data().sketches, Sketches::make(context, impl.table.data()));
  IndexContent content{.options = impl.options,
                       .note = std::move(note),
                       .graph = std::move(impl.graph),
                       .table = std::move(impl.table),
                       .rows = nullptr,
                       .file = nullptr};
  content.rows = &content.table.data();
  return std::unique_ptr<VectorIndex>(
      new VectorIndex(std::make_unique<VectorIndex::Impl>(std::move(content))));
}

}  // namespace lakehouse::vector
