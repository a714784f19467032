#include "catalog/detail/pointer_cache.h"

namespace lakehouse::catalog {
namespace {

constexpr std::size_t kPointersMax = 100'000;

std::string key_of(const TableIdentifier& table) {
  std::string key = detail::path_of(table.name_space);
  key.push_back('\0');  // In no name.
  return key + table.name;
}

}  // namespace

std::optional<Catalog::Pointer> Catalog::PointerCache::find(const TableIdentifier& table,
                                                            Version now) {
  const std::scoped_lock lock(mutex_);
  if (!now || now != version_) {
    return std::nullopt;
  }
  const auto found = pointers_.find(key_of(table));
  return found == pointers_.end() ? std::nullopt : std::optional(found->second);
}

void Catalog::PointerCache::remember(const TableIdentifier& table, Version version,
                                     const Pointer& pointer) {
  if (!version) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  if (version != version_ || pointers_.size() >= kPointersMax) {
    pointers_.clear();
    version_ = version;
  }
  pointers_.insert_or_assign(key_of(table), pointer);
}

}  // namespace lakehouse::catalog
