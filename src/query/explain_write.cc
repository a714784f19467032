#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "query/change_plan.h"
#include "query/error_position.h"
#include "query/explain_plan.h"
#include "query/row_check.h"
#include "query/statement_writer.h"

// The part of StatementWriter that says what a statement would write.

namespace lakehouse::query {
namespace {

std::int64_t summary_number(const iceberg::TableMetadata& table, std::string_view name) {
  std::int64_t number = 0;
  if (const iceberg::Snapshot* snapshot = table.current_snapshot()) {
    if (const auto found = snapshot->summary.find(name); found != snapshot->summary.end()) {
      std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
    }
  }
  return number;
}

std::string_view verb_of(const ParsedStatement& parsed) {
  if (const auto* change = std::get_if<ChangeStatement>(&parsed.statement)) {
    switch (change->verb) {
      case ChangeStatement::Verb::Delete: return "delete";
      case ChangeStatement::Verb::Update: return "change";
      case ChangeStatement::Verb::Merge: return "change, add or delete";
    }
  }
  const auto* insert = std::get_if<InsertStatement>(&parsed.statement);
  if (insert == nullptr || !insert->on_conflict) {
    return "add";
  }
  return insert->on_conflict->updates ? "add or change" : "add";
}

/// Of rows that are there, and go or change.
std::string how_stored(const ParsedStatement& parsed, const ChangePlan& plan,
                       std::optional<std::int64_t> rows) {
  const iceberg::TableMetadata& table = *plan.table.metadata;
  const std::string_view beside = table.format_version >= 3 ? "a deletion vector beside its file"
                                                            : "a position delete beside its file";
  if (const std::string why = RowChanges::copies_always(parsed, table); !why.empty()) {
    return fmt::format("copy-on-write, since {}: files that lose a row are written anew", why);
  }
  if (!rows) {
    return fmt::format(
        "merge-on-read: each row that goes is in {}; copy-on-write for files that "
        "lose more than half of their rows",
        beside);
  }
  if (RowChanges::copies(*rows, plan.row_count)) {
    return "copy-on-write, as estimated: files that lose more than half of their rows are written "
           "anew";
  }
  return fmt::format(
      "merge-on-read, as estimated: each row that goes is in {}; a file that loses "
      "more than half of its rows is written anew",
      beside);
}

/// `rows` is nothing where numbers would tell what the caller may not see.
std::string effect_of(const ParsedStatement& parsed, const ChangePlan& plan,
                      std::optional<std::int64_t> rows) {
  const std::string table = catalog::to_string(plan.table.identifier);
  const std::string count =
      rows ? fmt::format("about {} {}", *rows, *rows == 1 ? "row" : "rows") : "rows";
  const auto* insert = std::get_if<InsertStatement>(&parsed.statement);
  const bool keeps_old_rows = std::ranges::none_of(plan.actions, [](const ChangeAction& one) {
    return one.action == ChangeClause::Action::Update || one.action == ChangeClause::Action::Delete;
  });
  std::string out = fmt::format("would {} {} of {}", verb_of(parsed), count, table);
  if (insert == nullptr || insert->on_conflict) {
    out += rows ? fmt::format("\nreads {} rows in {} of its {} data files", plan.row_count,
                              plan.files.size(),
                              summary_number(*plan.table.metadata, "total-data-files"))
                : "\nreads the part of it that you may see";
  }
  if (!keeps_old_rows) {
    out += "\n" + how_stored(parsed, plan, rows);
  }
  return out + "\nnothing is written by EXPLAIN";
}

}  // namespace

Result<ExplainedWrite> StatementWriter::explain(
    const RequestContext& context, const std::shared_ptr<const ParsedStatement>& parsed,
    const SqlRequest& request) {
  LH_RETURN_IF_ERROR(check_as_of(request));
  LH_ASSIGN_OR_RETURN(const catalog::TableIdentifier table, target_of(context, *parsed));
  LH_ASSIGN_OR_RETURN(const catalog::LoadedTable loaded, catalog_.load_table(context, table));
  // So that the plan is of the same state.
  const TableStates states{{table, loaded}};
  const ChangePlanning with{planner_, engine_, states, request, PlanPurpose::Explain};
  auto planned = plan_change(context, with, *parsed, loaded);
  if (!planned) {
    find_place(*parsed, planned.error());
    return std::unexpected(std::move(planned).error());
  }
  const ChangePlan& plan = *planned;
  // An INSERT reads nothing of its table; who may see nothing of it may not write to it either.
  RowCheck check(context, planner_, engine_, table, &states);
  LH_ASSIGN_OR_RETURN(const bool is_checked, check.is_needed());
  std::optional<std::int64_t> rows;
  if (!plan.sees_part_only && !is_checked) {
    LH_ASSIGN_OR_RETURN(rows, estimated_rows(context, engine_, plan.select));
  }
  ExplainedWrite out;
  LH_ASSIGN_OR_RETURN(out.plan, plan_text(context, engine_, plan.select));
  out.effect = effect_of(*parsed, plan, rows);
  return out;
}

}  // namespace lakehouse::query
