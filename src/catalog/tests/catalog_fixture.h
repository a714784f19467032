#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/id.h"
#include "base/testing/matchers.h"
#include "catalog/catalog.h"
#include "metastore/testing/postgres_server.h"
#include "storage/local_object_store.h"
#include "storage/testing/faulty_object_store.h"

namespace lakehouse::catalog {

using lakehouse::testing::FailsWith;
using lakehouse::testing::IsOk;
using lakehouse::testing::IsOkAnd;

/// A catalog in a folder of its own, over a store that fails when it is told to.
class CatalogFixture : public ::testing::Test {
 protected:
  CatalogFixture() { reopen(); }
  ~CatalogFixture() override {
    close();
    std::filesystem::remove_all(folder_);
  }

  void close() {
    catalog_.reset();
    metastore_.reset();
    buckets_.reset();
  }

  void reopen() {
    close();
    const std::string bucket = folder_ + "/buckets/primary";
    std::vector<std::unique_ptr<storage::ObjectStore>> stores;
    stores.push_back(std::make_unique<storage::testing::FaultyObjectStore>(
        storage::LocalObjectStore::open(bucket).value(), faults_));
    buckets_ = storage::Buckets::over({{.name = "primary", .type = "local", .location = bucket}},
                                      std::move(stores))
                   .value();
    metastore_ = store_.open().value();
    Catalog::Options options;
    options.view_metadata_folders = {folder_ + "/outside"};
    catalog_ = Catalog::open(*buckets_, *metastore_, options).value();
  }

  static iceberg::Schema schema() {
    iceberg::Schema schema;
    for (const std::string_view name : {"id", "name"}) {
      iceberg::NestedField field;
      field.id = static_cast<std::int32_t>(schema.fields.size()) + 1;
      field.name = name;
      field.type =
          iceberg::primitive(name == "id" ? iceberg::TypeKind::Long : iceberg::TypeKind::String);
      schema.fields.push_back(std::move(field));
    }
    return schema;
  }

  static TableIdentifier id(std::string name, Namespace name_space = {"main"}) {
    return {.name_space = std::move(name_space), .name = std::move(name)};
  }

  static CreateTable request(const TableIdentifier& table) {
    CreateTable request;
    request.identifier = table;
    request.schema = schema();
    return request;
  }

  LoadedTable make(const TableIdentifier& table) {
    auto made = catalog_->create_table(context_, request(table));
    EXPECT_THAT(made, IsOk());
    return made.value();
  }

  static iceberg::TableUpdate set(const std::string& name, const std::string& value) {
    return iceberg::SetProperties{.updates = {{name, value}}};
  }

  Result<LoadedTable> set_property(const TableIdentifier& table, const std::string& name,
                                   const std::string& value) {
    return catalog_->commit_table(context_, table, {}, {set(name, value)});
  }

  std::string property(const TableIdentifier& table, const std::string& name) {
    const auto loaded = catalog_->load_table(context_, table);
    EXPECT_THAT(loaded, IsOk());
    const std::string* value = loaded ? loaded->metadata->property(name) : nullptr;
    return value == nullptr ? "" : *value;
  }

  /// How many metadata files the table's folder holds.
  std::size_t metadata_files(const LoadedTable& table) {
    const auto at = buckets_->resolve(table.metadata->location).value();
    return at.store->list_objects(context_, at.key + "/metadata/", "", "", 10'000)
        .value()
        .objects.size();
  }

  const std::string folder_ =
      (std::filesystem::temp_directory_path() / ("catalog-" + new_token(8))).string();
  metastore::testing::TestMetastore store_{folder_ + "/metastore.db"};
  const std::shared_ptr<storage::testing::FaultPlan> faults_ =
      std::make_shared<storage::testing::FaultPlan>();
  std::unique_ptr<storage::Buckets> buckets_;
  std::unique_ptr<metastore::Metastore> metastore_;
  std::unique_ptr<Catalog> catalog_;
  RequestContext context_;
};

}  // namespace lakehouse::catalog
