#include "query/macro_store.h"

#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

std::string to_body(const Macro& macro) {
  json::array definitions;
  for (const MacroDefinition& definition : macro.definitions) {
    json::array parameters;
    for (const MacroParameter& parameter : definition.parameters) {
      json::object one{{"name", parameter.name}};
      if (parameter.default_sql) {
        one["default"] = *parameter.default_sql;
      }
      parameters.emplace_back(std::move(one));
    }
    definitions.emplace_back(json::object{{"parameters", std::move(parameters)},
                                          {"table", definition.is_table},
                                          {"sql", definition.sql}});
  }
  return to_json(json::object{{"name", macro.name}, {"definitions", std::move(definitions)}});
}

Result<Macro> from_body(const std::string& name_space, const std::string& body) {
  LH_ASSIGN_OR_RETURN(const json::value parsed, parse_json(body, "a macro"));
  Macro macro;
  macro.name_space = name_space;
  try {
    const json::object& fields = parsed.as_object();
    macro.name = fields.at("name").as_string();
    for (const json::value& entry : fields.at("definitions").as_array()) {
      MacroDefinition& definition = macro.definitions.emplace_back();
      definition.is_table = entry.as_object().at("table").as_bool();
      definition.sql = entry.as_object().at("sql").as_string();
      for (const json::value& one : entry.as_object().at("parameters").as_array()) {
        MacroParameter& parameter = definition.parameters.emplace_back();
        parameter.name = one.as_object().at("name").as_string();
        if (const json::value* value = one.as_object().if_contains("default")) {
          parameter.default_sql = std::string(value->as_string());
        }
      }
    }
  } catch (const std::exception&) {
    return fail(ErrorCode::DataLoss, "a macro in the metastore is not understood");
  }
  if (macro.definitions.empty()) {
    return fail(ErrorCode::DataLoss, "a macro in the metastore is not understood");
  }
  return macro;
}

}  // namespace

Result<std::optional<Macro>> MacroStore::find(const RequestContext& context,
                                              std::string_view name_space, std::string_view name) {
  std::optional<Macro> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT body FROM sql_macros WHERE name_space = $1 AND name = $2",
                          {to_lower(name_space), to_lower(name)}));
    if (!rows.empty()) {
      LH_ASSIGN_OR_RETURN(
          out, from_body(std::string(name_space), metastore::text(rows.front().front())));
    }
    return {};
  }));
  return out;
}

Result<std::vector<Macro>> MacroStore::list(const RequestContext& context) {
  std::vector<Macro> out;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    out.clear();
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query(
            "SELECT name_space, body FROM sql_macros ORDER BY name_space, name LIMIT 10000"));
    for (const metastore::Row& row : rows) {
      LH_ASSIGN_OR_RETURN(Macro one, from_body(metastore::text(row[0]), metastore::text(row[1])));
      out.push_back(std::move(one));
    }
    return {};
  }));
  return out;
}

Status MacroStore::create(const RequestContext& context, const Macro& macro, IfExists if_exists,
                          std::int64_t now_ms, const Hook& also) {
  return metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    const std::string name_space = to_lower(macro.name_space);
    const std::string name = to_lower(macro.name);
    LH_ASSIGN_OR_RETURN(
        const auto rows,
        transaction.query("SELECT name FROM sql_macros WHERE name_space = $1 AND name = $2",
                          {name_space, name}));
    if (!rows.empty() && if_exists == IfExists::Fail) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("there is a macro {}.{} already", macro.name_space, macro.name),
                  "CREATE OR REPLACE MACRO replaces it.");
    }
    if (rows.empty() || if_exists == IfExists::Replace) {
      LH_RETURN_IF_ERROR(transaction.execute(
          "INSERT INTO sql_macros (name_space, name, body, principal, changed_at_ms) "
          "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name_space, name) DO UPDATE SET "
          "body = excluded.body, principal = excluded.principal, "
          "changed_at_ms = excluded.changed_at_ms",
          {name_space, name, to_body(macro), context.principal, now_ms}));
    }
    return also ? also(transaction) : Status();
  });
}

Status MacroStore::drop(const RequestContext& context, std::string_view name_space,
                        std::string_view name, bool if_exists, const Hook& also) {
  return metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        const std::int64_t gone,
        transaction.execute("DELETE FROM sql_macros WHERE name_space = $1 AND name = $2",
                            {to_lower(name_space), to_lower(name)}));
    if (gone == 0 && !if_exists) {
      return fail(ErrorCode::NotFound, fmt::format("there is no macro {}.{}", name_space, name));
    }
    return also ? also(transaction) : Status();
  });
}

}  // namespace lakehouse::query
