#include <algorithm>
#include <deque>
#include <set>

#include <fmt/format.h>

#include "base/json.h"
#include "catalog/detail/lineage_rows.h"
#include "catalog/detail/rows.h"
#include "catalog/registry.h"

// The graph is walked from its root by jobs, in one transaction: upward from an output to its jobs
// and their inputs, downward from an input to the jobs that read it and what they write.

namespace lakehouse::catalog {
namespace {

using metastore::integer;
using metastore::is_null;
using metastore::Row;
using metastore::text;
using metastore::Transaction;

constexpr int kDepthMax = 100;

std::string node_id(LineageNodeKind kind, std::string_view id) {
  return fmt::format("{}:{}", to_string(kind), id);
}

/// Something that is read or written, and how many jobs it is away from the root.
struct Place {
  LineageNodeKind kind = LineageNodeKind::Dataset;
  std::string id;
  std::string name;
  int depth = 0;
};

class Walk {
 public:
  Walk(const RequestContext& context, Transaction& transaction, const LineageOptions& options)
      : context_(context), transaction_(transaction), options_(options) {}

  Result<LineageGraph> run(const Place& root) {
    graph_.root = node_id(root.kind, root.id);
    LH_RETURN_IF_ERROR(add(root));
    if (options_.upstream) {
      LH_RETURN_IF_ERROR(walk(root, &Walk::up));
    }
    if (options_.downstream) {
      LH_RETURN_IF_ERROR(walk(root, &Walk::down));
    }
    graph_.edges.assign(edges_.begin(), edges_.end());
    return std::move(graph_);
  }

 private:
  using Step = Status (Walk::*)(const Place&);

  Status walk(const Place& root, Step step) {
    std::set<std::string> seen;
    queue_.assign(1, root);
    while (!queue_.empty()) {
      LH_RETURN_IF_ERROR(context_.check());
      const Place place = std::move(queue_.front());
      queue_.pop_front();
      if (seen.insert(node_id(place.kind, place.id)).second) {
        LH_RETURN_IF_ERROR((this->*step)(place));
      }
    }
    return {};
  }

  Status up(const Place& place) {
    LH_ASSIGN_OR_RETURN(const auto jobs,
                        transaction_.query("SELECT job_key, job, runs, first_at_ms, last_at_ms, "
                                           "last_detail FROM lineage_jobs WHERE output_id = $1 "
                                           "ORDER BY last_at_ms DESC, job_key",
                                           {place.id}));
    for (const Row& job : jobs) {
      if (!may_go_on(place)) {
        return {};
      }
      const std::string job_id = add_job(place.id, job);
      edges_.insert({job_id, node_id(place.kind, place.id)});
      LH_ASSIGN_OR_RETURN(
          const auto inputs,
          transaction_.query("SELECT input_kind, input_id, input_name FROM lineage_inputs "
                             "WHERE output_id = $1 AND job_key = $2 ORDER BY input_kind, input_id",
                             {place.id, text(job[0])}));
      for (const Row& row : inputs) {
        Place input{.kind = detail::node_kind_from(text(row[0])),
                    .id = text(row[1]),
                    .name = text(row[2]),
                    .depth = place.depth + 1};
        LH_ASSIGN_OR_RETURN(const bool added, add(input));
        if (added) {
          edges_.insert({node_id(input.kind, input.id), job_id});
          queue_.push_back(std::move(input));
        }
      }
    }
    return {};
  }

  Status down(const Place& place) {
    LH_ASSIGN_OR_RETURN(
        const auto jobs,
        transaction_.query("SELECT j.job_key, j.job, j.runs, j.first_at_ms, j.last_at_ms, "
                           "j.last_detail, j.output_id, j.output_kind, j.output_name "
                           "FROM lineage_inputs i JOIN lineage_jobs j "
                           "ON j.output_id = i.output_id AND j.job_key = i.job_key "
                           "WHERE i.input_kind = $1 AND i.input_id = $2 "
                           "ORDER BY j.last_at_ms DESC, j.output_id, j.job_key",
                           {std::string(to_string(place.kind)), place.id}));
    for (const Row& job : jobs) {
      if (!may_go_on(place)) {
        return {};
      }
      Place output{.kind = detail::node_kind_from(text(job[7])),
                   .id = text(job[6]),
                   .name = text(job[8]),
                   .depth = place.depth + 1};
      LH_ASSIGN_OR_RETURN(const bool added, add(output));
      if (added) {
        const std::string job_id = add_job(output.id, job);
        edges_.insert({node_id(place.kind, place.id), job_id});
        edges_.insert({job_id, node_id(output.kind, output.id)});
        queue_.push_back(std::move(output));
      }
    }
    return {};
  }

  bool may_go_on(const Place& place) {
    const bool may = place.depth < std::min(options_.depth, kDepthMax) &&
                     graph_.nodes.size() < options_.nodes_max;
    graph_.truncated = graph_.truncated || !may;
    return may;
  }

  /// False if the graph is full.
  Result<bool> add(const Place& place) {
    const std::string id = node_id(place.kind, place.id);
    if (known_.contains(id)) {
      return true;
    }
    if (graph_.nodes.size() >= options_.nodes_max) {
      graph_.truncated = true;
      return false;
    }
    LineageNode node;
    node.id = id;
    node.kind = place.kind;
    node.name = place.name;
    if (place.kind == LineageNodeKind::Dataset || place.kind == LineageNodeKind::View) {
      LH_ASSIGN_OR_RETURN(
          const auto rows,
          transaction_.query(place.kind == LineageNodeKind::View
                                 ? "SELECT namespace, name FROM views WHERE uuid = $1"
                                 : "SELECT namespace, name FROM tables WHERE uuid = $1",
                             {place.id}));
      node.is_gone = rows.empty();
      if (!rows.empty()) {
        node.name = to_string(TableIdentifier{.name_space = detail::namespace_of(text(rows[0][0])),
                                              .name = text(rows[0][1])});
      }
    }
    known_.insert(id);
    graph_.nodes.push_back(std::move(node));
    return true;
  }

  /// One more than the limit is possible here, so that no edge lacks its job.
  std::string add_job(const std::string& output_id, const Row& row) {
    std::string id = node_id(LineageNodeKind::Job, fmt::format("{}/{}", output_id, text(row[0])));
    if (known_.insert(id).second) {
      LineageNode node;
      node.id = id;
      node.kind = LineageNodeKind::Job;
      node.name = text(row[1]);
      node.runs = integer(row[2]);
      node.first_at_ms = integer(row[3]);
      node.last_at_ms = integer(row[4]);
      node.last_detail_json = text(row[5]);
      graph_.nodes.push_back(std::move(node));
    }
    return id;
  }

  const RequestContext& context_;
  Transaction& transaction_;
  const LineageOptions& options_;
  LineageGraph graph_;
  std::set<LineageEdge> edges_;
  std::set<std::string> known_;
  std::deque<Place> queue_;
};

}  // namespace

Result<LineageGraph> Registry::lineage(const RequestContext& context, const TableIdentifier& table,
                                       const LineageOptions& options) {
  Place root{.kind = LineageNodeKind::Dataset, .id = {}, .name = to_string(table), .depth = 0};
  if (const auto view = catalog_.load_view(context, table)) {
    root.kind = LineageNodeKind::View;
    root.id = view->metadata->view_uuid;
  } else {
    LH_ASSIGN_OR_RETURN(const LoadedTable loaded, catalog_.load_table(context, table));
    root.id = loaded.metadata->table_uuid;
  }
  LineageGraph graph;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(graph, Walk(context, transaction, options).run(root));
    return {};
  }));
  return graph;
}

Status Registry::record_if_new(const RequestContext& context, const LineageRun& run) {
  const auto is_known = [&](Transaction& transaction) -> Result<bool> {
    LH_ASSIGN_OR_RETURN(const auto last,
                        transaction.query("SELECT detail FROM lineage_runs WHERE output_id = $1 "
                                          "ORDER BY run DESC LIMIT 1",
                                          {run.output_id}));
    return !last.empty() && text(last.front()[0]) == run.detail_json;
  };
  bool known = false;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(known, is_known(transaction));
    return {};
  }));
  if (known) {
    return {};
  }
  return metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(known, is_known(transaction));
    return known ? Status() : record_lineage(transaction, run);
  });
}

Result<Page<LineageRun>> Registry::runs(const RequestContext& context, const TableIdentifier& table,
                                        const PageRequest& page) {
  LH_ASSIGN_OR_RETURN(const LoadedTable loaded, catalog_.load_table(context, table));
  LH_ASSIGN_OR_RETURN(const std::int64_t before, detail::number_of_token(page.page_token));
  Page<LineageRun> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT run, job, at_ms, principal, snapshot_id, row_count, inputs, "
                          "detail FROM lineage_runs WHERE output_id = $1 AND run < $2 "
                          "ORDER BY run DESC LIMIT $3",
                          {loaded.metadata->table_uuid, before, detail::fetch_limit(page)}));
    for (const Row& row : rows) {
      if (page.limit > 0 && out.items.size() == page.limit) {
        out.next_page_token = std::to_string(integer(rows[page.limit - 1][0]));
        break;
      }
      LineageRun run;
      run.output_id = loaded.metadata->table_uuid;
      run.output_name = to_string(table);
      run.job = text(row[1]);
      run.at_ms = integer(row[2]);
      run.principal = text(row[3]);
      run.snapshot_id = is_null(row[4]) ? std::nullopt : std::optional(integer(row[4]));
      run.rows = is_null(row[5]) ? std::nullopt : std::optional(integer(row[5]));
      LH_ASSIGN_OR_RETURN(const auto inputs, parse_json(text(row[6]), "a run's inputs"));
      run.inputs = detail::inputs_from_json(inputs);
      run.detail_json = text(row[7]);
      out.items.push_back(std::move(run));
    }
    return {};
  }));
  return out;
}

}  // namespace lakehouse::catalog
