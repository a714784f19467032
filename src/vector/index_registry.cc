#include "vector/index_registry.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::vector {
namespace {

Result<IndexInfo> info_of(const metastore::Row& row) {
  LH_ASSIGN_OR_RETURN(const boost::json::value parsed,
                      parse_json(metastore::text(row.at(0)), "an index in the metastore"));
  if (!parsed.is_object()) {
    return fail(ErrorCode::DataLoss, "an index in the metastore is not understood");
  }
  auto info = info_from_json(parsed.get_object());
  if (!info) {
    return fail(ErrorCode::DataLoss, "an index in the metastore: " + info.error().message);
  }
  return info;
}

std::unexpected<Error> none(std::string_view name) {
  return fail(ErrorCode::NotFound, fmt::format("there is no index '{}'", as_utf8(name)));
}

}  // namespace

Result<std::shared_ptr<const std::vector<IndexInfo>>> IndexRegistry::all(
    const RequestContext& context) {
  const std::optional<std::int64_t> version = metastore_.version();
  {
    const std::lock_guard lock(mutex_);
    if (kept_ != nullptr && version && version == read_at_) {
      return kept_;
    }
  }
  auto read = std::make_shared<std::vector<IndexInfo>>();
  LH_RETURN_IF_ERROR(metastore_.read(context, [&](metastore::Transaction& transaction) -> Status {
    read->clear();
    LH_ASSIGN_OR_RETURN(const auto rows,
                        transaction.query("SELECT body FROM vector_indexes ORDER BY name"));
    for (const metastore::Row& row : rows) {
      LH_ASSIGN_OR_RETURN(IndexInfo info, info_of(row));
      read->push_back(std::move(info));
    }
    return {};
  }));
  // By bytes, whatever the database's collation is.
  std::ranges::sort(*read, {}, &IndexInfo::name);
  const std::lock_guard lock(mutex_);
  kept_ = read;
  read_at_ = version;
  return kept_;
}

Result<std::vector<IndexInfo>> IndexRegistry::list(const RequestContext& context) {
  LH_ASSIGN_OR_RETURN(const auto indexes, all(context));
  return *indexes;
}

Result<IndexInfo> IndexRegistry::find(const RequestContext& context, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const auto indexes, all(context));
  const auto found = std::ranges::find(*indexes, name, &IndexInfo::name);
  if (found != indexes->end()) {
    return *found;
  }
  std::vector<std::string> names;
  for (const IndexInfo& one : *indexes) {
    names.push_back(one.name);
  }
  auto missing = none(name);
  missing.error().hint = did_you_mean(name, names);
  return missing;
}

Result<IndexInfo> IndexRegistry::find_by_id(const RequestContext& context, std::string_view id) {
  LH_ASSIGN_OR_RETURN(const auto indexes, all(context));
  const auto found = std::ranges::find(*indexes, id, &IndexInfo::id);
  return found == indexes->end() ? Result<IndexInfo>(none(id)) : *found;
}

Status IndexRegistry::insert(metastore::Transaction& transaction, const IndexInfo& info) {
  const auto inserted = transaction.execute(
      "INSERT INTO vector_indexes (id, name, dataset_uuid, version, body) "
      "VALUES ($1, $2, $3, $4, $5)",
      {info.id, info.name, info.dataset_uuid, info.version,
       lakehouse::to_json(boost::json::value(to_json(info)))});
  if (!inserted && inserted.error().code == ErrorCode::AlreadyExists) {
    return fail(ErrorCode::AlreadyExists, fmt::format("there is an index '{}' already", info.name),
                "Choose another name, or drop it first.");
  }
  return inserted ? Status() : std::unexpected(inserted.error());
}

Result<IndexInfo> IndexRegistry::update_in(metastore::Transaction& transaction, std::string_view id,
                                           const Change& change) {
  LH_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.query("SELECT body FROM vector_indexes WHERE id = $1", {std::string(id)}));
  if (rows.empty()) {
    return none(id);
  }
  LH_ASSIGN_OR_RETURN(IndexInfo info, info_of(rows.front()));
  LH_RETURN_IF_ERROR(change(info));
  ++info.version;
  LH_RETURN_IF_ERROR(transaction.execute(
      "UPDATE vector_indexes SET version = $2, body = $3, name = $4 WHERE id = $1",
      {info.id, info.version, lakehouse::to_json(boost::json::value(to_json(info))), info.name}));
  return info;
}

Result<IndexInfo> IndexRegistry::update(
    const RequestContext& context, std::string_view id, const Change& change,
    const std::function<Status(metastore::Transaction&, const IndexInfo&)>& also) {
  IndexInfo out;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(out, update_in(transaction, id, change));
    return also ? also(transaction, out) : Status();
  }));
  return out;
}

Result<bool> IndexRegistry::remove(const RequestContext& context, std::string_view id) {
  std::int64_t removed = 0;
  LH_RETURN_IF_ERROR(metastore_.write(context, [&](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(removed, transaction.execute("DELETE FROM vector_indexes WHERE id = $1",
                                                     {std::string(id)}));
    return {};
  }));
  return removed > 0;
}

}  // namespace lakehouse::vector
