#include "vector/eval_store.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace lakehouse::vector {
namespace {

constexpr std::string_view kFolder = "_hnsw_trials/evals/";
constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kListed = 1000;

std::string key_of(std::string_view name) {
  return fmt::format("{}{}{}", kFolder, name, kSuffix);
}

}  // namespace

Result<std::string> EvalStore::find(const RequestContext& context, std::string_view name) {
  LH_RETURN_IF_ERROR(check_eval_name(name));
  for (const storage::BucketConfig& bucket : buckets_.list()) {
    LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket.name));
    const auto found = store->head_object(context, key_of(name));
    if (found) {
      return bucket.name;
    }
    if (found.error().code != ErrorCode::NotFound) {
      return std::unexpected(found.error());
    }
  }
  return std::string();
}

Status EvalStore::put(const RequestContext& context, const std::string& bucket,
                      const EvalSet& set) {
  LH_RETURN_IF_ERROR(check(set));
  LH_ASSIGN_OR_RETURN(const std::string there, find(context, set.name));
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(there.empty() ? bucket : there));
  const std::string text = lakehouse::to_json(to_json(set));
  LH_RETURN_IF_ERROR(
      store->put_object(context, key_of(set.name), std::as_bytes(std::span(text)), {}));
  return {};
}

Result<EvalSet> EvalStore::get(const RequestContext& context, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const std::string bucket, find(context, name));
  if (bucket.empty()) {
    LH_ASSIGN_OR_RETURN(const std::vector<std::string> all, names(context));
    return fail(ErrorCode::NotFound, fmt::format("there is no eval set '{}'", name),
                did_you_mean(name, all));
  }
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket));
  LH_ASSIGN_OR_RETURN(const storage::Bytes bytes,
                      store->get_object(context, key_of(name), std::nullopt));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  LH_ASSIGN_OR_RETURN(const boost::json::value json, parse_json(text, "the eval set"));
  auto set = eval_set_from_json(json);
  if (!set) {
    return fail(ErrorCode::DataLoss,
                fmt::format("the eval set '{}' cannot be read: {}", name, set.error().message));
  }
  return set;
}

Result<bool> EvalStore::remove(const RequestContext& context, std::string_view name) {
  LH_ASSIGN_OR_RETURN(const std::string bucket, find(context, name));
  if (bucket.empty()) {
    return false;
  }
  LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket));
  LH_RETURN_IF_ERROR(store->delete_object(context, key_of(name)));
  return true;
}

Result<std::vector<std::string>> EvalStore::names(const RequestContext& context) {
  std::vector<std::string> names;
  for (const storage::BucketConfig& bucket : buckets_.list()) {
    LH_ASSIGN_OR_RETURN(storage::ObjectStore * store, buckets_.find(bucket.name));
    std::string after;
    do {
      LH_ASSIGN_OR_RETURN(const storage::ObjectList page,
                          store->list_objects(context, kFolder, "", after, kListed));
      for (const storage::ObjectInfo& object : page.objects) {
        std::string_view name = object.key;
        name.remove_prefix(kFolder.size());
        if (name.ends_with(kSuffix) &&
            check_eval_name(name.substr(0, name.size() - kSuffix.size()))) {
          names.emplace_back(name.substr(0, name.size() - kSuffix.size()));
        }
      }
      after = page.next_start_after;
    } while (!after.empty());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace lakehouse::vector
