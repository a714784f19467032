#include "query/planner.h"

#include <algorithm>
#include <cctype>
#include <deque>
#include <iterator>
#include <list>
#include <memory>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "query/error_position.h"
#include "query/function_calls.h"
#include "query/macro_expand.h"
#include "query/pivot_values.h"
#include "query/policy_rewrite.h"
#include "query/relations.h"
#include "query/system_tables.h"
#include "query/tree.h"

namespace lakehouse::query {
namespace {

/// How often a set of tables is read again when commits come in between.
constexpr int kReadsMax = 20;
/// Of one statement: each reference to a view is a tree of its own.
constexpr std::size_t kTreesMax = 1000;
constexpr std::size_t kViewDepthMax = 32;

std::string dotted(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, "."));
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

/// A tree whose names are looked up in the same way: the statement, a view in it, a policy's SQL.
struct Unit {
  Analysis analysis;
  NameScope names;
  std::optional<std::int64_t> as_of_ms;
  /// Written by who administers the policies: no policy applies to what it reads.
  bool is_trusted = false;
  bool reads_variables = false;                 ///< A module's, which may read its own.
  std::size_t functions = 0;                    ///< How many of them it is in.
  bool is_inner = false;                        ///< Not the request's own text.
  std::optional<std::size_t> position;          ///< Of an inner one: where it comes in.
  std::vector<catalog::TableIdentifier> views;  ///< It is in, from the outermost on.
};

/// A reference that a scan goes into.
struct TableUse {
  const TableReference* reference = nullptr;
  const Unit* unit = nullptr;
  catalog::TableIdentifier table;
  const governance::TablePolicy* policy = nullptr;  ///< Null: everything may be seen.
  boost::json::object* policy_statement = nullptr;
};

/// A reference that a whole tree goes into: of a view, or of a function.
struct TreeUse {
  const TableReference* reference = nullptr;
  const FunctionReference* function = nullptr;
  boost::json::object* document = nullptr;
  const Unit* inner = nullptr;
  std::vector<std::string> column_names;  ///< As the view calls them; empty: as they are.
};

class Planning final : private FunctionResolver {
 public:
  Planning(const RequestContext& context, catalog::Catalog& catalog, TableSource& source,
           engine::Engine& engine, KeptTrees& trees, const Planner::Options& options,
           const PlanRequest& request)
      : context_(context),
        catalog_(catalog),
        source_(source),
        engine_(engine),
        trees_(trees),
        options_(options),
        request_(request),
        macros_(context, options.macros, trees) {}

  Result<PlannedSelect> run(boost::json::object& document) {
    Unit top;
    top.as_of_ms = request_.as_of_ms;
    LH_RETURN_IF_ERROR(prepare(top, document));
    LH_RETURN_IF_ERROR(load(top));
    for (const TableUse& use : uses_) {
      if (Status done = put(use); !done) {
        return placed(*use.unit, std::move(done).error(), use.reference->position);
      }
    }
    if (hides_rows_) {
      out_.variables.push_back({"lh_casts", boost::json::object{{"guards_casts", true}}});
      LH_RETURN_IF_ERROR(guard_calls(top.analysis));
      for (const auto& unit : units_) {
        if (!unit->is_trusted) {
          LH_RETURN_IF_ERROR(guard_calls(unit->analysis));
        }
      }
    }
    // What is inside came after what it is in.
    for (const TreeUse& use : std::views::reverse(trees_used_)) {
      LH_RETURN_IF_ERROR(list_values(*use.inner));
      put_tree(use);
    }
    LH_RETURN_IF_ERROR(list_values(top));
    out_.is_volatile = out_.is_volatile || top.analysis.is_volatile;
    for (const auto& [identifier, table] : tables_) {
      out_.basis.tables.emplace(identifier, table.metadata_location);
      out_.inputs.push_back({.kind = catalog::LineageNodeKind::Dataset,
                             .id = table.metadata->table_uuid,
                             .name = catalog::to_string(identifier)});
    }
    for (const auto& [identifier, view] : views_) {
      out_.basis.views.emplace(identifier, view.metadata_location);
    }
    for (const auto& [identifier, policy] : policies_) {
      out_.basis.policies.emplace_back(
          governance::PolicyTable{.uuid = tables_.at(identifier).metadata->table_uuid,
                                  .name = catalog::to_string(identifier)},
          policy);
    }
    out_.tables = std::move(tables_);
    return std::move(out_);
  }

 private:
  /// An error in an inner tree is one at the place where that comes in.
  static std::unexpected<Error> placed(const Unit& unit, Error error,
                                       std::optional<std::size_t> position) {
    if (unit.is_inner) {
      error.position_bytes = unit.position;
      return std::unexpected(std::move(error));
    }
    return at_position(std::move(error), position);
  }

  /// Looks through a tree, and answers what the catalog shows of itself.
  Status prepare(Unit& unit, boost::json::object& document) {
    auto analysis = analyse(document, {.principal = context_.principal,
                                       .functions = this,
                                       .default_namespace = unit.names.default_namespace,
                                       .reads_variables = unit.reads_variables});
    if (!analysis) {
      return placed(unit, std::move(analysis).error(), std::nullopt);
    }
    unit.analysis = *std::move(analysis);
    has_pivots_ = has_pivots_ || !unit.analysis.pivots.empty();
    // What is more than names, pointers and policies cannot be looked at again cheaply.
    if (macros_.was_used() || has_pivots_ || unit.analysis.names_principal) {
      out_.basis.is_whole = false;
    }
    replace_given(unit.analysis);
    for (const ShowReference& show : unit.analysis.shows) {
      LH_ASSIGN_OR_RETURN(boost::json::object rows,
                          show_source(context_, catalog_, options_.policies, show));
      out_.basis.is_whole = false;
      replace_show(show, std::move(rows));
    }
    std::vector<TableReference> rest;
    for (TableReference& reference : unit.analysis.tables) {
      auto rows = system_table_source(context_, catalog_, options_.policies, reference.parts);
      if (!rows) {
        return placed(unit, std::move(rows).error(), reference.position);
      }
      if (*rows) {
        out_.basis.is_whole = false;
        replace_table(reference, rows->value());
      } else {
        rest.push_back(std::move(reference));
      }
    }
    unit.analysis.tables = std::move(rest);
    return {};
  }
  void replace_given(Analysis& analysis) const {
    std::erase_if(analysis.tables, [this](const TableReference& reference) {
      if (reference.node != request_.given) {
        return false;
      }
      replace_table(reference, request_.given_rows);
      return true;
    });
  }

  /// Loads every table and view once, all as they are at one moment: read, then looked at again; if
  /// no pointer moved in between, they all stood so at the same time.
  Status load(const Unit& top) {
    for (int read = 0; read < kReadsMax; ++read) {
      tables_.clear();
      views_.clear();
      policies_.clear();
      uses_.clear();
      trees_used_.clear();
      units_.clear();
      documents_.clear();
      out_.variables.clear();
      LH_RETURN_IF_ERROR(expand(top));
      LH_ASSIGN_OR_RETURN(const bool stood, stood_still());
      if (stood) {
        return {};
      }
    }
    return fail(ErrorCode::Aborted, "the tables change too quickly to read them at one moment",
                "Try again.");
  }

  Status expand(const Unit& unit) {
    for (const TableReference& reference : unit.analysis.tables) {
      if (Status done = expand(unit, reference); !done) {
        return placed(unit, std::move(done).error(), reference.position);
      }
    }
    for (const FunctionReference& function : unit.analysis.functions) {
      if (Status done = expand_function(unit, function); !done) {
        return placed(unit, std::move(done).error(), function.position);
      }
    }
    return {};
  }
  Status expand(const Unit& unit, const TableReference& reference) {
    LH_ASSIGN_OR_RETURN(const Relation relation, relation_of(unit, reference));
    if (relation.is_view) {
      return expand_view(unit, reference, relation.identifier);
    }
    auto found = tables_.find(relation.identifier);
    if (found == tables_.end()) {
      LH_ASSIGN_OR_RETURN(auto table, load_table(relation.identifier));
      found = tables_.emplace(relation.identifier, std::move(table)).first;
    }
    TableUse& use = uses_.emplace_back();
    use.reference = &reference;
    use.unit = &unit;
    use.table = relation.identifier;
    return unit.is_trusted || options_.policies == nullptr ? Status()
                                                           : expand_policy(use, found->second);
  }
  Result<Relation> relation_of(const Unit& unit, const TableReference& reference) {
    const std::string key =
        fmt::format("{} {} {}", reference.dotted(), fmt::join(unit.names.default_namespace, "."),
                    unit.names.default_catalog);
    const auto known = relations_.find(key);
    if (known != relations_.end()) {
      return known->second;
    }
    auto found = find_relation(context_, catalog_, reference.parts, unit.names);
    if (!found) {
      return without_secrets(std::move(found).error());
    }
    out_.basis.names.push_back({reference.parts, unit.names, *found});
    return relations_.emplace(key, *std::move(found)).first->second;
  }
  /// A hint may propose names, but none of a table of which nothing may be seen.
  std::unexpected<Error> without_secrets(Error error) const {
    if (options_.policies == nullptr || error.hint.empty()) {
      return std::unexpected(std::move(error));
    }
    const auto all = catalog_.list_all_tables(context_);
    for (std::size_t i = 0; all && i < all->size() && !error.hint.empty(); ++i) {
      const std::string name = catalog::to_string((*all)[i]);
      if (!error.hint.contains(name) && !error.hint.contains((*all)[i].name)) {
        continue;
      }
      const auto table = catalog_.load_table(context_, (*all)[i]);
      if (!table || !options_.policies->policy_for(
                        context_, {.uuid = table->metadata->table_uuid, .name = name})) {
        error.hint.clear();
      }
    }
    return std::unexpected(std::move(error));
  }

  /// A tree inside of another: its tables are looked up, too.
  Result<boost::json::object*> expand_tree(std::unique_ptr<Unit> unit, boost::json::value tree) {
    if (units_.size() >= kTreesMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the statement comes to more than {} views", kTreesMax),
                  "Make some of them tables.");
    }
    boost::json::object& document = documents_.emplace_back(std::move(tree.as_object()));
    Unit& inner = *units_.emplace_back(std::move(unit));
    LH_RETURN_IF_ERROR(prepare(inner, document));
    out_.is_volatile = out_.is_volatile || inner.analysis.is_volatile;
    LH_RETURN_IF_ERROR(expand(inner));
    return &document;
  }

  Status expand_view(const Unit& unit, const TableReference& reference,
                     const catalog::TableIdentifier& view) {
    if (reference.node == request_.changed) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} is a view: its rows cannot be changed", catalog::to_string(view)),
                  "Change the tables that it reads.");
    }
    LH_RETURN_IF_ERROR(check_views(unit, view));
    auto found = views_.find(view);
    if (found == views_.end()) {
      LH_ASSIGN_OR_RETURN(auto loaded, catalog_.load_view(context_, view));
      found = views_.emplace(view, std::move(loaded)).first;
    }
    const iceberg::ViewVersion* version = found->second.metadata->current_version();
    const auto* definition = version == nullptr ? nullptr : definition_of(*version);
    if (definition == nullptr) {
      return fail(ErrorCode::FailedPrecondition,
                  fmt::format("the view {} has no SQL", catalog::to_string(view)));
    }
    auto inner = std::make_unique<Unit>();
    inner->names.default_namespace =
        version->default_namespace.empty() ? view.name_space : version->default_namespace;
    inner->names.default_catalog = version->default_catalog.value_or("");
    inner->as_of_ms = unit.as_of_ms;
    if (reference.at && !reference.at->is_timestamp) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} is a view, and has no snapshots", catalog::to_string(view)),
                  "AT (TIMESTAMP => ...) reads its tables as they were then.");
    }
    if (reference.at) {
      LH_ASSIGN_OR_RETURN(inner->as_of_ms,
                          parse_timestamp_ms(std::get<std::string>(reference.at->value)));
    }
    inner->is_trusted = unit.is_trusted;
    inner->is_inner = true;
    inner->position = unit.is_inner ? unit.position : reference.position;
    inner->views = unit.views;
    inner->views.push_back(view);
    TreeUse use;
    use.reference = &reference;
    use.inner = inner.get();
    if (const iceberg::Schema* schema = found->second.metadata->current_schema();
        schema != nullptr &&
        (!is_our_dialect(*definition) || version->summary.contains("lakehouse.column-names"))) {
      for (const iceberg::NestedField& field : schema->fields) {
        use.column_names.push_back(field.name);
      }
    }
    const std::size_t at = trees_used_.size();
    trees_used_.push_back(std::move(use));
    auto document = expand_view_sql(std::move(inner), definition->sql);
    if (!document) {
      return std::unexpected(
          std::move(document).error().with_context("the view " + catalog::to_string(view)));
    }
    trees_used_[at].document = *document;
    return {};
  }
  Result<boost::json::object*> expand_view_sql(std::unique_ptr<Unit> inner,
                                               const std::string& sql) {
    const std::optional<std::size_t> position = inner->position;
    auto tree = trees_.select(context_, sql);
    if (!tree) {
      Error error = std::move(tree).error();
      error.position_bytes = position;
      return std::unexpected(std::move(error));
    }
    return expand_tree(std::move(inner), **tree);
  }
  // --- Functions that the engine does not have.

  Result<std::optional<boost::json::object>> expression(const boost::json::object& call) override {
    return macros_.expression(call);
  }
  Result<bool> is_table(const boost::json::object& call) override {
    return provider_of(call) != nullptr ? Result<bool>(true) : macros_.is_table(call);
  }
  [[nodiscard]] TableFunctionProvider* provider_of(const boost::json::object& call) const {
    const boost::json::value* name = call.if_contains("function_name");
    const boost::json::value* schema = call.if_contains("schema");
    if (name == nullptr || !name->is_string() ||
        (schema != nullptr && schema->is_string() && !schema->get_string().empty())) {
      return nullptr;
    }
    const std::string wanted = to_lower(name->get_string());
    for (TableFunctionProvider* provider : options_.table_functions) {
      const std::vector<std::string> names = provider->names();
      if (std::ranges::find(names, wanted) != names.end()) {
        return provider;
      }
    }
    return nullptr;
  }

  Status expand_function(const Unit& unit, const FunctionReference& function) {
    if (unit.functions >= kViewDepthMax) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("functions are nested more than {} deep", kViewDepthMax));
    }
    auto inner = std::make_unique<Unit>();
    inner->names = unit.names;
    inner->as_of_ms = unit.as_of_ms;
    inner->is_trusted = unit.is_trusted;
    inner->is_inner = true;
    inner->position = unit.is_inner ? unit.position : function.position;
    inner->views = unit.views;
    inner->functions = unit.functions + 1;
    boost::json::value document;
    if (TableFunctionProvider* provider = provider_of(function.call)) {
      LH_ASSIGN_OR_RETURN(const TableFunctionCall call,
                          constant_call(function.call, request_.parameters));
      LH_ASSIGN_OR_RETURN(TableFunctionResult result, provider->call(context_, call));
      document = tree::statement(std::move(result.node));
      std::ranges::move(result.variables, std::back_inserter(out_.variables));
      inner->reads_variables = true;
      out_.is_volatile = out_.is_volatile || result.is_volatile;
      out_.basis.is_whole = false;
    } else {
      LH_ASSIGN_OR_RETURN(auto table, macros_.table(function.call));
      if (!table) {
        return fail(ErrorCode::Internal, "a function that was there is gone");
      }
      inner->names.default_namespace = {table->name_space};
      document = std::move(table->document);
    }
    const std::size_t at = trees_used_.size();
    TreeUse& use = trees_used_.emplace_back();
    use.function = &function;
    use.inner = inner.get();
    LH_ASSIGN_OR_RETURN(boost::json::object* const put,
                        expand_tree(std::move(inner), std::move(document)));
    trees_used_[at].document = put;
    return {};
  }

  /// The values of PIVOTs that do not list them, once their sources are scans.
  Status list_values(const Unit& unit) {
    for (const PivotReference& pivot : unit.analysis.pivots) {
      if (Status done =
              list_pivot_values(context_, engine_, pivot, out_.variables, request_.parameters);
          !done) {
        return placed(unit, std::move(done).error(), std::nullopt);
      }
    }
    return {};
  }

  static Status check_views(const Unit& unit, const catalog::TableIdentifier& view) {
    if (std::ranges::find(unit.views, view) != unit.views.end()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the view {} reads itself", catalog::to_string(view)));
    }
    return unit.views.size() < kViewDepthMax
               ? Status()
               : fail(ErrorCode::InvalidArgument,
                      fmt::format("views are nested more than {} deep", kViewDepthMax));
  }

  static bool names_user(const governance::TablePolicy& policy) {
    const auto in = [](const std::string& sql) { return to_lower(sql).contains("current_user"); };
    return in(policy.row_filter) ||
           std::ranges::any_of(policy.masks, in, &governance::ColumnMask::sql);
  }

  Status expand_policy(TableUse& use, const catalog::LoadedTable& table) {
    auto found = policies_.find(use.table);
    if (found == policies_.end()) {
      LH_ASSIGN_OR_RETURN(auto policy, options_.policies->policy_for(
                                           context_, {.uuid = table.metadata->table_uuid,
                                                      .name = catalog::to_string(use.table)}));
      found = policies_.emplace(use.table, std::move(policy)).first;
    }
    if (!found->second.restricts()) {
      return {};
    }
    const governance::TablePolicy& policy = found->second;
    use.policy = &policy;
    out_.basis.is_whole = out_.basis.is_whole && !names_user(policy);
    if (request_.purpose == PlanPurpose::ExplainAnalyze) {
      return fail(ErrorCode::PermissionDenied,
                  fmt::format("EXPLAIN ANALYZE would count rows of {} that you may not see",
                              catalog::to_string(use.table)),
                  "EXPLAIN shows the plan.");
    }
    LH_ASSIGN_OR_RETURN(const SnapshotChoice choice,
                        choose(table, use.reference->at, use.unit->as_of_ms));
    const PolicyTarget target{catalog::to_string(use.table), *table.metadata, *choice.schema};
    LH_ASSIGN_OR_RETURN(boost::json::object statement,
                        policy_statement(context_, trees_, policy, target));
    auto inner = std::make_unique<Unit>();
    inner->names.default_namespace = use.table.name_space;
    inner->as_of_ms = use.unit->as_of_ms;
    inner->is_trusted = true;
    inner->is_inner = true;
    inner->position = use.unit->is_inner ? use.unit->position : use.reference->position;
    const Unit& unit = *inner;
    auto document = expand_tree(std::move(inner), std::move(statement));
    if (!document && document.error().code == ErrorCode::InvalidArgument) {
      return policy_unfit(target.name);
    }
    if (!document) {
      return std::unexpected(std::move(document).error());
    }
    if (unit.analysis.is_volatile || !unit.analysis.pivots.empty()) {
      return policy_unfit(target.name);  // Each use of it would decide for itself.
    }
    use.policy_statement = *document;
    return {};
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
    if (tables_.size() + views_.size() < 2) {
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
    for (const auto& [identifier, view] : views_) {
      LH_ASSIGN_OR_RETURN(const auto now, catalog_.load_view(context_, identifier));
      if (now.metadata_location != view.metadata_location) {
        return false;
      }
    }
    return true;
  }

  /// The table whose rows are to be changed: read for itself, since its rows are numbered.
  Status put_changed(const TableUse& use) {
    const catalog::LoadedTable& table = tables_.at(use.table);
    const iceberg::Schema& schema = *table.metadata->current_schema();
    const SnapshotChoice choice{table.metadata->current_snapshot(), &schema};
    const PolicyTarget target{catalog::to_string(use.table), *table.metadata, schema};
    const std::vector<std::string> numbers = {std::string(kFileNumber), std::string(kRowNumber)};
    ChangedTable& changed = out_.changed.emplace();
    changed.table = table;
    changed.alias = use.reference->alias;
    note_visible(use, target, changed);
    if (use.policy != nullptr) {
      note_policy(use);
      if (request_.purpose != PlanPurpose::Run) {
        replace_table(*use.reference, stand_in(*use.policy, target, numbers));
        return {};
      }
    }
    auto scan = source_.scan(context_, *table.metadata, choice, filter_for(use, target),
                             "lh_changed", RowNumbers::FileAndRow);
    if (!scan) {
      return std::unexpected(
          std::move(scan).error().with_context(catalog::to_string(table.identifier)));
    }
    std::ranges::move(scan->variables, std::back_inserter(out_.variables));
    out_.scan_bytes += scan->size_bytes;
    changed.files = std::move(scan->files);
    changed.row_count = scan->row_count;
    hides_rows_ = hides_rows_ || has_deletes(choice.snapshot) ||
                  (use.policy != nullptr && !use.policy->row_filter.empty());
    boost::json::object node = std::move(scan->node);
    if (use.policy != nullptr) {
      node = restricted(*use.policy, target, std::move(*use.policy_statement), std::move(node),
                        numbers);
    }
    replace_table(*use.reference, std::move(node));
    return {};
  }
  static void note_visible(const TableUse& use, const PolicyTarget& target, ChangedTable& changed) {
    for (const iceberg::NestedField& field : target.schema.fields) {
      const ColumnAccess access = use.policy == nullptr
                                      ? ColumnAccess::Shown
                                      : column_access(*use.policy, target, field.id);
      if (access != ColumnAccess::Hidden) {
        changed.visible.push_back(field.name);
      }
      if (access == ColumnAccess::Masked) {
        changed.masked.push_back(field.name);
      }
    }
  }

  /// The rows that would be the table's, and that the principal could not see there.
  void put_checked(const TableUse& use) {
    const iceberg::TableMetadata& metadata = *tables_.at(use.table).metadata;
    const PolicyTarget target{catalog::to_string(use.table), metadata, *metadata.current_schema()};
    out_.is_checked = use.policy != nullptr && !use.policy->row_filter.empty();
    replace_table(*use.reference,
                  out_.is_checked && !request_.checked_rows.empty()
                      ? outside(target, std::move(*use.policy_statement), request_.checked_rows)
                      : tree::select(boost::json::array{tree::integer(1)}, tree::empty_table(),
                                     tree::boolean(false)));
  }

  iceberg::Filter filter_for(const TableUse& use, const PolicyTarget& target) {
    const std::vector<Condition> conditions =
        use.policy == nullptr ? use.reference->conditions
                              : conditions_under(*use.policy, target, *use.policy_statement,
                                                 use.reference->conditions);
    out_.basis.is_whole = out_.basis.is_whole && !name_the_clock(conditions);
    return filter_of(conditions, target.schema);
  }

  void note_policy(const TableUse& use) {
    const std::pair applied(catalog::to_string(use.table), use.policy->version);
    const auto place = std::ranges::lower_bound(out_.policy_versions, applied);
    if (place == out_.policy_versions.end() || *place != applied) {
      out_.policy_versions.insert(place, applied);
    }
  }

  Status put(const TableUse& use) {
    const TableReference& reference = *use.reference;
    if (reference.node == request_.changed) {
      return put_changed(use);
    }
    if (reference.node == request_.checked) {
      put_checked(use);
      return {};
    }
    const catalog::LoadedTable& table = tables_.at(use.table);
    LH_ASSIGN_OR_RETURN(const SnapshotChoice choice,
                        choose(table, reference.at, use.unit->as_of_ms));
    const PolicyTarget target{catalog::to_string(use.table), *table.metadata, *choice.schema};
    hides_rows_ = hides_rows_ || (use.policy != nullptr && !use.policy->row_filter.empty()) ||
                  has_deletes(choice.snapshot);
    if (use.policy != nullptr) {
      note_policy(use);
      if (request_.purpose != PlanPurpose::Run) {
        replace_table(reference, stand_in(*use.policy, target));
        return {};
      }
    }
    LH_ASSIGN_OR_RETURN(boost::json::object node, scan(table, choice, filter_for(use, target)));
    if (use.policy != nullptr) {
      node = restricted(*use.policy, target, std::move(*use.policy_statement), std::move(node));
    }
    replace_table(reference, std::move(node));
    if (use.policy == nullptr) {
      // Which table the subquery stands for, for whoever runs the statement elsewhere.
      (*reference.node)[kPinnedMember] = static_cast<std::int64_t>(out_.pinned.size());
      out_.pinned.push_back({use.table, table.metadata, choice.snapshot, choice.schema});
    }
    return {};
  }

  /// As far as the snapshot says.
  static bool has_deletes(const iceberg::Snapshot* snapshot) {
    const auto none = [snapshot](const char* name) {
      const auto found = snapshot->summary.find(name);
      return found != snapshot->summary.end() && found->second == "0";
    };
    return snapshot != nullptr && !none("total-delete-files");
  }

  /// A snapshot's rows: scanned once for all references that want the same.
  Result<boost::json::object> scan(const catalog::LoadedTable& table, const SnapshotChoice& choice,
                                   const iceberg::Filter& filter) {
    const std::string dataset = catalog::to_string(table.identifier);
    const std::int64_t id = choice.snapshot == nullptr ? -1 : choice.snapshot->snapshot_id;
    const std::string key = fmt::format(
        "{} {} {}", id, to_json(iceberg::expression_to_json(filter, *choice.schema)), dataset);
    auto scan = scans_.find(key);
    if (scan == scans_.end()) {
      auto made = scan_once(*table.metadata, choice, filter);
      if (!made) {
        return std::unexpected(std::move(made).error().with_context(dataset));
      }
      out_.scan_bytes += made->size_bytes;
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
    return scan->second;
  }

  Result<TableScan> scan_once(const iceberg::TableMetadata& table, const SnapshotChoice& choice,
                              const iceberg::Filter& filter) {
    const std::string prefix = fmt::format("lh_{}", scans_.size());
    if (request_.may_be_held && options_.hot != nullptr && !has_pivots_) {
      LH_ASSIGN_OR_RETURN(auto hot, options_.hot->scan(context_, table, choice, filter, prefix));
      // All in one child: another one was started while this was planned, if they differ.
      if (hot && (out_.held_generation == 0 || out_.held_generation == hot->generation)) {
        out_.held_generation = hot->generation;
        hides_rows_ = true;  // Parts may have rows of other snapshots.
        std::ranges::move(hot->held, std::back_inserter(out_.held));
        TableScan scan;
        scan.node = std::move(hot->node);
        scan.variables = std::move(hot->variables);
        scan.size_bytes = hot->size_bytes;
        return scan;
      }
    }
    return source_.scan(context_, table, choice, filter, prefix);
  }

  static void put_tree(const TreeUse& use) {
    boost::json::object node =
        std::move(use.document->at("statements").as_array()[0].as_object()["node"].as_object());
    if (!use.column_names.empty()) {
      boost::json::object inner = tree::subquery(std::move(node), "lh_view");
      boost::json::array names;
      for (const std::string& name : use.column_names) {
        names.emplace_back(name);
      }
      inner["column_name_alias"] = std::move(names);
      node = tree::select(boost::json::array{tree::star()}, std::move(inner));
    }
    if (use.function != nullptr) {
      replace_function(*use.function, std::move(node));
    } else {
      replace_table(*use.reference, std::move(node));
    }
  }

  const RequestContext& context_;
  catalog::Catalog& catalog_;
  TableSource& source_;
  engine::Engine& engine_;
  KeptTrees& trees_;
  const Planner::Options& options_;
  const PlanRequest& request_;
  MacroExpander macros_;
  bool has_pivots_ = false;
  bool hides_rows_ = false;                    ///< A scan has rows that no answer may tell of.
  std::map<std::string, Relation> relations_;  ///< By name as written, and its scope.
  TableStates tables_;
  std::map<catalog::TableIdentifier, catalog::LoadedView> views_;
  std::map<catalog::TableIdentifier, governance::TablePolicy> policies_;
  std::deque<TableUse> uses_;
  std::vector<TreeUse> trees_used_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::list<boost::json::object> documents_;
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

Result<bool> Planner::still_holds(const RequestContext& context, const PlanBasis& basis) {
  if (!basis.is_whole) {
    return false;
  }
  for (const PlanBasis::Name& name : basis.names) {
    // Nothing can come before a name that is written out.
    const bool is_exact = !name.relation.is_view &&
                          name.parts.size() == name.relation.identifier.name_space.size() + 1 &&
                          std::equal(name.parts.begin(), name.parts.end() - 1,
                                     name.relation.identifier.name_space.begin()) &&
                          name.parts.back() == name.relation.identifier.name;
    if (is_exact) {
      continue;
    }
    const auto found = find_relation(context, catalog_, name.parts, name.scope);
    if (!found || found->is_view != name.relation.is_view ||
        found->identifier != name.relation.identifier) {
      return false;
    }
  }
  for (const auto& [identifier, location] : basis.tables) {
    const auto now = catalog_.metadata_location(context, identifier);
    if (!now || *now != location) {
      return false;
    }
  }
  for (const auto& [identifier, location] : basis.views) {
    const auto now = catalog_.load_view(context, identifier);
    if (!now || now->metadata_location != location) {
      return false;
    }
  }
  for (const auto& [table, policy] : basis.policies) {
    LH_ASSIGN_OR_RETURN(const governance::TablePolicy now,
                        options_.policies->policy_for(context, table));
    if (!(now == policy)) {
      return false;
    }
  }
  return true;
}

Result<PlannedSelect> Planner::plan(const RequestContext& context, boost::json::object& document,
                                    const PlanRequest& request) {
  return Planning(context, catalog_, source_, engine_, trees_, options_, request).run(document);
}

}  // namespace lakehouse::query
