// Our vector index beside hnswlib and USearch: the same vectors, one thread each, one process.
//
//   vector_bench VECTORS.f32 DIMENSIONS QUERIES INDEX_FILE [alone]
//
// QUERIES of the vectors are the queries, the others the rows. Times are processor time of the
// thread, so that a busy machine does not show as a slow program.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <hnswlib/hnswlib.h>
#include <usearch/index_dense.hpp>

#include "vector/batcher.h"
#include "vector/simd/kernels.h"
#include "vector/vector_index.h"

namespace {

using lakehouse::RequestContext;
using lakehouse::vector::Hit;
using lakehouse::vector::IndexOptions;
using lakehouse::vector::RowSet;
using lakehouse::vector::ScanQuery;
using lakehouse::vector::VectorIndex;
using lakehouse::vector::VectorIndexBuilder;

constexpr std::size_t kBest = 10;
constexpr std::size_t kM = 16;
constexpr std::size_t kEfConstruction = 200;
const RequestContext kContext;

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Of /proc/self/status, in MB.
double memory_mb(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) {
      return std::atof(line.c_str() + name.size() + 1) * 1024 / 1e6;
    }
  }
  return 0;
}

template <class T>
T must(lakehouse::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

struct Data {
  std::size_t dimensions = 0;
  std::vector<float> rows;
  std::vector<float> queries;
  std::vector<std::vector<std::uint32_t>> best;  ///< Of each query, by an fp32 scan.

  [[nodiscard]] std::size_t size() const { return rows.size() / dimensions; }
  [[nodiscard]] std::size_t count() const { return queries.size() / dimensions; }
  [[nodiscard]] std::span<const float> query(std::size_t i) const {
    return std::span(queries).subspan(i * dimensions, dimensions);
  }
};

Data read(const char* path, std::size_t dimensions, std::size_t count) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto floats =
      static_cast<std::size_t>(file.tellg()) / sizeof(float) / dimensions * dimensions;
  Data data;
  data.dimensions = dimensions;
  data.rows.resize(floats);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(data.rows.data()),
            static_cast<std::streamsize>(floats * sizeof(float)));
  // Spread over the whole, so that they are no stretch of it.
  const std::size_t rows = floats / dimensions;
  std::vector<float> kept;
  kept.reserve(floats);
  for (std::size_t i = 0; i < rows; ++i) {
    const bool query = i * count / rows != (i + 1) * count / rows;
    auto& to = query ? data.queries : kept;
    to.insert(to.end(), data.rows.begin() + static_cast<std::ptrdiff_t>(i * dimensions),
              data.rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * dimensions));
  }
  data.rows = std::move(kept);
  return data;
}

/// A program that is measured: `search` writes the rows it found.
struct Contender {
  std::string name;
  std::function<void(std::span<const float>, std::size_t ef, std::vector<std::uint32_t>&)> search;
  double build_seconds = 0;
  double memory = 0;
  std::size_t ef = 0;  ///< The least that reaches the recall wanted; 0 if none did.
  double recall = 0;
  std::vector<double> rates;
};

double recall_of(const Data& data, const Contender& contender, std::size_t ef) {
  std::size_t hit = 0;
  std::vector<std::uint32_t> rows;
  for (std::size_t i = 0; i < data.count(); ++i) {
    contender.search(data.query(i), ef, rows);
    for (const std::uint32_t row : rows) {
      hit += static_cast<std::size_t>(std::count(data.best[i].begin(), data.best[i].end(), row));
    }
  }
  return static_cast<double>(hit) / static_cast<double>(data.count() * kBest);
}

double rate_of(const Data& data, const Contender& contender, std::size_t ef) {
  std::vector<std::uint32_t> rows;
  const double start = seconds_now();
  for (std::size_t i = 0; i < data.count(); ++i) {
    contender.search(data.query(i), ef, rows);
  }
  return static_cast<double>(data.count()) / (seconds_now() - start);
}

/// Runs in turn, so that a busy moment hits all. Returns hnswlib's rate, 0 if it does not get
/// there.
double compare(const Data& data, std::vector<Contender>& contenders, double wanted) {
  for (Contender& contender : contenders) {
    contender.ef = 0;
    contender.rates.clear();
    for (const std::size_t ef : {10,  12,  16,  20,  24,  32,  40,  48,   64,   80,   96,  128,
                                 160, 192, 256, 320, 400, 512, 768, 1024, 1536, 2048, 4096}) {
      contender.recall = recall_of(data, contender, ef);
      if (contender.recall >= wanted) {
        contender.ef = ef;
        break;
      }
    }
  }
  for (int round = 0; round < 5; ++round) {
    for (Contender& contender : contenders) {
      if (contender.ef != 0) {
        contender.rates.push_back(rate_of(data, contender, contender.ef));
      }
    }
  }
  std::printf("\nrecall@10 of at least %.4f\n", wanted);
  double peer = 0;
  for (Contender& contender : contenders) {
    if (contender.ef == 0) {
      std::printf("  %-22s does not reach it (%.4f)\n", contender.name.c_str(), contender.recall);
      continue;
    }
    std::sort(contender.rates.begin(), contender.rates.end());
    const double rate = contender.rates[contender.rates.size() / 2];
    peer = contender.name == "hnswlib" ? rate : peer;
    std::printf("  %-22s ef %4zu  recall %.4f  %8.0f queries/s%s\n", contender.name.c_str(),
                contender.ef, contender.recall, rate,
                peer > 0 && contender.name != "hnswlib"
                    ? ("  " + std::to_string(rate / peer).substr(0, 5) + " x hnswlib").c_str()
                    : "");
  }
  return peer;
}

/// As the server has it: built, written, opened from its file.
std::unique_ptr<VectorIndex> make_ours(const Data& data, const std::string& path,
                                       Contender& contender) {
  {
    IndexOptions options;
    options.dimensions = static_cast<std::uint32_t>(data.dimensions);
    options.m = kM;
    options.ef_construction = kEfConstruction;
    auto builder = must(VectorIndexBuilder::create(options));
    const double start = seconds_now();
    if (!builder->add(data.rows)) {
      std::exit(1);
    }
    const auto index = must(builder->build(kContext));
    contender.build_seconds = seconds_now() - start;
    if (!index->save(path)) {
      std::exit(1);
    }
  }
  auto index = must(VectorIndex::open(path));
  static_cast<void>(index->warm(kContext));
  // What is its own, and what it maps and uses all the time; the vectors are read from the file
  // where they are, a few for each search.
  contender.memory = static_cast<double>(index->memory_bytes()) / 1e6;
  VectorIndex* at = index.get();
  contender.name = "lakehouse";
  contender.search = [at](std::span<const float> query, std::size_t ef,
                          std::vector<std::uint32_t>& rows) {
    rows.clear();
    const auto answer =
        at->search(kContext, query, {.k = kBest, .ef = static_cast<std::uint32_t>(ef)});
    for (const Hit& hit : answer->hits) {
      rows.push_back(hit.row);
    }
  };
  return index;
}

struct Peers {
  std::unique_ptr<hnswlib::InnerProductSpace> space;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> hnsw;
  std::vector<std::unique_ptr<unum::usearch::index_dense_t>> usearch;
};

void add_hnswlib(const Data& data, Peers& peers, std::vector<Contender>& contenders) {
  Contender contender{.name = "hnswlib"};
  const double before = memory_mb("RssAnon");
  const double start = seconds_now();
  peers.space = std::make_unique<hnswlib::InnerProductSpace>(data.dimensions);
  peers.hnsw = std::make_unique<hnswlib::HierarchicalNSW<float>>(peers.space.get(), data.size(), kM,
                                                                 kEfConstruction);
  for (std::size_t i = 0; i < data.size(); ++i) {
    peers.hnsw->addPoint(data.rows.data() + i * data.dimensions, i);
  }
  contender.build_seconds = seconds_now() - start;
  contender.memory = memory_mb("RssAnon") - before;
  auto* hnsw = peers.hnsw.get();
  contender.search = [hnsw](std::span<const float> query, std::size_t ef,
                            std::vector<std::uint32_t>& rows) {
    hnsw->setEf(ef);
    auto found = hnsw->searchKnn(query.data(), kBest);
    rows.clear();
    for (; !found.empty(); found.pop()) {
      rows.push_back(static_cast<std::uint32_t>(found.top().second));
    }
  };
  contenders.push_back(std::move(contender));
}

void add_usearch(const Data& data, const std::string& name, unum::usearch::scalar_kind_t kind,
                 Peers& peers, std::vector<Contender>& contenders) {
  using namespace unum::usearch;
  Contender contender{.name = name};
  const double before = memory_mb("RssAnon");
  const double start = seconds_now();
  metric_punned_t metric(data.dimensions, metric_kind_t::cos_k, kind);
  auto made = index_dense_t::make(metric);
  peers.usearch.push_back(std::make_unique<index_dense_t>(std::move(made.index)));
  index_dense_t* index = peers.usearch.back().get();
  index->try_reserve(index_limits_t(data.size(), 1));
  for (std::size_t i = 0; i < data.size(); ++i) {
    index->add(i, data.rows.data() + i * data.dimensions);
  }
  contender.build_seconds = seconds_now() - start;
  contender.memory = memory_mb("RssAnon") - before;
  contender.name += std::string(" (") + metric.isa_name() + ")";
  contender.search = [index](std::span<const float> query, std::size_t ef,
                             std::vector<std::uint32_t>& rows) {
    index->change_expansion_search(ef);
    const auto found = index->search(query.data(), kBest);
    rows.clear();
    for (std::size_t i = 0; i < found.size(); ++i) {
      rows.push_back(static_cast<std::uint32_t>(found[i].member.key));
    }
  };
  contenders.push_back(std::move(contender));
}

/// `peer`: hnswlib's rate at recall 1.
void scans(const Data& data, const VectorIndex& index, double peer) {
  std::vector<double> single;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(data.count(), 200); ++i) {
    const double start = seconds_now();
    const auto hits = must(index.search(kContext, data.query(i), {.k = kBest, .exact = true})).hits;
    single.push_back(seconds_now() - start);
    for (std::size_t k = 0; k < kBest; ++k) {
      wrong += std::count(data.best[i].begin(), data.best[i].end(), hits[k].row) == 0 ? 1U : 0U;
    }
  }
  std::sort(single.begin(), single.end());
  std::printf("\nexact scan (%s): %.2f ms a query (median), %zu of %zu rows other than fp32's\n",
              lakehouse::vector::simd::kernels().name.data(), single[single.size() / 2] * 1e3,
              wrong, single.size() * kBest);
  // As the others were measured: all queries, five times.
  for (const std::size_t together : {4, 16, 64}) {
    std::vector<double> rates;
    for (int round = 0; round < 5; ++round) {
      double seconds = 0;
      std::size_t asked = 0;
      for (; asked < data.count(); asked += together) {
        std::vector<ScanQuery> batch;
        for (std::size_t i = 0; i < together; ++i) {
          batch.push_back({.vector = data.query((asked + i) % data.count()), .k = kBest});
        }
        const double start = seconds_now();
        must(index.scan(kContext, batch));
        seconds += seconds_now() - start;
      }
      rates.push_back(static_cast<double>(asked) / seconds);
    }
    std::sort(rates.begin(), rates.end());
    const double rate = rates[rates.size() / 2];
    std::printf("  %2zu together: %.3f ms each, %.0f queries/s at recall 1", together, 1e3 / rate,
                rate);
    std::printf(peer > 0 ? "  %.2f x hnswlib\n" : "; hnswlib does not get there\n", rate / peer);
  }
}

void filters(const Data& data, const VectorIndex& index) {
  std::printf("\nfiltered, ef %u\n", VectorIndex::kEfSearch);
  for (const double share : {1.0, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001, 0.0001}) {
    RowSet filter(index.size());
    std::uint64_t dice = 88172645463325252ULL;
    for (std::uint32_t row = 0; row < index.size(); ++row) {
      dice ^= dice << 13U;
      dice ^= dice >> 7U;
      dice ^= dice << 17U;
      if (static_cast<double>(dice >> 11U) * 0x1p-53 < share) {
        filter.add(row);
      }
    }
    std::size_t hit = 0;
    std::size_t wanted = 0;
    std::size_t method[3] = {};
    double time = 0;
    const std::size_t count = std::min<std::size_t>(data.count(), 300);
    for (std::size_t i = 0; i < count; ++i) {
      const auto best = must(index.table().search(
          kContext, ScanQuery{.vector = data.query(i), .k = kBest, .filter = &filter}));
      const double start = seconds_now();
      const auto answer =
          must(index.search(kContext, data.query(i), {.k = kBest, .filter = &filter}));
      time += seconds_now() - start;
      wanted += best.size();
      ++method[static_cast<std::size_t>(answer.method)];
      for (const Hit& at : answer.hits) {
        hit += at.score >= best.back().score ? 1U : 0U;
      }
    }
    std::printf(
        "  %7.2f %% allowed: recall %.4f, %.3f ms, graph %zu, filtered graph %zu, scan %zu\n",
        share * 100,
        static_cast<double>(hit) / static_cast<double>(std::max<std::size_t>(wanted, 1)),
        time * 1e3 / static_cast<double>(count), method[0], method[1], method[2]);
  }
}

/// What the benchmark of Lance asks of us: a line of numbers.
void alone(const Data& data, const std::string& path) {
  Contender ours;
  const auto index = make_ours(data, path, ours);
  const double start = seconds_now();
  auto builder = must(VectorIndexBuilder::extend(*index));
  if (!builder->add(std::span(data.queries))) {
    std::exit(1);
  }
  if (!must(builder->build(kContext))->save(path)) {
    std::exit(1);
  }
  const double append = seconds_now() - start;
  const double recall = recall_of(data, ours, VectorIndex::kEfSearch);
  const double rate = rate_of(data, ours, VectorIndex::kEfSearch);
  std::printf("%.3f %.3f %.4f %.4f\n", ours.build_seconds, append, recall, 1e3 / rate);
}

}  // namespace

int main(int count, char** values) {
  if (count != 5 && count != 6) {
    std::fprintf(stderr, "usage: vector_bench VECTORS.f32 DIMENSIONS QUERIES INDEX_FILE\n");
    return 2;
  }
  Data data = read(values[1], static_cast<std::size_t>(std::atoi(values[2])),
                   static_cast<std::size_t>(std::atoi(values[3])));
  for (std::size_t i = 0; i < data.count(); ++i) {
    std::vector<Hit> all(data.size());
    for (std::size_t row = 0; row < data.size(); ++row) {
      all[row] = {
          static_cast<std::uint32_t>(row),
          lakehouse::vector::simd::kernels().dot(
              data.query(i).data(), data.rows.data() + row * data.dimensions, data.dimensions)};
    }
    std::partial_sort(all.begin(), all.begin() + kBest, all.end(), lakehouse::vector::better);
    data.best.emplace_back();
    for (std::size_t k = 0; k < kBest; ++k) {
      data.best.back().push_back(all[k].row);
    }
  }
  if (count == 6) {
    alone(data, values[4]);
    return 0;
  }
  std::printf(
      "%zu vectors of %zu dimensions, %zu queries, M %zu, ef_construction %zu (USearch: its "
      "defaults)\n",
      data.size(), data.dimensions, data.count(), kM, kEfConstruction);
  std::vector<Contender> contenders;
  Peers peers;
  add_hnswlib(data, peers, contenders);
  contenders.emplace_back();
  const auto index = make_ours(data, values[4], contenders.back());
  add_usearch(data, "USearch bf16", unum::usearch::scalar_kind_t::bf16_k, peers, contenders);
  add_usearch(data, "USearch i8", unum::usearch::scalar_kind_t::i8_k, peers, contenders);
  std::printf("\nbuild, memory\n");
  for (const Contender& contender : contenders) {
    std::printf("  %-22s %6.1f s  %6.1f MB  (%.2f, %.2f of hnswlib)\n", contender.name.c_str(),
                contender.build_seconds, contender.memory,
                contender.build_seconds / contenders[0].build_seconds,
                contender.memory / contenders[0].memory);
  }
  double peer = 0;
  for (const double wanted : {0.95, 0.99, 0.999, 1.0}) {
    peer = compare(data, contenders, wanted);
  }
  scans(data, *index, peer);
  filters(data, *index);
  return 0;
}
