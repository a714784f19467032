#include "query/statement_writer.h"

#include <algorithm>
#include <span>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "query/constant_stream.h"
#include "query/ddl.h"
#include "query/definitions.h"
#include "query/error_position.h"
#include "query/planner.h"
#include "query/rewrite.h"
#include "query/row_check.h"

namespace lakehouse::query {
namespace {

namespace json = boost::json;

/// The column's exact name, by the rules of names.
Result<std::string> exact_column(const iceberg::Schema& schema, const std::string& name) {
  if (const iceberg::NestedField* found = find_column(schema.fields, name)) {
    return found->name;
  }
  std::vector<std::string> names;
  names.reserve(schema.fields.size());
  for (const iceberg::NestedField& field : schema.fields) {
    names.push_back(field.name);
  }
  return fail(ErrorCode::InvalidArgument, fmt::format("the table has no column '{}'", name),
              did_you_mean(name, names));
}

}  // namespace

Result<WriteAnswer> StatementWriter::run(const RequestContext& context,
                                         const std::shared_ptr<const ParsedStatement>& parsed,
                                         const SqlRequest& request) {
  LH_ASSIGN_OR_RETURN(Outcome outcome, write(context, parsed, request));
  WriteAnswer answer;
  LH_ASSIGN_OR_RETURN(answer.stream, stream_of(context, outcome, request.encoding));
  answer.snapshot_ids = std::move(outcome.snapshot_ids);
  return answer;
}

Result<std::unique_ptr<engine::ResultStream>> StatementWriter::stream_of(
    const RequestContext& context, Outcome& outcome, engine::Encoding encoding) {
  if (outcome.stream) {
    return std::move(outcome.stream);
  }
  if (encoding != engine::Encoding::ArrowStream) {
    return constant_stream(outcome.column, outcome.value, encoding);
  }
  engine::Statement statement;
  statement.text = fmt::format("SELECT {}::{} AS {}", json::serialize(outcome.value),
                               outcome.value.is_bool() ? "BOOLEAN" : "BIGINT",
                               quote_sql_identifier(outcome.column));
  statement.encoding = encoding;
  return engine_.execute(context, std::move(statement));
}

Result<StatementWriter::Outcome> StatementWriter::write(
    const RequestContext& context, const std::shared_ptr<const ParsedStatement>& parsed,
    const SqlRequest& request) {
  if (request.idempotency_key.empty()) {
    return write_once(context, parsed, request);
  }
  LH_ASSIGN_OR_RETURN(auto before, repeated(context, request));
  if (before) {
    return *std::move(before);
  }
  auto outcome = write_once(context, parsed, request);
  if (!outcome && outcome.error().code == ErrorCode::AlreadyExists) {
    // A twin of this request may have won while this one worked.
    LH_ASSIGN_OR_RETURN(before, repeated(context, request));
    if (before) {
      return *std::move(before);
    }
  }
  return outcome;
}

namespace {

std::string from_hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    out.push_back(static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1])));
  }
  return out;
}

/// Rows as a receipt keeps them: exactly as they were answered.
json::object receipt_rows(const std::vector<engine::Column>& columns, const std::string& bytes,
                          engine::Encoding encoding, std::uint64_t row_count) {
  json::array names;
  for (const engine::Column& column : columns) {
    names.push_back(json::array{column.name, column.type});
  }
  return {
      {"columns", std::move(names)},
      {"encoding", static_cast<int>(encoding)},
      {"count", row_count},
      {"bytes", encoding == engine::Encoding::ArrowStream ? to_hex(std::as_bytes(std::span(bytes)))
                                                          : bytes}};
}

Result<std::unique_ptr<engine::ResultStream>> rows_of_receipt(const json::value& rows,
                                                              engine::Encoding encoding) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(rows, "a receipt's rows"));
  LH_ASSIGN_OR_RETURN(const std::int64_t kept, fields.require_int64("encoding"));
  LH_ASSIGN_OR_RETURN(const std::int64_t count, fields.require_int64("count"));
  LH_ASSIGN_OR_RETURN(std::string bytes, fields.require_string("bytes"));
  if (kept != static_cast<int>(encoding)) {
    return fail(ErrorCode::FailedPrecondition,
                "the request was answered in another format the first time",
                "Repeat it with the same Accept header.");
  }
  std::vector<engine::Column> columns;
  for (const json::value& column : rows.at("columns").as_array()) {
    columns.push_back(
        {std::string(column.at(0).as_string()), std::string(column.at(1).as_string())});
  }
  return bytes_stream(std::move(columns),
                      encoding == engine::Encoding::ArrowStream ? from_hex(bytes) : bytes,
                      static_cast<std::uint64_t>(count));
}

}  // namespace

Result<std::optional<StatementWriter::Outcome>> StatementWriter::repeated(
    const RequestContext& context, const SqlRequest& request) {
  LH_ASSIGN_OR_RETURN(const auto receipt, catalog_.find_receipt(context, request.idempotency_key));
  if (!receipt) {
    return std::nullopt;
  }
  if (receipt->fingerprint != request.fingerprint) {
    auto error = fail(ErrorCode::AlreadyExists, "the Idempotency-Key was used for another request",
                      "Use a new key for a new request.");
    error.error().details_json = R"({"idempotency_key_reused":true})";
    return error;
  }
  LH_ASSIGN_OR_RETURN(const json::value body, parse_json(receipt->body, "a receipt"));
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(body, "a receipt"));
  Outcome outcome;
  LH_ASSIGN_OR_RETURN(outcome.column, fields.require_string("column"));
  if (const json::value* value = fields.optional_value("value")) {
    outcome.value = *value;
  }
  if (const json::value* rows = fields.optional_value("rows"); rows != nullptr) {
    LH_ASSIGN_OR_RETURN(outcome.stream, rows_of_receipt(*rows, request.encoding));
  }
  return outcome;
}

namespace {

catalog::LineageRun lineage_of(std::string job, std::vector<catalog::LineageInput> inputs,
                               const SqlRequest& request) {
  catalog::LineageRun run;
  run.job = std::move(job);
  // What reads no table holds the rows themselves, which are not to be kept here.
  if (!inputs.empty()) {
    run.detail_json = json::serialize(json::object{{"sql", request.kept_sql}});
  }
  run.inputs = std::move(inputs);
  return run;
}

}  // namespace

catalog::Receipt StatementWriter::receipt_of(const RequestContext& context,
                                             const SqlRequest& request, const Outcome& outcome,
                                             std::int64_t now_ms) {
  json::object body{{"column", outcome.column}, {"value", outcome.value}};
  if (outcome.kept) {
    body["rows"] = receipt_rows(outcome.kept->columns, outcome.kept->bytes, outcome.kept->encoding,
                                outcome.kept->row_count);
  }
  return {request.idempotency_key, context.principal,
          request.fingerprint,     200,
          json::serialize(body),   now_ms};
}

Status StatementWriter::keep_receipt(const RequestContext& context, const SqlRequest& request,
                                     const Outcome& outcome) {
  if (request.idempotency_key.empty()) {
    return {};
  }
  return catalog_.store_receipt(context, receipt_of(context, request, outcome, catalog_.now_ms()));
}

Result<StatementWriter::Outcome> StatementWriter::write_once(
    const RequestContext& context, const std::shared_ptr<const ParsedStatement>& parsed,
    const SqlRequest& request) {
  const SqlStatement& statement = parsed->statement;
  const auto* insert_into = std::get_if<InsertStatement>(&statement);
  if (std::holds_alternative<ChangeStatement>(statement) ||
      (insert_into != nullptr && (insert_into->on_conflict || insert_into->returning))) {
    return change_rows(context, {parsed}, true, request);
  }
  if (const auto* transaction = std::get_if<TransactionStatement>(&statement)) {
    return run_transaction(context, *transaction, request);
  }
  if (insert_into != nullptr) {
    return insert(context, *insert_into, parsed, request);
  }
  if (const auto* create = std::get_if<CreateTableStatement>(&statement)) {
    return create_table(context, *create, parsed, request);
  }
  if (const auto* alter = std::get_if<AlterTableStatement>(&statement)) {
    return alter_table(context, *alter, request);
  }
  if (Definitions::takes(statement)) {
    return define(context, parsed, request);
  }
  LH_ASSIGN_OR_RETURN(Outcome outcome, other_ddl(context, statement));
  LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::define(
    const RequestContext& context, const std::shared_ptr<const ParsedStatement>& parsed,
    const SqlRequest& request) {
  Outcome outcome{.column = "Success", .value = true};
  Definitions::Hook also;
  if (!request.idempotency_key.empty()) {
    also = [&](metastore::Transaction& transaction) {
      return catalog::Catalog::put_receipt(
          transaction, receipt_of(context, request, outcome, catalog_.now_ms()));
    };
  }
  Definitions definitions(catalog_, engine_, planner_, planner_.macros());
  LH_ASSIGN_OR_RETURN(const bool changed, definitions.run(context, parsed, request, also));
  if (!changed) {
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  }
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::append(const RequestContext& context,
                                                         AppendRequest append,
                                                         const SqlRequest& request) {
  auto rows = std::make_shared<std::int64_t>(0);
  append.before_commit = [rows](std::int64_t count) -> Status {
    *rows = count;
    return {};
  };
  if (append.mode == WriteMode::Append || append.mode == WriteMode::Replace) {
    append.inspect = [this, &context, table = append.table](const Written& written) {
      return RowCheck(context, planner_, engine_, table).check_files(written.schema, written.paths);
    };
  }
  if (!request.idempotency_key.empty()) {
    append.also = [this, &context, &request, rows](metastore::Transaction& transaction,
                                                   const std::vector<catalog::LoadedTable>&) {
      return catalog::Catalog::put_receipt(
          transaction,
          receipt_of(context, request, {.column = "Count", .value = *rows}, catalog_.now_ms()));
    };
  }
  LH_ASSIGN_OR_RETURN(const Appended done, writer_.append(context, std::move(append)));
  Outcome outcome{.column = "Count", .value = done.rows};
  if (done.snapshot_id) {
    outcome.snapshot_ids.emplace_back(catalog::to_string(done.table.identifier), *done.snapshot_id);
  } else if (done.rows == 0) {
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  }
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::insert(
    const RequestContext& context, const InsertStatement& statement,
    const std::shared_ptr<const ParsedStatement>& parsed, const SqlRequest& request) {
  AppendRequest append_request;
  auto table = resolve_table(context, catalog_, statement.table.parts);
  if (!table) {
    return at_position(std::move(table).error(), statement.table.position);
  }
  append_request.table = *std::move(table);
  LH_ASSIGN_OR_RETURN(const auto loaded, catalog_.load_table(context, append_request.table));
  LH_ASSIGN_OR_RETURN(StatementPlan planned, plan_statement(context, planner_, parsed, request));
  const bool reads_itself = std::ranges::any_of(
      planned.inputs, [&](const auto& input) { return input.id == loaded.metadata->table_uuid; });
  if (reads_itself && !request.as_of) {
    // What others commit meanwhile may change what it should insert.
    return change_rows(context, {parsed}, true, request);
  }
  std::vector<std::string> names = statement.columns;
  if (statement.by_name) {
    LH_ASSIGN_OR_RETURN(const auto columns, engine_.describe(context, planned.statement));
    for (const engine::Column& column : columns) {
      names.push_back(column.name);
    }
  }
  for (const std::string& name : names) {
    auto exact = exact_column(*loaded.metadata->current_schema(), name);
    if (!exact) {
      return at_position(std::move(exact).error(), statement.table.position);
    }
    append_request.columns.push_back(*std::move(exact));
  }
  append_request.lineage = lineage_of("insert", std::move(planned.inputs), request);
  append_request.source = std::move(planned.statement);
  append_request.mode = WriteMode::Append;
  auto outcome = append(context, std::move(append_request), request);
  if (!outcome && outcome.error().code == ErrorCode::InvalidArgument &&
      !outcome.error().position_bytes) {
    outcome.error().position_bytes = find_position(parsed->tree, outcome.error().message);
  }
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::create_table(
    const RequestContext& context, const CreateTableStatement& statement,
    const std::shared_ptr<const ParsedStatement>& parsed, const SqlRequest& request) {
  auto table = new_table(statement.table.parts);
  if (!table) {
    return at_position(std::move(table).error(), statement.table.position);
  }
  TableDefinition definition = statement.definition;
  if (!definition.columns.empty()) {
    std::vector<std::string> types;
    types.reserve(definition.columns.size());
    for (const ColumnDefinition& column : definition.columns) {
      types.push_back(column.type);
    }
    LH_ASSIGN_OR_RETURN(types, canonical_types(context, types));
    for (std::size_t i = 0; i < types.size(); ++i) {
      definition.columns[i].type = types[i];
    }
  }
  if (!statement.source) {
    CommitHook also;
    if (!request.idempotency_key.empty()) {
      also = [this, &context, &request](metastore::Transaction& transaction,
                                        const std::vector<catalog::LoadedTable>&) {
        return catalog::Catalog::put_receipt(
            transaction,
            receipt_of(context, request, {.column = "Success", .value = true}, catalog_.now_ms()));
      };
    }
    LH_RETURN_IF_ERROR(
        writer_.create_table(context, *table, definition, statement.if_exists, also));
    return Outcome{.column = "Success", .value = true};
  }
  if (statement.if_exists == IfExists::Keep) {
    LH_ASSIGN_OR_RETURN(const bool exists, catalog_.table_exists(context, *table));
    if (exists) {
      Outcome outcome{.column = "Count", .value = std::int64_t{0}};
      LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
      return outcome;
    }
  }
  LH_ASSIGN_OR_RETURN(StatementPlan planned, plan_statement(context, planner_, parsed, request));
  AppendRequest append_request;
  append_request.table = *std::move(table);
  append_request.lineage = lineage_of("create_table_as", std::move(planned.inputs), request);
  append_request.source = std::move(planned.statement);
  append_request.mode =
      statement.if_exists == IfExists::Replace ? WriteMode::CreateOrReplace : WriteMode::Create;
  append_request.definition = std::move(definition);
  auto outcome = append(context, std::move(append_request), request);
  if (!outcome && !outcome.error().position_bytes &&
      outcome.error().code == ErrorCode::InvalidArgument) {
    outcome.error().position_bytes = find_position(parsed->tree, outcome.error().message);
  }
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::alter_table(const RequestContext& context,
                                                              const AlterTableStatement& statement,
                                                              const SqlRequest& request) {
  Outcome outcome{.column = "Success", .value = true};
  auto table = resolve_table(context, catalog_, statement.table.parts);
  if (!table) {
    if (statement.if_exists && table.error().code == ErrorCode::NotFound) {
      LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
      return outcome;
    }
    return at_position(std::move(table).error(), statement.table.position);
  }
  AlterAction action = statement.action;
  std::string* type = nullptr;
  if (auto* add = std::get_if<AddColumn>(&action)) {
    type = &add->column.type;
  } else if (auto* change = std::get_if<ChangeColumnType>(&action)) {
    type = &change->type;
  }
  if (type != nullptr) {
    LH_ASSIGN_OR_RETURN(auto types, canonical_types(context, {*type}));
    *type = std::move(types.front());
  }
  bool kept = false;
  CommitHook also;
  if (!request.idempotency_key.empty()) {
    also = [&](metastore::Transaction& transaction, const std::vector<catalog::LoadedTable>&) {
      kept = true;
      return catalog::Catalog::put_receipt(
          transaction,
          receipt_of(context, request, {.column = "Success", .value = true}, catalog_.now_ms()));
    };
  }
  LH_RETURN_IF_ERROR(writer_.alter_table(context, *table, {action}, also));
  if (!kept) {
    LH_RETURN_IF_ERROR(keep_receipt(context, request, outcome));
  }
  return outcome;
}

Result<StatementWriter::Outcome> StatementWriter::other_ddl(const RequestContext& context,
                                                            const SqlStatement& statement) {
  Outcome success{.column = "Success", .value = true};
  if (const auto* drop = std::get_if<DropTableStatement>(&statement)) {
    auto table = resolve_table(context, catalog_, drop->table.parts);
    if (!table) {
      if (drop->if_exists && table.error().code == ErrorCode::NotFound) {
        return success;
      }
      return at_position(std::move(table).error(), drop->table.position);
    }
    LH_RETURN_IF_ERROR(writer_.drop_table(context, *table, drop->if_exists, false));
    return success;
  }
  const auto levels = [](const NamePath& name) {
    // "a.b" in quotes is two levels, as in the rest of the API.
    std::vector<std::string> out;
    const std::string text = name.dotted();
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('.', begin), text.size());
      out.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return out;
  };
  if (const auto* create = std::get_if<CreateSchemaStatement>(&statement)) {
    LH_RETURN_IF_ERROR(writer_.create_schema(context, levels(create->name), create->if_not_exists));
    return success;
  }
  if (const auto* drop = std::get_if<DropSchemaStatement>(&statement)) {
    LH_RETURN_IF_ERROR(
        writer_.drop_schema(context, levels(drop->name), drop->if_exists, drop->cascade));
    return success;
  }
  return fail(ErrorCode::Internal, "a statement has no one to run it");
}

/// The engine knows all spellings of a type: INT, TEXT, DOUBLE PRECISION, NUMERIC(9, 2).
Result<std::vector<std::string>> StatementWriter::canonical_types(
    const RequestContext& context, const std::vector<std::string>& types) {
  engine::Statement statement;
  for (const std::string& type : types) {
    // The parser has let only names, numbers and balanced brackets through.
    statement.text.append(statement.text.empty() ? "SELECT " : ", ");
    statement.text.append(fmt::format("CAST(NULL AS {})", type));
  }
  auto columns = engine_.describe(context, std::move(statement));
  if (!columns) {
    Error error = std::move(columns).error();
    error.position_bytes.reset();
    return std::unexpected(std::move(error).with_context("the columns' types"));
  }
  std::vector<std::string> out;
  out.reserve(columns->size());
  for (const engine::Column& column : *columns) {
    out.push_back(column.type);
  }
  return out;
}

}  // namespace lakehouse::query
