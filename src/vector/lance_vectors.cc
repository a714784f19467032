#include "vector/lance_vectors.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::vector {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// What the dataset is, in a file that Lance does not look at.
constexpr const char* kAbout = "lakehouse.json";
/// One graph for so many rows; searches look at as many graphs as there are.
constexpr std::uint32_t kPartitionRows = std::uint32_t{1} << 20U;
/// Rows of a part that goes to Lance at once, by the bytes of its numbers.
constexpr std::size_t kPartBytes = std::size_t{64} << 20U;
/// The graph's best are scored again from so many times k candidates, at least.
constexpr std::uint32_t kRefineMin = 6;
/// A filter leaves so few rows that all are scored; or so small a part, that a walk which must find
/// as many times more would cost more than that.
constexpr std::uint32_t kScanRows = 5'000;
constexpr std::uint32_t kAskedMax = 2'000;

json::value numbers(std::span<const float> values) {
  return json::array(values.begin(), values.end());
}

json::value numbers(std::span<const Row> rows) {
  return json::array(rows.begin(), rows.end());
}

class LanceVectors final : public IndexVectors {
 public:
  LanceVectors(LanceEngine& engine, const std::string& path, std::uint32_t dimensions,
               std::uint32_t rows)
      : engine_(engine),
        dataset_(quote_sql_literal(path)),
        type_(fmt::format("FLOAT[{}]", dimensions)),
        rows_(rows) {}

  [[nodiscard]] std::uint32_t size() const override { return rows_; }
  [[nodiscard]] std::size_t memory_bytes() const override { return 0; }

  Result<Nearest> nearest(const RequestContext& context, std::span<const float> query,
                          std::uint32_t k, const RowSet* allowed, bool exact,
                          std::uint32_t ef) const override {
    const std::uint32_t count = allowed == nullptr ? rows_ : allowed->count();
    k = std::min(k, count);
    if (k == 0) {
      return Nearest{{}, "lance"};
    }
    // Rows are found among all and those kept that are allowed: so many times more are asked for.
    std::uint64_t asked = k;
    if (allowed != nullptr) {
      asked = std::uint64_t{k} * rows_ / count * 3 / 2 + k;
    }
    const bool is_few = allowed != nullptr && count <= kScanRows;
    while (!exact && !is_few && asked <= std::max(kAskedMax, k)) {
      LH_ASSIGN_OR_RETURN(std::vector<Hit> hits,
                          walk(context, query, static_cast<std::uint32_t>(asked), ef));
      if (allowed != nullptr) {
        std::erase_if(hits, [&](const Hit& hit) { return !allowed->contains(hit.row); });
      }
      if (hits.size() >= k) {
        hits.resize(k);
        return Nearest{std::move(hits), allowed == nullptr ? "lance" : "filtered_lance"};
      }
      asked *= 4;
    }
    LH_ASSIGN_OR_RETURN(std::vector<Hit> hits, scan(context, query, k, allowed));
    return Nearest{std::move(hits), "lance_scan"};
  }

  Status read(const RequestContext& context, std::span<const Row> rows,
              std::span<float> out) const override {
    engine::Statement statement;
    statement.text = fmt::format(
        "SELECT row, vector FROM {} SEMI JOIN (SELECT unnest($1::INTEGER[]) AS row) USING (row)",
        dataset_);
    statement.parameters = json::array{numbers(rows)};
    std::unordered_multimap<std::int64_t, std::size_t> places;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      places.emplace(rows[i], i);
    }
    const std::size_t dimensions = rows.empty() ? 0 : out.size() / rows.size();
    std::size_t found = 0;
    LH_RETURN_IF_ERROR(
        engine_.read(context, std::move(statement), [&](const engine::RawBatch& batch) -> Status {
          for (std::size_t i = 0; i < batch.rows; ++i) {
            const auto vector = batch.columns[1].floats(i);
            const auto [from, to] = places.equal_range(batch.columns[0].integer(i));
            for (auto at = from; at != to && vector.size() == dimensions; ++at, ++found) {
              std::ranges::copy(vector, out.subspan(at->second * dimensions).begin());
            }
          }
          return {};
        }));
    return found == rows.size() ? Status() : fail(ErrorCode::DataLoss, "rows of an index are gone");
  }

 private:
  Result<std::vector<Hit>> walk(const RequestContext& context, std::span<const float> query,
                                std::uint32_t k, std::uint32_t ef) const {
    const std::uint32_t refine = std::max(kRefineMin, (ef + k - 1) / k);
    engine::Statement statement;
    statement.text = fmt::format(
        "SELECT row, CAST(1 - _distance AS FLOAT) AS score FROM lance_vector_search({}, 'vector', "
        "$1::{}, k = {}, nprobs = {}, refine_factor = {})",
        dataset_, type_, k, rows_ / kPartitionRows + 1, refine);
    statement.parameters = json::array{numbers(query)};
    return hits(context, std::move(statement));
  }

  Result<std::vector<Hit>> scan(const RequestContext& context, std::span<const float> query,
                                std::uint32_t k, const RowSet* allowed) const {
    engine::Statement statement;
    json::array parameters{numbers(query)};
    std::string only;
    if (allowed != nullptr) {
      only = "SEMI JOIN (SELECT unnest($2::INTEGER[]) AS row) USING (row) ";
      parameters.push_back(numbers(allowed->rows()));
    }
    statement.text = fmt::format(
        "SELECT row, array_cosine_similarity(vector, $1::{}) AS score FROM {} {}"
        "ORDER BY score DESC, row LIMIT {}",
        type_, dataset_, only, k);
    statement.parameters = std::move(parameters);
    return hits(context, std::move(statement));
  }

  Result<std::vector<Hit>> hits(const RequestContext& context, engine::Statement statement) const {
    std::vector<Hit> found;
    LH_RETURN_IF_ERROR(
        engine_.read(context, std::move(statement), [&](const engine::RawBatch& batch) -> Status {
          for (std::size_t i = 0; i < batch.rows; ++i) {
            const std::int64_t row = batch.columns[0].integer(i);
            if (row < 0 || row >= rows_) {
              return fail(ErrorCode::DataLoss, "an index has rows that were not put there");
            }
            found.push_back({.row = static_cast<Row>(row),
                             .score = static_cast<float>(batch.columns[1].number(i))});
          }
          return {};
        }));
    std::ranges::sort(found, better);
    return found;
  }

  LanceEngine& engine_;
  std::string dataset_;
  std::string type_;
  std::uint32_t rows_;
};

/// Through text: what an engine reads without another format of ours. Part by part, so that it does
/// not matter how many rows there are.
class LanceWriter final : public IndexVectorsWriter {
 public:
  LanceWriter(LanceEngine& engine, std::uint32_t dimensions, const std::string& folder,
              std::string name)
      : engine_(engine),
        dimensions_(dimensions),
        part_(folder + "/part.ndjson"),
        path_(folder + "/" + name),
        name_(std::move(name)) {}

  Status add(const RequestContext& context, std::span<const float> vector) override {
    float square = 0;
    for (const float value : vector) {
      square += value * value;
    }
    if (!(square > 0) || !std::isfinite(square)) {
      return fail(ErrorCode::InvalidArgument, "a vector has no direction");
    }
    fmt::format_to(std::back_inserter(text_), "{{\"row\":{},\"vector\":[{}]}}\n", rows_++,
                   fmt::join(vector, ","));
    return text_.size() < kPartBytes ? Status() : flush(context);
  }

  Result<std::vector<std::string>> finish(const RequestContext& context, const std::string& note,
                                          const FileProgress& progress) override {
    progress(rows_, rows_, "writing the vectors");
    LH_RETURN_IF_ERROR(flush(context));
    progress(0, rows_, "building Lance's index");
    const std::string dataset = quote_sql_literal(path_);
    LH_RETURN_IF_ERROR(
        engine_.run(context, fmt::format("CREATE INDEX near ON {} (vector) USING IVF_HNSW_SQ WITH "
                                         "(num_partitions = {}, metric_type = 'cosine')",
                                         dataset, rows_ / kPartitionRows + 1)));
    LH_RETURN_IF_ERROR(
        engine_.run(context, fmt::format("CREATE INDEX by_row ON {} (row) USING BTREE", dataset)));
    std::ofstream about(path_ + "/" + kAbout, std::ios::binary);
    about << json::serialize(
        json::object{{"note", note}, {"rows", rows_}, {"dimensions", dimensions_}});
    about.close();
    if (!about) {
      return fail(ErrorCode::Unavailable, "write " + path_);
    }
    std::vector<std::string> names;
    std::error_code problem;
    for (fs::recursive_directory_iterator at(path_, problem), end; !problem && at != end;
         at.increment(problem)) {
      if (at->is_regular_file(problem)) {
        names.push_back(name_ + "/" + at->path().lexically_relative(path_).string());
      }
    }
    if (problem) {
      return fail(ErrorCode::Unavailable, "read " + path_ + ": " + problem.message());
    }
    return names;
  }

 private:
  Status flush(const RequestContext& context) {
    if (text_.empty()) {
      return {};
    }
    std::ofstream file(part_, std::ios::binary);
    file << text_;
    file.close();
    if (!file) {
      return fail(ErrorCode::Unavailable, "write " + part_);
    }
    text_.clear();
    return engine_.run(
        context, fmt::format("COPY (SELECT row, vector::FLOAT[{}] AS vector FROM read_json({}, "
                             "format='newline_delimited', maximum_object_size=4194304, "
                             "columns={{'row': 'INTEGER', 'vector': 'FLOAT[]'}})) TO {} "
                             "(FORMAT lance, mode 'append')",
                             dimensions_, quote_sql_literal(part_), quote_sql_literal(path_)));
  }

  LanceEngine& engine_;
  const std::uint32_t dimensions_;
  const std::string part_;
  const std::string path_;
  const std::string name_;
  std::string text_;
  std::uint32_t rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<IndexVectors>> open_lance_vectors(const RequestContext& context,
                                                         LanceEngine* lance,
                                                         const std::string& path,
                                                         std::uint32_t dimensions,
                                                         std::string_view note) {
  LH_RETURN_IF_ERROR(context.check());
  LH_RETURN_IF_ERROR(check_lance(lance));
  std::ifstream file(path + "/" + kAbout, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  LH_ASSIGN_OR_RETURN(const json::value about, parse_json(text, kAbout));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(about, kAbout));
  LH_ASSIGN_OR_RETURN(const std::string made_for, fields.require_string("note"));
  LH_ASSIGN_OR_RETURN(const std::int64_t rows, fields.require_int64("rows"));
  LH_ASSIGN_OR_RETURN(const std::int64_t its, fields.require_int64("dimensions"));
  if (made_for != note || its != dimensions || rows < 0 || rows > RowSet::kRowsMax) {
    return fail(ErrorCode::DataLoss, "an index's files are not of one index");
  }
  return std::make_unique<LanceVectors>(*lance, path, dimensions, static_cast<std::uint32_t>(rows));
}

Result<std::unique_ptr<IndexVectorsWriter>> make_lance_writer(LanceEngine* lance,
                                                              std::uint32_t dimensions,
                                                              const std::string& folder,
                                                              const std::string& name) {
  LH_RETURN_IF_ERROR(check_lance(lance));
  return std::make_unique<LanceWriter>(*lance, dimensions, folder, name);
}

}  // namespace lakehouse::vector
