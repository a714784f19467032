#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "ai/model_service.h"
#include "answer/ask_service.h"
#include "answer/rag_service.h"
#include "answer/verified_questions.h"
#include "base/config.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "catalog/catalog.h"
#include "catalog/registry.h"
#include "engine/engine_lanes.h"
#include "governance/authenticator.h"
#include "governance/table_policy.h"
#include "iceberg/manifest.h"
#include "ingest/dataset_service.h"
#include "ingest/ingest_service.h"
#include "ingest/schema_service.h"
#include "jobs/job_service.h"
#include "metastore/metastore.h"
#include "query/dataset_profile.h"
#include "query/hot_tables.h"
#include "query/pii_scanner.h"
#include "query/query_log.h"
#include "query/query_service.h"
#include "query/view_lineage.h"
#include "storage/buckets.h"
#include "vector/trial_service.h"
#include "vector/vector_service.h"

namespace lakehouse::gateway {

/// What the doors open to. All of it is thread-safe and outlives the gateway.
struct Services {
  storage::Buckets& buckets;
  metastore::Metastore& metastore;
  jobs::JobService& jobs;
  ai::ModelService& models;
  governance::Authenticator* authenticator;  ///< Null: nobody is asked who they are.
  iceberg::ManifestCache& manifests;
  catalog::Catalog& catalog;
  governance::TablePolicies* policies;  ///< The planner's; null: everybody sees everything.
  catalog::Registry& registry;
  engine::EngineLanes& engine;
  query::QueryService& query;
  query::TableSource& source;
  query::TableWriter& writer;
  query::QueryLog& query_log;
  query::HotTables& hot;
  query::ViewLineage& view_lineage;
  ingest::IngestService& ingest;
  ingest::DatasetService& datasets;
  ingest::SchemaService& schemas;
  query::PiiScanner& pii;
  query::DatasetProfiler& profiler;
  vector::VectorService& vectors;
  vector::TrialService& trials;
  answer::RagService& rag;
  answer::AskService& ask;
  answer::VerifiedQuestions& verified_questions;
};

/// The doors: HTTP so far. Owns the event loop and the pools that blocking work runs on.
///
/// Thread-safe.
class Gateway {
 public:
  /// Listens and serves from now on. Unavailable if the address is taken; FailedPrecondition if it
  /// is no loopback address and neither `auth.enabled` nor `server.insecure` is set.
  static Result<std::unique_ptr<Gateway>> start(const Config& config, Services services, Log& log,
                                                Metrics& metrics, std::string version);
  /// As `stop` without grace; then waits for the work that still runs on the pools.
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  [[nodiscard]] std::uint16_t port() const;

  /// Accepts no more, lets running requests end for at most `grace`, then cancels them.
  void stop(std::chrono::milliseconds grace);

 private:
  class Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lakehouse::gateway
