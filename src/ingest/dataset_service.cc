#include "ingest/dataset_service.h"

#include <algorithm>
#include <charconv>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "catalog/schema_diff.h"

namespace lakehouse::ingest {

namespace {

namespace json = boost::json;
using catalog::TableIdentifier;

/// A page's token is the last dataset before it.
std::string token_of(const TableIdentifier& table) {
  json::array levels;
  for (const std::string& level : table.name_space) {
    levels.emplace_back(level);
  }
  levels.emplace_back(table.name);
  const std::string text = json::serialize(levels);
  return to_hex(std::as_bytes(std::span(text)));
}

Result<TableIdentifier> table_of(const std::string& token) {
  const auto wrong = [] {
    return fail(ErrorCode::InvalidArgument, "page_token is none that a page gave",
                "Pass next_page_token on as it is, or leave it out for the first page.");
  };
  std::string text;
  for (std::size_t i = 0; i + 1 < token.size(); i += 2) {
    unsigned byte = 0;
    if (std::from_chars(token.data() + i, token.data() + i + 2, byte, 16).ptr !=
        token.data() + i + 2) {
      return wrong();
    }
    text += static_cast<char>(byte);
  }
  const Result<json::value> parsed = parse_json(text, "page_token");
  const json::array* levels = parsed ? parsed->if_array() : nullptr;
  if (levels == nullptr || levels->empty() || token.size() % 2 != 0) {
    return wrong();
  }
  TableIdentifier table;
  for (const json::value& level : *levels) {
    if (!level.is_string()) {
      return wrong();
    }
    table.name_space.emplace_back(level.get_string());
  }
  table.name = std::move(table.name_space.back());
  table.name_space.pop_back();
  return table;
}

bool matches(const DatasetSummary& summary, const DatasetFilter& filter) {
  const catalog::RegistryEntry& entry = summary.entry;
  return (filter.owner.empty() || entry.owner == filter.owner) &&
         (filter.tag.empty() || std::ranges::find(entry.tags, filter.tag) != entry.tags.end()) &&
         (!filter.sensitivity || entry.sensitivity() == filter.sensitivity) &&
         (!filter.is_stale || summary.freshness.is_stale == *filter.is_stale);
}

}  // namespace

Dataset DatasetService::describe(catalog::LoadedTable table) const {
  const iceberg::TableMetadata& metadata = *table.metadata;
  Dataset dataset;
  DatasetSummary& summary = dataset.summary;
  summary.name = to_string(table.identifier);
  if (const auto place = buckets_.resolve(metadata.location)) {
    summary.bucket = place->bucket;
  }
  summary.column_count = static_cast<std::int64_t>(metadata.current_schema()->fields.size());
  summary.updated_at_ms = metadata.last_updated_ms;
  summary.schema_fingerprint = catalog::schema_fingerprint(*metadata.current_schema());
  if (const iceberg::Snapshot* snapshot = metadata.current_snapshot()) {
    summary.snapshot_id = snapshot->snapshot_id;
  }
  const catalog::DatasetSize size = catalog::dataset_size(metadata);
  summary.rows = size.rows;
  summary.files = size.files;
  summary.size_bytes = size.bytes;
  summary.entry = catalog::registry_entry(metadata);
  summary.freshness = catalog::freshness(metadata, summary.entry, catalog_.now_ms());
  dataset.table = std::move(table);
  return dataset;
}

Result<DatasetPage> DatasetService::list(const RequestContext& context,
                                         const std::string& page_token, std::size_t limit,
                                         const DatasetFilter& filter) {
  LH_ASSIGN_OR_RETURN(std::vector<TableIdentifier> tables, catalog_.list_all_tables(context));
  std::ranges::sort(tables);
  auto at = tables.begin();
  if (!page_token.empty()) {
    LH_ASSIGN_OR_RETURN(const TableIdentifier last, table_of(page_token));
    at = std::ranges::upper_bound(tables, last);
  }
  DatasetPage page;
  for (; at != tables.end() && page.datasets.size() + page.unreadable.size() < limit; ++at) {
    LH_RETURN_IF_ERROR(context.check());
    Result<catalog::LoadedTable> table = catalog_.load_table(context, *at);
    if (table) {
      DatasetSummary summary = describe(*std::move(table)).summary;
      if (matches(summary, filter)) {
        page.datasets.push_back(std::move(summary));
      }
    } else if (table.error().code != ErrorCode::NotFound) {  // Dropped since.
      LH_RETURN_IF_ERROR(context.check());
      page.unreadable.push_back({.name = to_string(*at), .problem = table.error().message});
    }
  }
  if (at != tables.end() && at != tables.begin()) {
    page.next_page_token = token_of(*std::prev(at));
  }
  return page;
}

Result<Dataset> DatasetService::load(const RequestContext& context, const std::string& name) {
  LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog_.resolve_dataset(context, name));
  LH_ASSIGN_OR_RETURN(catalog::LoadedTable loaded, catalog_.load_table(context, table));
  return describe(std::move(loaded));
}

Result<Dataset> DatasetService::create(const RequestContext& context, const NewDataset& dataset,
                                       const query::CommitHook& also) {
  LH_ASSIGN_OR_RETURN(const TableIdentifier table, catalog::Catalog::parse_dataset(dataset.name));
  const Result<catalog::NamespaceInfo> made =
      catalog_.create_namespace(context, table.name_space, {});
  if (!made && made.error().code != ErrorCode::AlreadyExists) {
    return std::unexpected(made.error());
  }
  LH_ASSIGN_OR_RETURN(
      catalog::LoadedTable created,
      writer_.create_table(context, table, dataset.definition, query::IfExists::Fail, also));
  return describe(std::move(created));
}

Status DatasetService::drop(const RequestContext& context, const std::string& name, bool purge) {
  const Result<TableIdentifier> table = catalog_.resolve_dataset(context, name);
  if (!table) {
    return table.error().code == ErrorCode::NotFound ? Status() : std::unexpected(table.error());
  }
  LH_ASSIGN_OR_RETURN([[maybe_unused]] const bool was_there,
                      writer_.drop_table(context, *table, true, purge));
  return {};
}

}  // namespace lakehouse::ingest
