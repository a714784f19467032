#include "gateway/gateway.h"

#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "gateway/http/ask_handlers.h"
#include "gateway/http/authentication.h"
#include "gateway/http/cache_handlers.h"
#include "gateway/http/compact_handlers.h"
#include "gateway/http/dataset_handlers.h"
#include "gateway/http/embed_handlers.h"
#include "gateway/http/iceberg_handlers.h"
#include "gateway/http/iceberg_planning.h"
#include "gateway/http/iceberg_warehouses.h"
#include "gateway/http/ingest_handlers.h"
#include "gateway/http/jobs_handlers.h"
#include "gateway/http/maintenance_handlers.h"
#include "gateway/http/metrics_handlers.h"
#include "gateway/http/model_handlers.h"
#include "gateway/http/oauth_handlers.h"
#include "gateway/http/profile_handlers.h"
#include "gateway/http/query_handlers.h"
#include "gateway/http/query_log_handlers.h"
#include "gateway/http/rag_handlers.h"
#include "gateway/http/registry_handlers.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "gateway/http/schema_handlers.h"
#include "gateway/http/server.h"
#include "gateway/http/service_handlers.h"
#include "gateway/http/storage_handlers.h"
#include "gateway/http/vector_handlers.h"
#include "gateway/http/vector_trial_handlers.h"

namespace lakehouse::gateway {
namespace {

constexpr std::int64_t kJobThreads = 2;
/// Waiting for models: some write for minutes, and hold up nothing else.
constexpr std::int64_t kModelThreads = 48;

bool is_loopback(const std::string& host) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return error ? host == "localhost" : address.is_loopback();
}

Result<http::ServerOptions> http_options(const Config& config) {
  const Config::Server& server = config.server;
  LH_ASSIGN_OR_RETURN(const ListenAddress address, parse_listen(server.listen));
  const bool loopback = is_loopback(address.host);
  if (!loopback && !server.insecure && !config.auth.enabled) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("'server.listen' is {}: nobody is asked for a key, so whoever reaches "
                            "that address could do everything",
                            server.listen),
                "Set auth.enabled, listen on 127.0.0.1, or accept that with --insecure.");
  }
  http::ServerOptions options;
  options.host = address.host;
  options.port = address.port;
  options.tls_cert = server.tls_cert;
  options.tls_key = server.tls_key;
  options.guard = {.loopback_only = loopback, .host_names = server.host_names};
  options.threads = static_cast<std::size_t>(server.door_threads);
  options.connections_max = static_cast<std::size_t>(server.connections_max);
  options.header_bytes_max = static_cast<std::size_t>(server.header_bytes_max.bytes);
  options.body_bytes_max = server.body_bytes_max.bytes;
  options.header_timeout = server.header_timeout;
  options.body_timeout = server.body_timeout;
  options.idle_timeout = server.idle_timeout;
  options.request_timeout = server.request_timeout;
  options.logs_messages = config.query.log_statements == "full";
  return options;
}

std::unique_ptr<WorkerPool> make_pool(std::string name, std::int64_t threads,
                                      std::int64_t queue_max, Metrics& metrics) {
  auto pool = std::make_unique<WorkerPool>(name, static_cast<std::size_t>(threads),
                                           static_cast<std::size_t>(queue_max));
  const Labels labels = {{"pool", std::move(name)}};
  metrics.callback("lakehouse_pool_queued", "Work that waits for a thread.", false, labels,
                   [raw = pool.get()] { return static_cast<double>(raw->queued()); });
  metrics.callback("lakehouse_pool_running", "Work that runs.", false, labels,
                   [raw = pool.get()] { return static_cast<double>(raw->running()); });
  return pool;
}

void add_lane_metrics(Metrics& metrics, engine::EngineLanes& engine) {
  using M = const engine::LaneMetrics&;
  const auto add = [&](std::string_view name, std::string_view help, bool counter, auto read) {
    const std::vector<engine::LaneMetrics> lanes = engine.metrics();
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      metrics.callback(
          name, help, counter, {{"lane", std::string(engine::to_string(lanes[i].lane))}},
          [&engine, read, i] { return static_cast<double>(read(engine.metrics().at(i))); });
    }
  };
  add("lakehouse_engine_ready", "1 while the lane's engine process answers.", false,
      [](M now) { return now.engine.ready ? 1 : 0; });
  add("lakehouse_engine_starts_total", "Starts of the lane's engine processes.", true,
      [](M now) { return now.engine.starts; });
  add("lakehouse_engine_crashes_total", "Ends of an engine process that nobody asked for.", true,
      [](M now) { return now.engine.crashes; });
  add("lakehouse_engine_statements_total", "Statements sent to the engine.", true,
      [](M now) { return now.engine.statements; });
  add("lakehouse_engine_statements_running", "Statements that are in the engine.", false,
      [](M now) { return now.engine.running; });
  add("lakehouse_engine_resident_bytes", "Memory that the lane's engine process has.", false,
      [](M now) { return now.resident_bytes; });
  add("lakehouse_lane_places_taken", "Places of the lane that statements have.", false,
      [](M now) { return now.running; });
  add("lakehouse_lane_waiting", "Statements that wait for a place in the lane.", false,
      [](M now) { return now.waiting; });
  add("lakehouse_lane_refused_total", "Statements refused because too many waited.", true,
      [](M now) { return now.refused; });
  add("lakehouse_lane_waited_seconds_total", "Time that statements have waited for a place.", true,
      [](M now) { return now.waited_seconds; });
  add("lakehouse_lane_outgrown_total", "Statements that began again with more time or memory.",
      true, [](M now) { return now.outgrown; });
  add("lakehouse_lane_retried_total", "Statements that began again because the engine had ended.",
      true, [](M now) { return now.retried; });
  add("lakehouse_lane_memory_kills_total", "Statements and engines ended for want of memory.", true,
      [](M now) { return now.memory_kills; });
}

Status metastore_answers(metastore::Metastore& metastore, const RequestContext& context) {
  return metastore.read(context, [](metastore::Transaction& transaction) -> Status {
    LH_ASSIGN_OR_RETURN(const auto rows, transaction.query("SELECT 1"));
    static_cast<void>(rows);
    return {};
  });
}

}  // namespace

/// Pools are joined before the event loop goes: their threads still wake it. The loop is stopped
/// before that, and takes what its coroutines held (streams of engines) with it when it goes.
class Gateway::Impl {
 public:
  Impl(const Config& config, Services services, Log& log, Metrics& metrics,
       const std::string& version)
      : log_(log),
        metrics_(metrics),
        storage_pool_(
            make_pool("storage", config.server.storage_threads, config.server.queue_max, metrics)),
        engine_pool_(make_pool("engine", config.server.engine_wait_threads, config.server.queue_max,
                               metrics)),
        jobs_pool_(make_pool("jobs", kJobThreads, config.server.queue_max, metrics)),
        models_pool_(make_pool("models", kModelThreads, config.server.queue_max, metrics)),
        pools_{.storage = *storage_pool_, .engine = *engine_pool_, .jobs = *jobs_pool_},
        service_(metrics, pools_, ready_checks(services), version,
                 [&engine = services.engine] { return engine.metrics().front().engine.sandbox; }),
        storage_(services.buckets, services.catalog, pools_),
        oauth_(services.authenticator, pools_),
        iceberg_(services.catalog, pools_, services.policies),
        planning_(services.catalog, services.buckets, services.manifests, pools_,
                  services.policies),
        reported_(services.catalog, pools_),
        query_(services.query, pools_),
        cache_(services.hot, services.query, services.catalog, pools_),
        query_log_(services.query_log, services.query, pools_),
        compact_(query::Compactor(services.catalog, services.engine, services.source,
                                  services.writer, services.buckets),
                 services.catalog, services.jobs, pools_),
        ingest_(services.ingest, services.catalog, pools_),
        datasets_(services.datasets, services.catalog, pools_),
        schemas_(services.schemas, services.catalog, pools_),
        maintenance_(services.catalog, services.metastore,
                     query::SizeResync(services.catalog, services.engine, services.buckets,
                                       services.manifests),
                     pools_),
        registry_(services.registry, services.catalog, services.view_lineage, pools_),
        profiles_(services.profiler, services.pii, services.catalog, pools_),
        jobs_(services.jobs,
              {.everybody_sees_all = services.authenticator == nullptr,
               .see_all = config.auth.admins},
              pools_),
        models_(services.models, *models_pool_),
        embed_(services.models, *models_pool_),
        vectors_(services.vectors, services.catalog, pools_),
        trials_(services.trials, services.catalog,
                {.everybody_sees_all = services.authenticator == nullptr,
                 .see_all = config.auth.admins},
                pools_),
        rag_(services.rag, services.catalog, pools_),
        ask_(services.ask, services.verified_questions, pools_, *models_pool_) {
    add_lane_metrics(metrics, services.engine);
    metrics.callback("lakehouse_query_log_lost_total", "Statements that the query log lost.", true,
                     {}, [&log = services.query_log] { return static_cast<double>(log.lost()); });
    metrics.callback(
        "lakehouse_trials_pinned_bytes", "Embeddings that trials share.", false, {},
        [&trials = services.trials] { return static_cast<double>(trials.cache_stats().bytes); });
    metrics.callback(
        "lakehouse_vector_index_bytes", "Indexes that are in memory, mapped files included.", false,
        {}, [&all = services.vectors] { return static_cast<double>(all.cache_stats().bytes); });
    service_.add_routes(router_);
    storage_.add_routes(router_);
    oauth_.add_routes(router_);  // Before the rest of /iceberg/: its errors are its own.
    iceberg_.add_routes(router_);
    planning_.add_routes(router_);
    reported_.add_routes(router_);
    query_.add_routes(router_);
    cache_.add_routes(router_);
    query_log_.add_routes(router_);
    compact_.add_routes(router_);
    ingest_.add_routes(router_);
    datasets_.add_routes(router_);
    schemas_.add_routes(router_);
    maintenance_.add_routes(router_);
    registry_.add_routes(router_);
    profiles_.add_routes(router_);
    jobs_.add_routes(router_);
    models_.add_routes(router_);
    embed_.add_routes(router_);
    vectors_.add_routes(router_);
    vectors_.on_search([&trials = services.trials](const RequestContext& context,
                                                   const vector::SearchRequest& search) {
      trials.note_search(search.index, search.text, context.principal);
    });
    trials_.add_routes(router_);
    rag_.add_routes(router_);
    ask_.add_routes(router_);
    http::add_prefixed_routes(router_, services.buckets);
    service_.finish(router_);
    if (services.authenticator != nullptr) {
      authenticate_ =
          http::authenticate_with(*services.authenticator, *storage_pool_, log, metrics);
    }
  }

  ~Impl() {
    stop(std::chrono::milliseconds(0));
    storage_pool_.reset();
    engine_pool_.reset();
    jobs_pool_.reset();
    models_pool_.reset();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status listen(http::ServerOptions options) {
    options.authenticate = authenticate_;
    LH_ASSIGN_OR_RETURN(http_,
                        http::HttpServer::start(std::move(options), router_, log_, metrics_));
    return {};
  }

  void stop(std::chrono::milliseconds grace) {
    jobs_.end_streams();
    if (http_ != nullptr) {
      http_->stop(grace);
    }
  }

  [[nodiscard]] std::uint16_t port() const { return http_->port(); }

 private:
  static std::vector<http::ReadyCheck> ready_checks(const Services& services) {
    return {{.name = "engine",
             .check = [&engine = services.engine](
                          const RequestContext& context) { return engine.wait_ready(context); }},
            {.name = "metastore",
             .check = [&metastore = services.metastore](const RequestContext& context) {
               return metastore_answers(metastore, context);
             }}};
  }

  Log& log_;
  Metrics& metrics_;
  std::unique_ptr<WorkerPool> storage_pool_;
  std::unique_ptr<WorkerPool> engine_pool_;
  std::unique_ptr<WorkerPool> jobs_pool_;
  std::unique_ptr<WorkerPool> models_pool_;
  http::Pools pools_;
  http::ServiceHandlers service_;
  http::StorageHandlers storage_;
  http::OAuthHandlers oauth_;
  http::IcebergHandlers iceberg_;
  http::PlanningHandlers planning_;
  http::MetricsHandlers reported_;
  http::QueryHandlers query_;
  http::CacheHandlers cache_;
  http::QueryLogHandlers query_log_;
  http::CompactHandlers compact_;
  http::IngestHandlers ingest_;
  http::DatasetHandlers datasets_;
  http::SchemaHandlers schemas_;
  http::MaintenanceHandlers maintenance_;
  http::RegistryHandlers registry_;
  http::ProfileHandlers profiles_;
  http::JobsHandlers jobs_;
  http::ModelHandlers models_;
  http::EmbedHandlers embed_;
  http::VectorHandlers vectors_;
  http::VectorTrialHandlers trials_;
  http::RagHandlers rag_;
  http::AskHandlers ask_;
  http::Router router_;
  http::Authenticate authenticate_;
  std::unique_ptr<http::HttpServer> http_;
};

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::start(const Config& config, Services services, Log& log,
                                                Metrics& metrics, std::string version) {
  LH_ASSIGN_OR_RETURN(http::ServerOptions options, http_options(config));
  auto impl = std::make_unique<Impl>(config, services, log, metrics, version);
  LH_RETURN_IF_ERROR(impl->listen(std::move(options)));
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

std::uint16_t Gateway::port() const {
  return impl_->port();
}

void Gateway::stop(std::chrono::milliseconds grace) {
  impl_->stop(grace);
}

}  // namespace lakehouse::gateway
