#include "catalog/schema_rules.h"

#include <algorithm>
#include <utility>

namespace lakehouse::catalog {

namespace {

using metastore::integer;
using metastore::is_null;
using metastore::text;
using metastore::Transaction;
using metastore::Value;

SchemaRule rule_of(const metastore::Row& row) {
  SchemaRule rule;
  rule.source = text(row[0]);
  rule.kind = rule_kind_from(text(row[1])).value_or(MigrationRule::Kind::Rename);
  rule.header = text(row[2]);
  rule.field_id = static_cast<std::int32_t>(integer(row[3]));
  rule.value = is_null(row[4]) ? std::nullopt : std::optional(text(row[4]));
  rule.principal = text(row[5]);
  rule.created_at_ms = integer(row[6]);
  return rule;
}

}  // namespace

Status SchemaRules::remember(Transaction& transaction, std::string_view table_uuid,
                             const SchemaRule& rule) {
  const std::string uuid(table_uuid);
  const std::string kind(to_string(rule.kind));
  const auto removed = transaction.execute(
      "DELETE FROM schema_rules WHERE table_uuid = $1 AND source = $2 AND kind = $3 AND header = "
      "$4",
      {uuid, rule.source, kind, rule.header});
  if (!removed) {
    return std::unexpected(removed.error());
  }
  const auto added = transaction.execute(
      "INSERT INTO schema_rules (table_uuid, source, kind, header, field_id, value, principal, "
      "created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      {uuid, rule.source, kind, rule.header, std::int64_t{rule.field_id},
       rule.value ? Value(*rule.value) : Value(), rule.principal, rule.created_at_ms});
  return added ? Status() : std::unexpected(added.error());
}

Status SchemaRules::remember_all(const RequestContext& context, std::string_view table_uuid,
                                 std::span<const SchemaRule> rules,
                                 const std::function<Status(Transaction&)>& also) {
  return metastore_.write(context, [&](Transaction& transaction) -> Status {
    for (const SchemaRule& rule : rules) {
      LH_RETURN_IF_ERROR(remember(transaction, table_uuid, rule));
    }
    return also ? also(transaction) : Status();
  });
}

Result<std::vector<SchemaRule>> SchemaRules::list(const RequestContext& context,
                                                  std::string_view table_uuid) {
  std::vector<SchemaRule> rules;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const std::vector<metastore::Row> rows,
                        transaction.query("SELECT source, kind, header, field_id, value, "
                                          "principal, created_at_ms FROM schema_rules "
                                          "WHERE table_uuid = $1 ORDER BY source, kind, header",
                                          {std::string(table_uuid)}));
    rules.clear();
    std::ranges::transform(rows, std::back_inserter(rules), rule_of);
    return {};
  }));
  return rules;
}

Result<std::vector<SchemaRule>> SchemaRules::rules_for(const RequestContext& context,
                                                       std::string_view table_uuid,
                                                       std::string_view source) {
  LH_ASSIGN_OR_RETURN(const std::vector<SchemaRule> all, list(context, table_uuid));
  std::vector<SchemaRule> rules;
  const auto same = [](const SchemaRule& a) {
    return [&a](const SchemaRule& b) { return a.kind == b.kind && a.header == b.header; };
  };
  for (const std::string_view wanted : {source, std::string_view()}) {
    for (const SchemaRule& rule : all) {
      if (rule.source == wanted && std::ranges::none_of(rules, same(rule))) {
        rules.push_back(rule);
      }
    }
  }
  return rules;
}

Result<std::int64_t> SchemaRules::forget(const RequestContext& context, std::string_view table_uuid,
                                         std::string_view source) {
  std::int64_t count = 0;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        count, transaction.execute("DELETE FROM schema_rules WHERE table_uuid = $1 AND source = $2",
                                   {std::string(table_uuid), std::string(source)}));
    return {};
  }));
  return count;
}

}  // namespace lakehouse::catalog
