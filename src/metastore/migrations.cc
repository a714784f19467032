#include "metastore/migrations.h"

#include <array>

namespace lakehouse::metastore {
namespace {

// A namespace's path is its levels, joined by U+001F, which no level may contain; the root's is "".
constexpr std::array<std::string_view, 11> kVersion1 = {
    R"(CREATE TABLE settings (
         name TEXT NOT NULL PRIMARY KEY,
         value TEXT NOT NULL))",
    R"(CREATE TABLE namespaces (
         path TEXT NOT NULL PRIMARY KEY,
         parent TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL))",
    "CREATE INDEX namespaces_by_parent ON namespaces (parent, path)",
    R"(CREATE TABLE namespace_properties (
         namespace TEXT NOT NULL REFERENCES namespaces (path) ON DELETE CASCADE,
         name TEXT NOT NULL,
         value TEXT NOT NULL,
         PRIMARY KEY (namespace, name)))",
    R"(CREATE TABLE tables (
         namespace TEXT NOT NULL REFERENCES namespaces (path),
         name TEXT NOT NULL,
         uuid TEXT NOT NULL,
         metadata_location TEXT NOT NULL,
         location TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL,
         updated_at_ms BIGINT NOT NULL,
         PRIMARY KEY (namespace, name)))",
    "CREATE UNIQUE INDEX tables_by_uuid ON tables (uuid)",
    // Locations whose files are to be deleted: the pointer is gone, the deleting may be unfinished.
    R"(CREATE TABLE purges (
         location TEXT NOT NULL PRIMARY KEY,
         requested_at_ms BIGINT NOT NULL))",
    R"(CREATE TABLE receipts (
         principal TEXT NOT NULL,
         key TEXT NOT NULL,
         fingerprint TEXT NOT NULL,
         status BIGINT NOT NULL,
         body TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL,
         PRIMARY KEY (principal, key)))",
    "CREATE INDEX receipts_by_time ON receipts (created_at_ms)",
    // By the table's UUID and not its name: what a table holds stays known when it is renamed.
    R"(CREATE TABLE ingested_files (
         table_uuid TEXT NOT NULL,
         sha256 TEXT NOT NULL,
         snapshot_id BIGINT NOT NULL,
         row_count BIGINT NOT NULL,
         bad_row_count BIGINT NOT NULL,
         file_name TEXT NOT NULL,
         ingested_at_ms BIGINT NOT NULL,
         PRIMARY KEY (table_uuid, sha256)))",
    "INSERT INTO settings (name, value) VALUES ('schema_version', '1')",
};

constexpr std::array<std::string_view, 2> kVersion2 = {
    // A name is in `tables` or here, never in both: whoever takes one looks in the other.
    R"(CREATE TABLE views (
         namespace TEXT NOT NULL REFERENCES namespaces (path),
         name TEXT NOT NULL,
         uuid TEXT NOT NULL,
         metadata_location TEXT NOT NULL,
         location TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL,
         updated_at_ms BIGINT NOT NULL,
         PRIMARY KEY (namespace, name)))",
    "CREATE UNIQUE INDEX views_by_uuid ON views (uuid)",
};

constexpr std::array<std::string_view, 5> kVersion3 = {
    // What clients report about scans and commits. Ids are UUIDs of version 7: they sort by time.
    R"(CREATE TABLE metrics_reports (
         table_uuid TEXT NOT NULL,
         id TEXT NOT NULL,
         kind TEXT NOT NULL,
         snapshot_id BIGINT,
         principal TEXT NOT NULL,
         received_at_ms BIGINT NOT NULL,
         body TEXT NOT NULL,
         PRIMARY KEY (table_uuid, id)))",
    "CREATE INDEX metrics_reports_by_time ON metrics_reports (id)",
    // What access tokens are signed with, the newest first in use; older ones verify until the last
    // token signed with them has expired.
    R"(CREATE TABLE token_secrets (
         id TEXT NOT NULL PRIMARY KEY,
         secret TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL))",
    "CREATE INDEX token_secrets_by_time ON token_secrets (created_at_ms)",
    "CREATE INDEX metrics_reports_by_kind ON metrics_reports (table_uuid, kind, id)",
};

constexpr std::array<Migration, 3> kMigrations = {
    Migration{.version = 1, .statements = kVersion1},
    Migration{.version = 2, .statements = kVersion2},
    Migration{.version = 3, .statements = kVersion3},
};

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

}  // namespace lakehouse::metastore
