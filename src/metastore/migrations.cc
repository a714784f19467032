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

constexpr std::array<std::string_view, 5> kVersion4 = {
    // Who changed what in a dataset's entry; the entry itself is in the table's properties.
    R"(CREATE TABLE registry_history (
         table_uuid TEXT NOT NULL,
         version BIGINT NOT NULL,
         at_ms BIGINT NOT NULL,
         principal TEXT NOT NULL,
         decided_by TEXT NOT NULL,
         changes TEXT NOT NULL,
         PRIMARY KEY (table_uuid, version)))",
    // Runs of one kind from the same inputs are one job; its key is made from both.
    R"(CREATE TABLE lineage_jobs (
         output_id TEXT NOT NULL,
         job_key TEXT NOT NULL,
         output_kind TEXT NOT NULL,
         output_name TEXT NOT NULL,
         job TEXT NOT NULL,
         runs BIGINT NOT NULL,
         first_at_ms BIGINT NOT NULL,
         last_at_ms BIGINT NOT NULL,
         last_detail TEXT NOT NULL,
         PRIMARY KEY (output_id, job_key)))",
    R"(CREATE TABLE lineage_inputs (
         output_id TEXT NOT NULL,
         job_key TEXT NOT NULL,
         input_kind TEXT NOT NULL,
         input_id TEXT NOT NULL,
         input_name TEXT NOT NULL,
         PRIMARY KEY (output_id, job_key, input_kind, input_id)))",
    "CREATE INDEX lineage_inputs_by_input ON lineage_inputs (input_kind, input_id)",
    R"(CREATE TABLE lineage_runs (
         output_id TEXT NOT NULL,
         run BIGINT NOT NULL,
         job_key TEXT NOT NULL,
         job TEXT NOT NULL,
         at_ms BIGINT NOT NULL,
         principal TEXT NOT NULL,
         snapshot_id BIGINT,
         row_count BIGINT,
         inputs TEXT NOT NULL,
         detail TEXT NOT NULL,
         PRIMARY KEY (output_id, run)))",
};

constexpr std::array<std::string_view, 3> kVersion5 = {
    // When a dataset was last looked through for personal data, and what was found. By field id:
    // a finding follows its column when that is renamed.
    R"(CREATE TABLE pii_scans (
         table_uuid TEXT NOT NULL PRIMARY KEY,
         snapshot_id BIGINT,
         at_ms BIGINT NOT NULL,
         sampled_rows BIGINT NOT NULL,
         table_rows BIGINT NOT NULL,
         on_demand BIGINT NOT NULL))",
    R"(CREATE TABLE pii_findings (
         table_uuid TEXT NOT NULL,
         field_id BIGINT NOT NULL,
         kind TEXT NOT NULL,
         confidence_percent BIGINT NOT NULL,
         reason TEXT NOT NULL,
         sample_size BIGINT NOT NULL,
         inside_texts BIGINT NOT NULL,
         found_at_ms BIGINT NOT NULL,
         PRIMARY KEY (table_uuid, field_id, kind)))",
    // One for each snapshot that was asked for, the latest of them; `variant` says what else the
    // body depends on.
    R"(CREATE TABLE dataset_profiles (
         table_uuid TEXT NOT NULL,
         snapshot_id BIGINT NOT NULL,
         variant TEXT NOT NULL,
         made_at_ms BIGINT NOT NULL,
         body TEXT NOT NULL,
         PRIMARY KEY (table_uuid, snapshot_id)))",
};

constexpr std::array<std::string_view, 1> kVersion6 = {
    // What was decided about the columns of files, by where they are from ('' for every source):
    // the
    // header, as a table's name, means the field, is converted to its type, or goes.
    R"(CREATE TABLE schema_rules (
         table_uuid TEXT NOT NULL,
         source TEXT NOT NULL,
         kind TEXT NOT NULL,
         header TEXT NOT NULL,
         field_id BIGINT NOT NULL,
         value TEXT,
         principal TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL,
         PRIMARY KEY (table_uuid, source, kind, header)))",
};

constexpr std::array<std::string_view, 2> kVersion7 = {
    // Statements that were run, the latest of them; ids sort by time.
    R"(CREATE TABLE query_log (
         id TEXT NOT NULL PRIMARY KEY,
         principal TEXT NOT NULL,
         failed BIGINT NOT NULL,
         body TEXT NOT NULL))",
    "CREATE INDEX query_log_by_principal ON query_log (principal, id)",
};

constexpr std::array<std::string_view, 1> kVersion8 = {
    // Macros of SQL, by their names in lower case; the body is JSON.
    R"(CREATE TABLE sql_macros (
         name_space TEXT NOT NULL,
         name TEXT NOT NULL,
         body TEXT NOT NULL,
         principal TEXT NOT NULL,
         changed_at_ms BIGINT NOT NULL,
         PRIMARY KEY (name_space, name)))",
};

constexpr std::array<std::string_view, 1> kVersion9 = {
    // Tables that are to be kept in the engine's memory, sorted by the key's columns, if there are
    // any: a JSON array of field ids.
    R"(CREATE TABLE query_pins (
         table_uuid TEXT NOT NULL PRIMARY KEY,
         key_fields TEXT NOT NULL,
         principal TEXT NOT NULL,
         pinned_at_ms BIGINT NOT NULL))",
};

constexpr std::array<std::string_view, 6> kVersion10 = {
    // Long work. `state` is 0 queued, 1 running, 2 done, 3 failed, 4 cancelled. Who runs it shows
    // by
    // `beat` that it lives; `failures` counts attempts since the last checkpoint.
    R"(CREATE TABLE jobs (
         id TEXT NOT NULL PRIMARY KEY,
         kind TEXT NOT NULL,
         principal TEXT NOT NULL,
         subject TEXT NOT NULL,
         state BIGINT NOT NULL,
         done BIGINT NOT NULL,
         total BIGINT NOT NULL,
         message TEXT NOT NULL,
         rate_milli BIGINT NOT NULL,
         created_at_ms BIGINT NOT NULL,
         started_at_ms BIGINT NOT NULL,
         ended_at_ms BIGINT NOT NULL,
         not_before_ms BIGINT NOT NULL,
         attempts BIGINT NOT NULL,
         failures BIGINT NOT NULL,
         cancel_requested BIGINT NOT NULL,
         error TEXT NOT NULL,
         owner TEXT NOT NULL,
         beat BIGINT NOT NULL,
         revision BIGINT NOT NULL))",
    "CREATE INDEX jobs_by_state ON jobs (state, id)",
    "CREATE INDEX jobs_by_principal ON jobs (principal, id)",
    "CREATE INDEX jobs_by_subject ON jobs (kind, subject, state)",
    "CREATE INDEX jobs_by_end ON jobs (ended_at_ms)",
    // What is large and changes seldom: a job's 'spec', its latest 'checkpoint', its 'result'.
    R"(CREATE TABLE job_texts (
         job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
         name TEXT NOT NULL,
         body TEXT NOT NULL,
         PRIMARY KEY (job_id, name)))",
};

constexpr std::array<std::string_view, 2> kVersion12 = {
    // Vector indexes: `body` is what is known of one, as JSON; `version` grows with each change.
    R"(CREATE TABLE vector_indexes (
         id TEXT NOT NULL PRIMARY KEY,
         name TEXT NOT NULL UNIQUE,
         dataset_uuid TEXT NOT NULL,
         version BIGINT NOT NULL,
         body TEXT NOT NULL))",
    "CREATE INDEX vector_indexes_by_dataset ON vector_indexes (dataset_uuid)",
};

constexpr std::array<std::string_view, 2> kVersion14 = {
    // What indexes were searched for: eval sets are made of it.
    R"(CREATE TABLE vector_searches (
         index_name TEXT NOT NULL,
         principal TEXT NOT NULL,
         text_hash TEXT NOT NULL,
         body TEXT NOT NULL,
         times BIGINT NOT NULL,
         last_at_ms BIGINT NOT NULL,
         PRIMARY KEY (index_name, principal, text_hash)))",
    "CREATE INDEX vector_searches_by_time ON vector_searches (index_name, last_at_ms)",
};

constexpr std::array<std::string_view, 1> kVersion15 = {
    // Questions whose SQL a person has found right.
    R"(CREATE TABLE verified_questions (
         question_id TEXT NOT NULL PRIMARY KEY,
         question TEXT NOT NULL,
         sql TEXT NOT NULL,
         principal TEXT NOT NULL,
         verified_at_ms BIGINT NOT NULL))",
};

constexpr std::array<std::string_view, 2> kVersion13 = {
    // What answers were made from (answer/rag_service.h): `body` is the receipt, as JSON.
    R"(CREATE TABLE answer_receipts (
         id TEXT NOT NULL PRIMARY KEY,
         principal TEXT NOT NULL,
         created_at_ms BIGINT NOT NULL,
         body TEXT NOT NULL))",
    "CREATE INDEX answer_receipts_by_time ON answer_receipts (created_at_ms)",
};

constexpr std::array<std::string_view, 2> kVersion18 = {
    // Several of one snapshot, for callers who see different parts of it. They are made anew.
    "DROP TABLE dataset_profiles",
    R"(CREATE TABLE dataset_profiles (
         table_uuid TEXT NOT NULL,
         snapshot_id BIGINT NOT NULL,
         variant TEXT NOT NULL,
         made_at_ms BIGINT NOT NULL,
         body TEXT NOT NULL,
         PRIMARY KEY (table_uuid, snapshot_id, variant)))",
};

constexpr std::array<Migration, 15> kMigrations = {
    Migration{.version = 1, .statements = kVersion1},
    Migration{.version = 2, .statements = kVersion2},
    Migration{.version = 3, .statements = kVersion3},
    Migration{.version = 4, .statements = kVersion4},
    Migration{.version = 5, .statements = kVersion5},
    Migration{.version = 6, .statements = kVersion6},
    Migration{.version = 7, .statements = kVersion7},
    Migration{.version = 8, .statements = kVersion8},
    Migration{.version = 9, .statements = kVersion9},
    Migration{.version = 10, .statements = kVersion10},
    Migration{.version = 12, .statements = kVersion12},
    Migration{.version = 13, .statements = kVersion13},
    Migration{.version = 14, .statements = kVersion14},
    Migration{.version = 15, .statements = kVersion15},
    Migration{.version = 18, .statements = kVersion18},
};

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

}  // namespace lakehouse::metastore
