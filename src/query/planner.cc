#include "query/planner.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "query/system_tables.h"

namespace lakehouse::query {
namespace {

/// How often a set of tables is read again when commits come in between.
constexpr int kReadsMax = 20;

std::string dotted(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, "."));
}

std::unexpected<Error> at_position(Error error, std::optional<std::size_t> position) {
  if (!error.position_bytes) {
    error.position_bytes = position;
  }
  return std::unexpected(std::move(error));
}

/// Which snapshot a reference means.
Result<SnapshotChoice> choose(const catalog::LoadedTable& table, const std::optional<AtClause>& at,
                              std::optional<std::int64_t> as_of_ms) {
  const iceberg::TableMetadata& metadata = *table.metadata;
  const std::string name = catalog::to_string(table.identifier);
  std::optional<std::int64_t> moment = as_of_ms;
  if (at && at->is_timestamp) {
    LH_ASSIGN_OR_RETURN(moment, parse_timestamp_ms(std::get<std::string>(at->value)));
  } else if (at && std::holds_alternative<std::int64_t>(at->value)) {
    const auto id = std::get<std::int64_t>(at->value);
    const iceberg::Snapshot* snapshot = metadata.snapshot_by_id(id);
    if (snapshot == nullptr) {
      return fail(ErrorCode::NotFound, fmt::format("{} has no snapshot {}", name, id));
    }
    return SnapshotChoice{snapshot, &metadata.schema_of(*snapshot)};
  } else if (at) {
    const auto& ref = std::get<std::string>(at->value);
    const iceberg::Snapshot* snapshot = metadata.snapshot_by_ref(ref);
    if (snapshot == nullptr) {
      return fail(ErrorCode::NotFound, fmt::format("{} has no branch or tag '{}'", name, ref));
    }
    return SnapshotChoice{snapshot, &metadata.schema_of(*snapshot)};
  }
  if (!moment) {
    return SnapshotChoice{metadata.current_snapshot(), metadata.current_schema()};
  }
  const iceberg::Snapshot* snapshot = metadata.snapshot_as_of(*moment);
  if (snapshot == nullptr) {
    return fail(ErrorCode::NotFound, fmt::format("{} had no snapshot at that time yet", name));
  }
  return SnapshotChoice{snapshot, &metadata.schema_of(*snapshot)};
}

class Planning {
 public:
  Planning(const RequestContext& context, catalog::Catalog& catalog, TableSource& source,
           const PlanRequest& request)
      : context_(context),
        catalog_(catalog),
        source_(source),
        request_(request),
        as_of_ms_(request.as_of_ms) {}

  Result<PlannedSelect> run(boost::json::object& document) {
    LH_ASSIGN_OR_RETURN(Analysis analysis, analyse(document));
    replace_given(analysis);
    for (const ShowReference& show : analysis.shows) {
      LH_ASSIGN_OR_RETURN(boost::json::object rows, show_source(context_, catalog_, show));
      replace_show(show, std::move(rows));
    }
    LH_RETURN_IF_ERROR(replace_system_tables(analysis));
    LH_RETURN_IF_ERROR(load(analysis));
    for (const TableReference& reference : analysis.tables) {
      if (Status done = put(reference); !done) {
        return at_position(std::move(done).error(), reference.position);
      }
    }
    for (const auto& [identifier, table] : tables_) {
      out_.inputs.push_back({.kind = catalog::LineageNodeKind::Dataset,
                             .id = table.metadata->table_uuid,
                             .name = catalog::to_string(identifier)});
    }
    out_.tables = std::move(tables_);
    return std::move(out_);
  }

 private:
  void replace_given(Analysis& analysis) const {
    std::erase_if(analysis.tables, [this](const TableReference& reference) {
      if (reference.node != request_.given) {
        return false;
      }
      replace_table(reference, request_.given_rows);
      return true;
    });
  }

  Status replace_system_tables(Analysis& analysis) {
    std::vector<TableReference> rest;
    for (TableReference& reference : analysis.tables) {
      auto rows = system_table_source(context_, catalog_, reference.parts);
      if (!rows) {
        return at_position(std::move(rows).error(), reference.position);
      }
      if (*rows) {
        replace_table(reference, rows->value());
      } else {
        rest.push_back(std::move(reference));
      }
    }
    analysis.tables = std::move(rest);
    return {};
  }

  /// Loads every table once, all as they are at one moment: read, then looked at again; if no
  /// pointer moved in between, they all stood so at the same time.
  Status load(const Analysis& analysis) {
    for (const TableReference& reference : analysis.tables) {
      const std::string name = reference.dotted();
      if (!identifiers_.contains(name)) {
        auto found = resolve_table(context_, catalog_, reference.parts);
        if (!found) {
          return at_position(std::move(found).error(), reference.position);
        }
        identifiers_.emplace(name, *std::move(found));
      }
    }
    for (int read = 0; read < kReadsMax; ++read) {
      tables_.clear();
      for (const auto& [name, identifier] : identifiers_) {
        if (!tables_.contains(identifier)) {
          LH_ASSIGN_OR_RETURN(auto table, load_table(identifier));
          tables_.emplace(identifier, std::move(table));
        }
      }
      LH_ASSIGN_OR_RETURN(const bool stood, stood_still());
      if (stood) {
        return {};
      }
    }
    return fail(ErrorCode::Aborted, "the tables change too quickly to read them at one moment",
                "Try again.");
  }
  Result<catalog::LoadedTable> load_table(const catalog::TableIdentifier& identifier) {
    if (request_.states != nullptr) {
      if (const auto state = request_.states->find(identifier); state != request_.states->end()) {
        return state->second;
      }
    }
    return catalog_.load_table(context_, identifier);
  }
  Result<bool> stood_still() {
    if (tables_.size() < 2) {
      return true;
    }
    for (const auto& [identifier, table] : tables_) {
      if (request_.states != nullptr && request_.states->contains(identifier)) {
        continue;
      }
      LH_ASSIGN_OR_RETURN(const std::string now, catalog_.metadata_location(context_, identifier));
      if (now != table.metadata_location) {
        return false;
      }
    }
    return true;
  }

  /// The table whose rows are to be changed: read for itself, since its rows are numbered.
  Status put_changed(const TableReference& reference) {
    const catalog::LoadedTable& table = tables_.at(identifiers_.at(reference.dotted()));
    const iceberg::Schema& schema = *table.metadata->current_schema();
    const SnapshotChoice choice{table.metadata->current_snapshot(), &schema};
    auto scan =
        source_.scan(context_, *table.metadata, choice, filter_of(reference.conditions, schema),
                     "lh_changed", RowNumbers::FileAndRow);
    if (!scan) {
      return std::unexpected(
          std::move(scan).error().with_context(catalog::to_string(table.identifier)));
    }
    std::ranges::move(scan->variables, std::back_inserter(out_.variables));
    ChangedTable& changed = out_.changed.emplace();
    changed.table = table;
    changed.alias = reference.alias;
    changed.files = std::move(scan->files);
    for (const iceberg::NestedField& field : schema.fields) {
      changed.visible.push_back(field.name);
    }
    replace_table(reference, std::move(scan->node));
    return {};
  }

  Status put(const TableReference& reference) {
    if (reference.node == request_.changed) {
      return put_changed(reference);
    }
    const catalog::LoadedTable& table = tables_.at(identifiers_.at(reference.dotted()));
    LH_ASSIGN_OR_RETURN(const SnapshotChoice choice, choose(table, reference.at, as_of_ms_));
    const std::string dataset = catalog::to_string(table.identifier);
    const std::int64_t id = choice.snapshot == nullptr ? -1 : choice.snapshot->snapshot_id;
    const iceberg::Filter filter = filter_of(reference.conditions, *choice.schema);
    const std::string key = fmt::format(
        "{} {} {}", id, to_json(iceberg::expression_to_json(filter, *choice.schema)), dataset);
    auto scan = scans_.find(key);
    if (scan == scans_.end()) {
      auto made = source_.scan(context_, *table.metadata, choice, filter,
                               fmt::format("lh_{}", scans_.size()));
      if (!made) {
        return std::unexpected(std::move(made).error().with_context(dataset));
      }
      for (engine::Variable& variable : made->variables) {
        out_.variables.push_back(std::move(variable));
      }
      scan = scans_.emplace(key, std::move(made->node)).first;
      const std::pair read(dataset, id);
      if (choice.snapshot != nullptr &&
          std::ranges::find(out_.snapshot_ids, read) == out_.snapshot_ids.end()) {
        out_.snapshot_ids.push_back(read);
      }
    }
    replace_table(reference, scan->second);
    return {};
  }

  const RequestContext& context_;
  catalog::Catalog& catalog_;
  TableSource& source_;
  const PlanRequest& request_;
  std::optional<std::int64_t> as_of_ms_;
  std::map<std::string, catalog::TableIdentifier> identifiers_;  ///< By name as written.
  std::map<catalog::TableIdentifier, catalog::LoadedTable> tables_;
  std::map<std::string, boost::json::object> scans_;  ///< By snapshot, filter and dataset.
  PlannedSelect out_;
};

}  // namespace

Result<catalog::TableIdentifier> resolve_table(const RequestContext& context,
                                               catalog::Catalog& catalog,
                                               const std::vector<std::string>& parts) {
  if (parts.size() > 1 && parts.back().contains('.')) {
    // In quotes it is one name, dots and all, before it is anything else.
    const catalog::TableIdentifier exact{.name_space = {parts.begin(), parts.end() - 1},
                                         .name = parts.back()};
    if (const auto is_there = catalog.table_exists(context, exact); is_there && *is_there) {
      return exact;
    }
  }
  auto found = catalog.resolve_dataset(context, dotted(parts));
  if (!found && found.error().code == ErrorCode::NotFound && parts.size() > 1 &&
      to_lower(parts.front()) == "lake") {
    if (auto inner = catalog.resolve_dataset(context, dotted({parts.begin() + 1, parts.end()}))) {
      return inner;
    }
  }
  if (!found && found.error().code == ErrorCode::NotFound &&
      dotted(parts).find_first_of("/\\") != std::string::npos && found.error().hint.empty()) {
    found.error().hint = "Files are read by ingesting them (POST /ingest/file).";
  }
  return found;
}

Result<catalog::TableIdentifier> new_table(const std::vector<std::string>& parts) {
  const std::size_t skip = parts.size() == 3 && to_lower(parts.front()) == "lake" ? 1 : 0;
  const std::vector<std::string> named(parts.begin() + static_cast<std::ptrdiff_t>(skip),
                                       parts.end());
  if (named.size() < 2 || !named.back().contains('.')) {
    return catalog::Catalog::parse_dataset(dotted(named));
  }
  // Behind a namespace it is one name, dots and all.
  LH_ASSIGN_OR_RETURN(
      catalog::TableIdentifier table,
      catalog::Catalog::parse_dataset(dotted({named.begin(), named.end() - 1}) + ".x"));
  table.name = named.back();
  LH_RETURN_IF_ERROR(catalog::check_identifier(table));
  return table;
}

Result<std::int64_t> parse_timestamp_ms(std::string_view text) {
  std::string normal(text);
  if (normal.size() > 10 && (normal[10] == 'T' || normal[10] == 't')) {
    normal[10] = ' ';
  }
  if (normal.ends_with('Z') || normal.ends_with('z')) {
    normal.replace(normal.size() - 1, 1, "+00");
  }
  if (normal.size() == 10) {
    normal.append(" 00:00:00");
  }
  const bool zoned = normal.size() > 10 && normal.find_first_of("+-", 10) != std::string::npos;
  const auto type =
      iceberg::primitive(zoned ? iceberg::TypeKind::Timestamptz : iceberg::TypeKind::Timestamp);
  const auto literal = iceberg::literal_from_text(*type, normal);
  if (!literal) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no timestamp", text),
                "Write it as 2024-01-31T12:00:00Z.");
  }
  const std::int64_t us = literal->as_int64();
  return us >= 0 ? us / 1000 : (us - 999) / 1000;
}

Result<PlannedSelect> Planner::plan(const RequestContext& context, boost::json::object& document,
                                    const PlanRequest& request) {
  return Planning(context, catalog_, source_, request).run(document);
}

}  // namespace lakehouse::query
