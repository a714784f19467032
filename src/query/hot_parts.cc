#include "query/hot_parts.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "query/tree.h"

namespace lakehouse::query {
namespace {

using iceberg::NestedField;

tree::object stored_table(const HotPart& part) {
  return {{"type", "BASE_TABLE"},         {"alias", ""},
          {"catalog_name", kHotDatabase}, {"schema_name", "main"},
          {"table_name", part.name},      {"column_name_alias", tree::array()}};
}

std::optional<tree::object> alive(const HeldPart& held) {
  if (held.dead.empty()) {
    return std::nullopt;
  }
  tree::array children{tree::column({std::string(kStoredNumber)})};
  for (const std::int64_t number : held.dead) {
    children.push_back(tree::integer(number));
  }
  return tree::object{
      {"class", "OPERATOR"}, {"type", "COMPARE_NOT_IN"}, {"children", std::move(children)}};
}

tree::object value_of(const HotPart& part, const NestedField& field) {
  const auto stored = part.columns.find(field.id);
  if (stored == part.columns.end()) {
    return tree::null_of(*field.type);
  }
  tree::object column = tree::column({stored_column(field.id)});
  return *stored->second == *field.type ? column : tree::cast(std::move(column), *field.type);
}

/// A file that lacks the column may have its value from elsewhere.
bool is_null_where_absent(const NestedField& field, const iceberg::TableMetadata& table) {
  const auto names_field = [&](const iceberg::PartitionField& one) {
    return one.source_id == field.id && one.transform.kind == iceberg::Transform::Kind::Identity;
  };
  return !field.initial_default &&
         std::ranges::none_of(table.partition_specs, [&](const iceberg::PartitionSpec& spec) {
           return std::ranges::any_of(spec.fields, names_field);
         });
}

}  // namespace

HotPart::~HotPart() {
  if (unused != nullptr) {
    unused->add(std::move(name), generation);
  }
}

std::uint64_t HotVersion::bytes() const {
  std::uint64_t all = 0;
  for (const HeldPart& held : parts) {
    all += held.part->bytes;
  }
  return all;
}

std::int64_t HotVersion::rows() const {
  std::int64_t all = 0;
  for (const HeldPart& held : parts) {
    all += held.part->rows;
  }
  return all;
}

std::string file_state(const iceberg::ScanTask& task) {
  std::string state = task.file->file_path;
  if (!task.deletes.empty()) {
    std::vector<std::string> deletes;
    for (const iceberg::AttachedDelete& one : task.deletes) {
      deletes.push_back(
          fmt::format("\n{}#{}", one.file->file_path, one.file->content_offset.value_or(0)));
    }
    std::ranges::sort(deletes);
    for (const std::string& one : deletes) {
      state += one;
    }
  }
  return state;
}

HotSplit split_files(const std::vector<HeldPart>& parts, iceberg::ScanPlan plan) {
  HotSplit split;
  std::unordered_map<std::string, std::size_t> wanted;  // Of the tasks, those not found yet.
  for (std::size_t i = 0; i < plan.tasks.size(); ++i) {
    wanted.emplace(file_state(plan.tasks[i]), i);
  }
  for (const HeldPart& part : parts) {
    HeldPart held{.part = part.part, .dead = {}};
    for (const auto& [state, number] : part.part->numbers) {
      if (wanted.erase(state) == 0) {
        held.dead.push_back(number);
      }
    }
    if (held.dead.size() < part.part->numbers.size()) {
      std::ranges::sort(held.dead);
      split.held.push_back(std::move(held));
    }
  }
  std::vector<std::size_t> rest;
  for (const auto& [state, task] : wanted) {
    rest.push_back(task);
  }
  std::ranges::sort(rest);
  for (const std::size_t task : rest) {
    split.rest.tasks.push_back(std::move(plan.tasks[task]));
  }
  return split;
}

bool fits(const HotPart& part, const iceberg::TableMetadata& table, const iceberg::Schema& schema) {
  return std::ranges::all_of(schema.fields, [&](const NestedField& field) {
    const auto stored = part.columns.find(field.id);
    if (stored == part.columns.end()) {
      return is_null_where_absent(field, table);
    }
    return *stored->second == *field.type ||
           (!iceberg::is_nested(*stored->second) && !iceberg::is_nested(*field.type));
  });
}

tree::object rows_of(const HeldPart& held, const iceberg::Schema& schema) {
  tree::array columns;
  for (const NestedField& field : schema.fields) {
    columns.push_back(tree::aliased(value_of(*held.part, field), field.name));
  }
  return tree::select(std::move(columns), stored_table(*held.part), alive(held));
}

tree::object stored_rows_of(const HeldPart& held, const iceberg::Schema& schema,
                            std::int64_t first_number) {
  tree::array columns;
  for (const NestedField& field : schema.fields) {
    columns.push_back(tree::aliased(value_of(*held.part, field), stored_column(field.id)));
  }
  columns.push_back(
      tree::aliased(tree::function("+", tree::array{tree::column({std::string(kStoredNumber)}),
                                                    tree::integer(first_number)}),
                    kStoredNumber));
  return tree::select(std::move(columns), stored_table(*held.part), alive(held));
}

std::string stored_column(std::int32_t field_id) {
  return fmt::format("c{}", field_id);
}

}  // namespace lakehouse::query
