#include "vector/detail/graph.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include <fmt/format.h>

#include "vector/simd/kernels.h"

namespace lakehouse::vector {

namespace {

/// Set in a pool's entry once its links were followed. Rows are below it (RowSet::kRowsMax).
constexpr Row kOpened = Row{1} << 31U;

bool nearer(const Neighbour& a, const Neighbour& b) {
  return a.nearness > b.nearness;
}
bool farther(const Neighbour& a, const Neighbour& b) {
  return a.nearness < b.nearness;
}

/// The same order as the floats have.
std::int32_t in_order(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return bits >= 0 ? bits : bits ^ std::numeric_limits<std::int32_t>::max();
}

std::uint8_t level_of(Row row, std::uint64_t seed, std::uint32_t m) {
  std::uint64_t bits = seed * 0x9E3779B97F4A7C15ULL + row;
  bits = (bits ^ (bits >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  bits = (bits ^ (bits >> 27U)) * 0x94D049BB133111EBULL;
  bits ^= bits >> 31U;
  const double dice = (static_cast<double>(bits >> 11U) + 1) * 0x1p-53;  // Above 0, at most 1.
  const double level = -std::log(dice) / std::log(static_cast<double>(m));
  return static_cast<std::uint8_t>(std::min(level, double{Graph::kLevelMax}));
}

std::unique_lock<std::mutex> lock_for(std::mutex* locks, Row row) {
  return locks == nullptr ? std::unique_lock<std::mutex>()
                          : std::unique_lock(locks[row % GraphBuilder::kLocks]);
}

}  // namespace

Target Space::target(std::vector<float> unit) const {
  Target target;
  target.unit = std::move(unit);
  if (sketch_ != nullptr) {
    target.code = sketch_->encode(target.unit);
  } else if (codes_) {
    target.code = table_.encoder.encode_query(target.unit_of(table_.dimensions));
  }
  return target;
}

void Space::row_as_target(Row row, Target& out) const {
  if (codes_) {
    table_.encoder.row_as_query(table_.codes + row * table_.encoder.code_bytes(), out.code);
  } else {
    const float* vector = table_.vectors + row * table_.stride;
    out.unit.assign(vector, vector + table_.stride);
  }
}

void Space::nearness(const Target& target, std::span<const Row> rows, std::int32_t* out) const {
  if (codes_) {
    simd::kernels().dots(sketch_ == nullptr ? table_.codes : sketch_->codes(),
                         target.code.bytes.size(), rows.data(), rows.size(),
                         target.code.bytes.data(), out, 0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out[i] -= target.code.bias;
    }
    return;
  }
  for (const Row row : rows) {
    const float* vector = table_.vectors + row * table_.stride;
    for (std::size_t i = 0; i < table_.stride; i += 16) {
      __builtin_prefetch(vector + i);
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out[i] = in_order(table_.score(target.unit.data(), rows[i]));
  }
}

std::int32_t Space::doubt(const Target& target) const {
  if (!codes_) {
    return 0;
  }
  const double error = table_.encoder.typical_error();
  // A code's error points anywhere, so along the query there is one dimension's share of it.
  const double share = std::sqrt(2 * (error * error + target.code.error * target.code.error) /
                                 static_cast<double>(table_.encoder.code_bytes()));
  return static_cast<std::int32_t>(5 * share / target.code.scale);
}

std::size_t Graph::upper_bytes() const {
  const std::size_t lists = levels.empty() ? 0 : std::size_t{upper_at.back()} + levels.back();
  return lists * (m + 1) * 4;
}

Status Graph::grow(std::uint32_t rows, std::uint64_t seed) {
  levels.reserve(rows);
  upper_at.reserve(rows);
  std::uint32_t next = levels.empty() ? 0 : upper_at.back() + levels.back();
  for (Row row = static_cast<Row>(levels.size()); row < rows; ++row) {
    levels.push_back(level_of(row, seed, m));
    upper_at.push_back(next);
    next += levels.back();
  }
  size = rows;
  LH_RETURN_IF_ERROR(ground.reserve(ground_bytes()));
  return upper.reserve(upper_bytes());
}

Status Graph::check() const {
  const auto broken = [](Row row) {
    return fail(ErrorCode::DataLoss, fmt::format("the links of row {} are no links", row));
  };
  if (size == 0) {
    return {};
  }
  if (entry >= size || levels[entry] != top) {
    return fail(ErrorCode::DataLoss, "the graph has no entry");
  }
  for (Row row = 0; row < size; ++row) {
    for (std::uint32_t level = 0; level <= levels[row]; ++level) {
      const std::uint32_t* links = list(row, level);
      if (links[0] > links_max(level)) {
        return broken(row);
      }
      for (std::uint32_t i = 1; i <= links[0]; ++i) {
        if (links[i] >= size || levels[links[i]] < level) {
          return broken(row);
        }
      }
    }
  }
  return {};
}

void Walker::begin(std::uint32_t rows) {
  found_.clear();
  if (visited_.size() * 64 < rows) {
    visited_.resize((std::size_t{rows} + 63) / 64, 0);
  }
}

void Walker::end() {
  for (const Row row : touched_) {
    visited_[row / 64] = 0;
  }
  touched_.clear();
  for (Neighbour& neighbour : found_) {
    neighbour.row &= ~kOpened;
  }
}

bool Walker::visit(Row row) {
  std::uint64_t& word = visited_[row / 64];
  const std::uint64_t bit = std::uint64_t{1} << (row % 64);
  if ((word & bit) != 0) {
    return false;
  }
  word |= bit;
  touched_.push_back(row);
  return true;
}

void Walker::open(const Graph& graph, const Space& space, const Target& target, Row row,
                  std::uint32_t level, std::mutex* locks) {
  fresh_.clear();
  {
    const auto lock = lock_for(locks, row);
    const std::uint32_t* links = graph.list(row, level);
    for (std::uint32_t i = 1; i <= links[0]; ++i) {
      if (visit(links[i])) {
        fresh_.push_back(links[i]);
      }
    }
  }
  nearness_.resize(fresh_.size());
  space.nearness(target, fresh_, nearness_.data());
  scored_ += fresh_.size();
}

/// Where it went into `found_`; beyond its end if it is too far.
std::size_t Walker::insert(Neighbour neighbour, std::uint32_t ef) {
  if (found_.size() >= ef) {
    if (neighbour.nearness <= found_.back().nearness) {
      return found_.size();
    }
    found_.pop_back();
  }
  const auto place = std::upper_bound(found_.begin(), found_.end(), neighbour, nearer);
  return static_cast<std::size_t>(found_.insert(place, neighbour) - found_.begin());
}

Neighbour Walker::descend(const Graph& graph, const Space& space, const Target& target, Entry entry,
                          std::uint32_t level, std::mutex* locks) {
  scored_ = 1;
  Neighbour best{0, entry.row};
  space.nearness(target, {&best.row, 1}, &best.nearness);
  for (std::uint32_t at = entry.level; at > level; --at) {
    for (bool moved = true; moved;) {
      moved = false;
      fresh_.clear();
      {
        const auto lock = lock_for(locks, best.row);
        const std::uint32_t* links = graph.list(best.row, at);
        fresh_.assign(links + 1, links + 1 + links[0]);
      }
      nearness_.resize(fresh_.size());
      space.nearness(target, fresh_, nearness_.data());
      scored_ += fresh_.size();
      for (std::size_t i = 0; i < fresh_.size(); ++i) {
        if (nearness_[i] > best.nearness) {
          best = {nearness_[i], fresh_[i]};
          moved = true;
        }
      }
    }
  }
  return best;
}

void Walker::walk(const Graph& graph, const Space& space, const Target& target,
                  std::span<const Neighbour> entries, std::uint32_t ef, std::uint32_t level,
                  std::mutex* locks) {
  begin(graph.size);
  for (const Neighbour& entry : entries) {
    if (visit(entry.row)) {
      insert(entry, ef);
    }
  }
  std::size_t at = 0;
  while (at < found_.size()) {
    if ((found_[at].row & kOpened) != 0) {
      ++at;
      continue;
    }
    const Row row = found_[at].row;
    found_[at].row |= kOpened;
    if (at + 1 < found_.size()) {
      __builtin_prefetch(graph.list(found_[at + 1].row & ~kOpened, level));
    }
    open(graph, space, target, row, level, locks);
    std::size_t lowest = at + 1;
    for (std::size_t i = 0; i < fresh_.size(); ++i) {
      lowest = std::min(lowest, insert({nearness_[i], fresh_[i]}, ef));
    }
    at = lowest;
  }
  end();
}

bool Walker::walk_filtered(const Graph& graph, const Space& space, const Target& target,
                           Neighbour entry, std::uint32_t ef, const RowSet& filter,
                           std::uint64_t scored_max) {
  begin(graph.size);
  frontier_.clear();
  const auto meet = [&](Neighbour neighbour) {
    if (found_.size() >= ef && neighbour.nearness <= found_.back().nearness) {
      return;
    }
    frontier_.push_back(neighbour);
    std::push_heap(frontier_.begin(), frontier_.end(), farther);
    if (filter.contains(neighbour.row)) {
      insert(neighbour, ef);
    }
  };
  visit(entry.row);
  meet(entry);
  while (!frontier_.empty() && scored_ <= scored_max) {
    std::pop_heap(frontier_.begin(), frontier_.end(), farther);
    const Neighbour nearest = frontier_.back();
    frontier_.pop_back();
    if (found_.size() >= ef && nearest.nearness < found_.back().nearness) {
      break;
    }
    open(graph, space, target, nearest.row, 0, nullptr);
    for (std::size_t i = 0; i < fresh_.size(); ++i) {
      meet({nearness_[i], fresh_[i]});
    }
  }
  end();
  return scored_ <= scored_max;
}

GraphBuilder::GraphBuilder(Graph& graph, const Space& space, std::uint32_t ef_construction)
    : graph_(graph), space_(space), ef_(ef_construction), locks_(kLocks) {
  memory_ = ground_nearness_.reserve(graph.ground_bytes());
  if (memory_) {
    memory_ = upper_nearness_.reserve(graph.upper_bytes());
  }
}

std::int32_t* GraphBuilder::nearness_of(Row row, std::uint32_t level) {
  return (level == 0 ? ground_nearness_ : upper_nearness_).as<std::int32_t>() +
         graph_.list_at(row, level);
}

Status GraphBuilder::recall(std::uint32_t linked) {
  Target target;
  for (Row row = 0; row < linked; ++row) {
    space_.row_as_target(row, target);
    for (std::uint32_t level = 0; level <= graph_.levels[row]; ++level) {
      const std::uint32_t* links = graph_.list(row, level);
      space_.nearness(target, {links + 1, links[0]}, nearness_of(row, level) + 1);
    }
  }
  return memory_;
}

/// Which of the candidates (nearest first) to link: those that are nearer to the target than to any
/// that was taken before, so that links lead in different directions. Rows that are the same as
/// one taken are not taken: it leads to them.
void GraphBuilder::select(Worker& worker, std::size_t wanted) const {
  worker.kept.clear();
  worker.kept_rows.clear();
  worker.nearness.resize(wanted);
  for (const Neighbour& candidate : worker.candidates) {
    if (worker.kept.size() == wanted) {
      return;
    }
    if (!worker.kept.empty()) {
      space_.row_as_target(candidate.row, worker.other);
      space_.nearness(worker.other, worker.kept_rows, worker.nearness.data());
      const auto taken = worker.nearness.begin() + static_cast<std::ptrdiff_t>(worker.kept.size());
      if (*std::max_element(worker.nearness.begin(), taken) >= candidate.nearness) {
        continue;
      }
    }
    worker.kept.push_back(candidate);
    worker.kept_rows.push_back(candidate.row);
  }
}

void GraphBuilder::write(Row row, std::uint32_t level, std::span<const Neighbour> links) {
  std::uint32_t* list = graph_.list(row, level);
  std::int32_t* nearness = nearness_of(row, level);
  list[0] = static_cast<std::uint32_t>(links.size());
  for (std::size_t i = 0; i < links.size(); ++i) {
    list[i + 1] = links[i].row;
    nearness[i + 1] = links[i].nearness;
  }
}

void GraphBuilder::link_back(Row from, Neighbour to, std::uint32_t level, Worker& worker,
                             std::mutex* locks) {
  const auto lock = lock_for(locks, from);
  std::uint32_t* list = graph_.list(from, level);
  std::int32_t* nearness = nearness_of(from, level);
  const std::uint32_t count = list[0];
  const std::uint32_t most = graph_.links_max(level);
  if (count < most) {
    list[count + 1] = to.row;
    nearness[count + 1] = to.nearness;
    list[0] = count + 1;
    return;
  }
  worker.candidates.clear();
  for (std::uint32_t i = 1; i <= count; ++i) {
    worker.candidates.push_back({nearness[i], list[i]});
  }
  worker.candidates.push_back(to);
  std::sort(worker.candidates.begin(), worker.candidates.end(), nearer);
  select(worker, most);
  write(from, level, worker.kept);
}

void GraphBuilder::link_level(Row row, std::uint32_t level, Worker& worker, std::mutex* locks) {
  worker.walker.walk(graph_, space_, worker.target, worker.entries, ef_, level, locks);
  const std::span<const Neighbour> found = worker.walker.found();
  worker.entries.assign(found.begin(), found.end());
  // Other threads may have met the row on a higher level, and linked it.
  std::erase_if(worker.entries, [&](const Neighbour& at) { return at.row == row; });
  worker.candidates = worker.entries;
  select(worker, graph_.m);
  worker.links = worker.kept;
  {
    const auto lock = lock_for(locks, row);
    write(row, level, worker.links);
  }
  for (const Neighbour& link : worker.links) {
    link_back(link.row, {link.nearness, row}, level, worker, locks);
  }
}

void GraphBuilder::insert(Row row, Worker& worker, std::mutex* locks) {
  const std::uint32_t level = graph_.levels[row];
  std::unique_lock entry_lock(entry_mutex_);
  if (row == 0) {
    graph_.entry = row;
    graph_.top = level;
    return;
  }
  const Walker::Entry start{graph_.entry, graph_.top};
  if (level <= start.level) {
    entry_lock.unlock();  // Else nobody else may go above the top meanwhile.
  }
  space_.row_as_target(row, worker.target);
  worker.entries.assign(1, worker.walker.descend(graph_, space_, worker.target, start,
                                                 std::min(level, start.level), locks));
  for (std::uint32_t at = std::min(level, start.level) + 1; at-- > 0;) {
    link_level(row, at, worker, locks);
  }
  if (level > start.level) {
    graph_.entry = row;
    graph_.top = level;
  }
}

Status GraphBuilder::link(const RequestContext& context, std::uint32_t& linked, unsigned threads,
                          const VectorIndexBuilder::Progress& progress) {
  LH_RETURN_IF_ERROR(memory_);
  if (linked == 0 && graph_.size > 0) {
    Worker first;
    insert(0, first, nullptr);  // Alone: the others need an entry.
    linked = 1;
  }
  std::atomic<std::uint32_t> next{linked};
  std::atomic<bool> stopped{false};
  std::mutex* const locks = threads > 1 ? locks_.data() : nullptr;
  // Whatever is begun is ended, so the rows that are linked have no gaps.
  const auto work = [&](const std::function<void(std::uint32_t)>& each) {
    Worker worker;
    while (!stopped) {
      const std::uint32_t row = next.fetch_add(1);
      if (row >= graph_.size) {
        return;
      }
      insert(row, worker, locks);
      each(row);
    }
  };
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < threads; ++i) {
    others.emplace_back([&work] { work([](std::uint32_t) {}); });
  }
  Status status;
  auto told = std::chrono::steady_clock::now();
  work([&](std::uint32_t row) {
    if (row % 8 != 0 && threads == 1) {
      return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (progress && now - told > std::chrono::milliseconds(100)) {
      told = now;
      progress(std::min(row, graph_.size), graph_.size);
    }
    if (const Status asked = context.check(); !asked) {
      status = asked;
      stopped = true;
    }
  });
  others.clear();  // Joined.
  linked = std::min(next.load(), graph_.size);
  return status;
}

Status GraphBuilder::connect_strays(const RequestContext& context) {
  constexpr std::uint32_t kWidth = 64;
  if (graph_.size == 0) {
    return {};
  }
  Worker worker;
  std::vector<Row> open;
  for (int pass = 0; pass < 3; ++pass) {
    RowSet reached(graph_.size);
    const auto flood = [&](Row from) {
      open.assign(1, from);
      reached.add(from);
      while (!open.empty()) {
        const std::uint32_t* links = graph_.list(open.back(), 0);
        open.pop_back();
        for (std::uint32_t i = 1; i <= links[0]; ++i) {
          if (!reached.contains(links[i])) {
            reached.add(links[i]);
            open.push_back(links[i]);
          }
        }
      }
    };
    flood(graph_.entry);
    if (reached.count() == graph_.size) {
      return {};
    }
    for (Row row = 0; row < graph_.size; ++row) {
      if (reached.contains(row)) {
        continue;
      }
      LH_RETURN_IF_ERROR(context.check());
      space_.row_as_target(row, worker.target);
      const Neighbour entry = worker.walker.descend(graph_, space_, worker.target,
                                                    {graph_.entry, graph_.top}, 0, nullptr);
      worker.walker.walk(graph_, space_, worker.target, {&entry, 1}, kWidth, 0, nullptr);
      adopt(row, worker.walker.found());
      flood(row);
    }
  }
  return {};
}

/// Links to a row that nothing leads to from the nearest of those found that has place for it. If
/// none has, the row takes the last link's place of the nearest, and leads on to what was there.
void GraphBuilder::adopt(Row row, std::span<const Neighbour> found) {
  for (const Neighbour& at : found) {
    std::uint32_t* list = graph_.list(at.row, 0);
    if (at.row != row && list[0] < graph_.links_max(0)) {
      list[++list[0]] = row;
      nearness_of(at.row, 0)[list[0]] = at.nearness;
      return;
    }
  }
  const Neighbour& nearest = found.front();
  std::uint32_t* list = graph_.list(nearest.row, 0);
  std::uint32_t* own = graph_.list(row, 0);
  own[0] = std::min(own[0] + 1, graph_.links_max(0));
  own[own[0]] = list[list[0]];
  nearness_of(row, 0)[own[0]] = nearest.nearness;
  list[list[0]] = row;
  nearness_of(nearest.row, 0)[list[0]] = nearest.nearness;
}

}  // namespace lakehouse::vector
