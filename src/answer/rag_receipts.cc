#include "answer/rag_receipts.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"

namespace lakehouse::answer {

namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kKept = std::chrono::hours(24 * 90);

json::object item_json(const Receipt::Item& item) {
  return {{"n", item.n},
          {"key", item.key},
          {"chunk", item.chunk},
          {"start", item.start},
          {"end", item.end},
          {"score", item.score},
          {"text_sha256", item.text_sha256}};
}

Result<Receipt::Item> item_from(const json::value& value) {
  LH_ASSIGN_OR_RETURN(JsonFields fields, JsonFields::of(value, "a piece of evidence"));
  Receipt::Item item;
  LH_ASSIGN_OR_RETURN(const std::int64_t n, fields.require_int64("n"));
  LH_ASSIGN_OR_RETURN(const std::int64_t chunk, fields.require_int64("chunk"));
  LH_ASSIGN_OR_RETURN(const std::int64_t start, fields.require_int64("start"));
  LH_ASSIGN_OR_RETURN(const std::int64_t end, fields.require_int64("end"));
  LH_ASSIGN_OR_RETURN(const auto score, fields.optional_double("score"));
  LH_ASSIGN_OR_RETURN(item.text_sha256, fields.require_string("text_sha256"));
  if (const json::value* key = fields.optional_value("key")) {
    item.key = *key;
  }
  item.n = static_cast<std::uint32_t>(n);
  item.chunk = static_cast<std::uint32_t>(chunk);
  item.start = static_cast<std::uint64_t>(start);
  item.end = static_cast<std::uint64_t>(end);
  item.score = score.value_or(0);
  return item;
}

}  // namespace

json::object to_json(const Receipt& receipt) {
  json::array evidence;
  for (const Receipt::Item& item : receipt.evidence) {
    evidence.push_back(item_json(item));
  }
  const RagRequest& asked = receipt.request;
  return {{"id", receipt.id},
          {"principal", receipt.principal},
          {"created_at_ms", receipt.created_at_ms},
          {"question", asked.question},
          {"index", asked.index},
          {"k", asked.k},
          {"filter", asked.filter},
          {"mode", vector::to_string(asked.mode)},
          {"rerank", asked.rerank},
          {"max_tokens", asked.max_tokens},
          {"seed", asked.seed ? json::value(*asked.seed) : json::value()},
          {"dataset", receipt.dataset},
          {"dataset_uuid", receipt.dataset_uuid},
          {"snapshot_id", receipt.snapshot_id},
          {"embeddings_snapshot_id", receipt.embeddings_snapshot_id},
          {"generation", receipt.generation},
          {"key_column", receipt.key_column},
          {"key_type", vector::to_string(receipt.key_type)},
          {"text_columns",
           json::array(receipt.recipe.text_columns.begin(), receipt.recipe.text_columns.end())},
          {"text_template", receipt.recipe.text_template},
          {"search_method", receipt.search_method},
          {"embedding_model", receipt.embedding_model},
          {"embedding_model_version", receipt.embedding_model_version},
          {"model", receipt.model},
          {"model_version", receipt.model_version},
          {"prompt_sha256", receipt.prompt_sha256},
          {"evidence", std::move(evidence)},
          {"abstained", receipt.abstained},
          {"answer", receipt.answer}};
}

namespace {

Status read_request(JsonFields& fields, RagRequest& asked) {
  LH_ASSIGN_OR_RETURN(asked.question, fields.require_string("question"));
  LH_ASSIGN_OR_RETURN(asked.index, fields.require_string("index"));
  LH_ASSIGN_OR_RETURN(const std::int64_t k, fields.require_int64("k"));
  LH_ASSIGN_OR_RETURN(asked.filter, fields.require_string("filter"));
  LH_ASSIGN_OR_RETURN(const std::string mode, fields.require_string("mode"));
  LH_ASSIGN_OR_RETURN(asked.mode, vector::search_mode_from(mode));
  LH_ASSIGN_OR_RETURN(asked.rerank, fields.require_bool("rerank"));
  LH_ASSIGN_OR_RETURN(const std::int64_t tokens, fields.require_int64("max_tokens"));
  if (const json::value* seed = fields.optional_value("seed")) {
    boost::system::error_code ignored;
    asked.seed = seed->to_number<std::uint64_t>(ignored);
  }
  asked.k = static_cast<std::size_t>(k);
  asked.max_tokens = static_cast<std::uint32_t>(tokens);
  return {};
}

}  // namespace

Result<Receipt> receipt_from_json(const json::object& object) {
  JsonFields fields(object, "a receipt");
  Receipt receipt;
  LH_ASSIGN_OR_RETURN(receipt.id, fields.require_string("id"));
  LH_ASSIGN_OR_RETURN(receipt.principal, fields.require_string("principal"));
  LH_ASSIGN_OR_RETURN(receipt.created_at_ms, fields.require_int64("created_at_ms"));
  LH_RETURN_IF_ERROR(read_request(fields, receipt.request));
  LH_ASSIGN_OR_RETURN(receipt.dataset, fields.require_string("dataset"));
  LH_ASSIGN_OR_RETURN(receipt.dataset_uuid, fields.require_string("dataset_uuid"));
  LH_ASSIGN_OR_RETURN(receipt.snapshot_id, fields.require_int64("snapshot_id"));
  LH_ASSIGN_OR_RETURN(receipt.embeddings_snapshot_id,
                      fields.require_int64("embeddings_snapshot_id"));
  LH_ASSIGN_OR_RETURN(receipt.generation, fields.require_int64("generation"));
  LH_ASSIGN_OR_RETURN(receipt.key_column, fields.require_string("key_column"));
  LH_ASSIGN_OR_RETURN(const std::string key_type, fields.require_string("key_type"));
  LH_ASSIGN_OR_RETURN(receipt.key_type, vector::key_type_from(key_type));
  LH_ASSIGN_OR_RETURN(receipt.recipe.text_columns, fields.require_strings("text_columns"));
  LH_ASSIGN_OR_RETURN(receipt.recipe.text_template, fields.require_string("text_template"));
  LH_ASSIGN_OR_RETURN(receipt.search_method, fields.require_string("search_method"));
  LH_ASSIGN_OR_RETURN(receipt.embedding_model, fields.require_string("embedding_model"));
  LH_ASSIGN_OR_RETURN(receipt.embedding_model_version,
                      fields.require_string("embedding_model_version"));
  LH_ASSIGN_OR_RETURN(receipt.model, fields.require_string("model"));
  LH_ASSIGN_OR_RETURN(receipt.model_version, fields.require_string("model_version"));
  LH_ASSIGN_OR_RETURN(receipt.prompt_sha256, fields.require_string("prompt_sha256"));
  LH_ASSIGN_OR_RETURN(receipt.abstained, fields.require_bool("abstained"));
  LH_ASSIGN_OR_RETURN(receipt.answer, fields.require_string("answer"));
  LH_ASSIGN_OR_RETURN(const json::array* const evidence, fields.require_array("evidence"));
  for (const json::value& value : *evidence) {
    LH_ASSIGN_OR_RETURN(Receipt::Item item, item_from(value));
    receipt.evidence.push_back(std::move(item));
  }
  return receipt;
}

namespace {

Result<Receipt> receipt_of(const metastore::Value& body) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_json(metastore::text(body), "a receipt"));
  if (!value.is_object()) {
    return fail(ErrorCode::DataLoss, "a receipt cannot be read");
  }
  return receipt_from_json(value.get_object());
}

}  // namespace

Status ReceiptStore::put(const RequestContext& context, const Receipt& receipt) {
  const std::string body = json::serialize(to_json(receipt));
  const std::int64_t kept_from = receipt.created_at_ms - kKept.count();
  return metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_RETURN_IF_ERROR(
        transaction.execute("DELETE FROM answer_receipts WHERE created_at_ms < $1", {kept_from}));
    LH_RETURN_IF_ERROR(transaction.execute(
        "INSERT INTO answer_receipts (id, principal, created_at_ms, body) VALUES ($1, $2, $3, $4)",
        {receipt.id, receipt.principal, receipt.created_at_ms, body}));
    return {};
  });
}

Result<Receipt> ReceiptStore::get(const RequestContext& context, std::string_view id) {
  std::vector<metastore::Row> rows;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(
        rows, transaction.query("SELECT body FROM answer_receipts WHERE id = $1 AND principal = $2",
                                {std::string(id), context.principal}));
    return {};
  }));
  if (rows.empty()) {
    return fail(ErrorCode::NotFound, "there is no such receipt (any more)",
                "Receipts are kept for ninety days, for whom they were made.");
  }
  return receipt_of(rows.front().at(0));
}

Result<std::vector<Receipt>> ReceiptStore::list(const RequestContext& context, std::size_t limit,
                                                std::string_view after) {
  // Ids are UUIDs of version 7: their order is that of time.
  const auto most = static_cast<std::int64_t>(limit);
  std::vector<metastore::Row> rows;
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    auto found = after.empty() ? transaction.query(
                                     "SELECT body FROM answer_receipts WHERE "
                                     "principal = $1 ORDER BY id DESC LIMIT $2",
                                     {context.principal, most})
                               : transaction.query(
                                     "SELECT body FROM answer_receipts WHERE "
                                     "principal = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                                     {context.principal, std::string(after), most});
    LH_RETURN_IF_ERROR(found);
    rows = *std::move(found);
    return {};
  }));
  std::vector<Receipt> receipts;
  for (const metastore::Row& row : rows) {
    LH_ASSIGN_OR_RETURN(Receipt receipt, receipt_of(row.at(0)));
    receipts.push_back(std::move(receipt));
  }
  return receipts;
}

}  // namespace lakehouse::answer
