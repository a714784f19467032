#include "gateway/http/vector_trial_handlers.h"

#include <charconv>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.h"
#include "gateway/http/paging.h"
#include "gateway/http/receipts.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using vector::EvalSet;
using vector::Trial;
using vector::TrialService;

constexpr std::int64_t kQueriesDefault = 200;

constexpr std::string_view kSummary = R"({
  "type":"object","required":["name","index","description","made_by","principal","created",
    "query_count","with_truth"],"properties":{
  "name":{"type":"string"},"index":{"type":"string"},"description":{"type":"string"},
  "made_by":{"type":"string","enum":["hand","autogen","log"]},
  "principal":{"type":"string","description":"Who made it; its queries are shown to them."},
  "created":{"type":"string","format":"date-time"},
  "query_count":{"type":"integer"},
  "with_truth":{"type":"integer","description":"Queries that say what should be found."},
  "queries":{"type":"array","items":{"type":"object"}}}})";
constexpr std::string_view kTruth = R"({"oneOf":[{"type":"string"},{"type":"integer"},
  {"type":"object","additionalProperties":false,"required":["key"],"properties":{
    "key":{"type":["string","integer"]},
    "chunk":{"type":["integer","null"],"minimum":0,"maximum":1000000}}}]})";
constexpr std::string_view kTrial = R"({
  "type":"object","required":["id","job_id","principal","at","index","generation",
    "embeddings_snapshot_id","eval_set","k","graph","queries","rows","dimensions","recall",
    "recall_min","relevance","latency_us","latency_p95_us","searches_per_s","build_s",
    "memory_bytes"],"properties":{
  "id":{"type":"string"},"job_id":{"type":"string"},"principal":{"type":"string"},
  "at":{"type":"string","format":"date-time"},"index":{"type":"string"},
  "generation":{"type":"integer"},"embeddings_snapshot_id":{"type":"integer"},
  "eval_set":{"type":"string"},"k":{"type":"integer"},
  "graph":{"type":"object","required":["m","ef_construction","ef_search","quantization","seed"],
    "properties":{"m":{"type":"integer"},"ef_construction":{"type":"integer"},
    "ef_search":{"type":"integer"},"quantization":{"type":"string"},"seed":{"type":"integer"}}},
  "queries":{"type":"integer"},"rows":{"type":"integer"},"dimensions":{"type":"integer"},
  "recall":{"type":"number","description":"Of what an exact search finds, the share found."},
  "recall_min":{"type":"number","description":"The worst query's."},
  "relevance":{"type":["number","null"],"description":"The share of the queries' truths found."},
  "latency_us":{"type":"number","description":"The median of one search, on one thread."},
  "latency_p95_us":{"type":"number"},"searches_per_s":{"type":"number"},
  "build_s":{"type":"number"},"memory_bytes":{"type":"integer"}}})";

ContentSpec content(std::string schema) {
  return {.media_type = "application/json", .schema = std::move(schema)};
}

std::string list_schema(std::string_view member, std::string_view items) {
  return fmt::format(R"({{"type":"object","required":["{0}"],"properties":{{"{0}":)"
                     R"({{"type":"array","items":{1}}},"next_page_token":{{"type":"string"}}}}}})",
                     member, items);
}

ResponseSpec made_spec() {
  return {.status = 201,
          .description = "The set, without its queries.",
          .content = {content(std::string(kSummary))}};
}

ParameterSpec key_parameter() {
  return {.in = ParameterSpec::In::Header,
          .name = "Idempotency-Key",
          .description = "A repetition with the same key is answered as the first time."};
}

std::vector<ParameterSpec> best_parameters() {
  return {{.name = "metric",
           .description = "recall (the default): the most, of equals the fastest. latency: the "
                          "fastest with min_recall. pareto: all that no other beats in both.",
           .schema = R"({"type":"string","enum":["recall","latency","pareto"]})"},
          {.name = "min_recall",
           .description = "Of latency; 0.95 if it is left out.",
           .schema = R"({"type":"number","minimum":0,"maximum":1})"},
          {.name = "eval_set", .description = "The latest trial's if it is left out."}};
}

// Times as all routes spell them.
json::object with_time(json::object object, const char* from, const char* to) {
  const std::int64_t at_ms = object.at(from).to_number<std::int64_t>();
  object.erase(from);
  object[to] = time_text(at_ms);
  return object;
}

json::object shown(const Trial& trial) {
  return with_time(to_json(trial), "at_ms", "at");
}

json::object shown(const EvalSet& set, bool whole) {
  return with_time(whole ? to_json(set) : summary_json(set), "created_at_ms", "created");
}

Result<double> recall_of(const std::optional<double>& recall) {
  if (recall && (*recall < 0 || *recall > 1)) {
    return fail(ErrorCode::InvalidArgument, "min_recall must be 0 to 1");
  }
  return recall.value_or(0.95);
}

Result<TrialService::BestOf> best_of(const Request& request) {
  TrialService::BestOf of;
  LH_ASSIGN_OR_RETURN(of.by,
                      vector::best_by_from(request.query_param("metric").value_or("recall")));
  of.eval_set = request.query_param("eval_set").value_or("");
  if (const auto text = request.query_param("min_recall")) {
    double recall = -1;
    const auto parsed = std::from_chars(text->data(), text->data() + text->size(), recall);
    if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size()) {
      recall = -1;
    }
    LH_ASSIGN_OR_RETURN(of.recall_min, recall_of(recall));
  }
  return of;
}

Result<std::size_t> count_of(JsonFields& fields) {
  LH_ASSIGN_OR_RETURN(const auto count, fields.optional_int64("queries"));
  const std::int64_t wanted = count.value_or(kQueriesDefault);
  if (wanted < 1 || std::cmp_greater(wanted, TrialService::kAutogenMax)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("queries must be 1 to {}", TrialService::kAutogenMax));
  }
  return static_cast<std::size_t>(wanted);
}

/// `work` once for each Idempotency-Key; `what` is all that makes the request the same one.
template <class Work>
net::awaitable<Result<Response>> once(catalog::Catalog& catalog, WorkerPool& pool,
                                      const Request& request, std::string key, std::string what,
                                      Work work) {
  auto guarded = [&catalog, context = request.context, key = std::move(key), what = std::move(what),
                  work = std::move(work)]() -> Result<Response> {
    ReceiptKeeper receipts(catalog, context, key, what);
    LH_ASSIGN_OR_RETURN(std::optional<Response> earlier, receipts.earlier());
    if (earlier) {
      return *std::move(earlier);
    }
    LH_ASSIGN_OR_RETURN(Response response, work(context));
    receipts.keep_after(response.status, std::get<std::string>(response.body));
    return response;
  };
  co_return co_await run_on(pool, std::move(guarded));
}

}  // namespace

void VectorTrialHandlers::add_routes(Router& router) {
  add_eval_routes(router);
  add_making_routes(router);
  add_trial_routes(router);
}

void VectorTrialHandlers::add_eval_routes(Router& router) {
  router.add({.method = Method::Get,
              .path = "/vectors/hnsw/evals",
              .operation_id = "listEvalSets",
              .summary = "Questions with known answers, by which indexes are judged",
              .tag = "Vectors",
              .parameters = with_page_parameters({}),
              .responses = {{.status = 200,
                             .description = "One page, in order of names.",
                             .content = {content(list_schema("evals", kSummary))}}},
              .handler = [this](Request request) { return list_evals(std::move(request)); }});
  router.add(
      {.method = Method::Post,
       .path = "/vectors/hnsw/evals",
       .operation_id = "putEvalSet",
       .summary = "Make an eval set, or replace one's own",
       .tag = "Vectors",
       .parameters = {key_parameter()},
       .request = {content(fmt::format(
           R"({{"type":"object","additionalProperties":false,"required":["name","index","queries"],)"
           R"("properties":{{"name":{{"type":"string","pattern":"^[a-z0-9_-]{{1,64}}$"}},)"
           R"("index":{{"type":"string"}},"description":{{"type":["string","null"]}},)"
           R"("queries":{{"type":"array","minItems":1,"maxItems":10000,"items":{{"type":"object",)"
           R"("additionalProperties":false,"description":"Either a text or a vector.",)"
           R"("properties":{{"name":{{"type":["string","null"]}},"text":{{"type":["string","null"]}},)"
           R"("vector":{{"type":["array","null"],"items":{{"type":"number"}}}},)"
           R"("truth":{{"type":["array","null"],"items":{}}}}}}}}}}}}})",
           kTruth))},
       .responses = {made_spec()},
       .errors = {404, 409, 413, 415, 422},
       .handler = [this](Request request) { return put_eval(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/hnsw/evals/{name}",
              .operation_id = "getEvalSet",
              .summary = "One eval set",
              .tag = "Vectors",
              .responses = {{.status = 200,
                             .description = "With its queries for who made it.",
                             .content = {content(std::string(kSummary))}}},
              .errors = {404},
              .handler = [this](Request request) { return show_eval(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/vectors/hnsw/evals/{name}",
              .operation_id = "deleteEvalSet",
              .summary = "Remove an eval set",
              .tag = "Vectors",
              .responses = {{.status = 204, .description = "It is not there."}},
              .handler = [this](Request request) { return drop_eval(std::move(request)); }});
}

void VectorTrialHandlers::add_making_routes(Router& router) {
  router.add(
      {.method = Method::Post,
       .path = "/vectors/hnsw/evals/{name}/autogen",
       .operation_id = "autogenEvalSet",
       .summary = "Make an eval set out of the index's own texts",
       .tag = "Vectors",
       .description = "Each question is some words of a chunk, which is what should be found.",
       .parameters = {key_parameter()},
       .request = {content(
           R"({"type":"object","additionalProperties":false,"required":["index"],"properties":{)"
           R"("index":{"type":"string"},)"
           R"("queries":{"type":["integer","null"],"minimum":1,"maximum":10000},)"
           R"("seed":{"type":["integer","null"],"minimum":0}}})")},
       .responses = {made_spec()},
       .errors = {404, 409, 413, 415, 422},
       .handler = [this](Request request) { return autogen(std::move(request)); }});
  router.add(
      {.method = Method::Post,
       .path = "/vectors/hnsw/evals/{name}/from-log",
       .operation_id = "logEvalSet",
       .summary = "Make an eval set out of what the index was searched for",
       .tag = "Vectors",
       .description = "One's own searches, the most frequent first; everybody's for those of "
                      "'auth.admins'.",
       .parameters = {key_parameter()},
       .request = {content(
           R"({"type":"object","additionalProperties":false,"required":["index"],"properties":{)"
           R"("index":{"type":"string"},)"
           R"("queries":{"type":["integer","null"],"minimum":1,"maximum":10000},)"
           R"("everybody":{"type":["boolean","null"]}}})")},
       .responses = {made_spec()},
       .errors = {404, 409, 413, 415, 422},
       .handler = [this](Request request) { return from_log(std::move(request)); }});
}

void VectorTrialHandlers::add_trial_routes(Router& router) {
  constexpr std::string_view kNumbers =
      R"({"type":["array","null"],"minItems":1,"maxItems":64,"items":{"type":"integer","minimum":0,"maximum":4294967295}})";
  router.add(
      {.method = Method::Post,
       .path = "/vectors/hnsw/trial",
       .operation_id = "startTrial",
       .summary = "Try settings of an index on an eval set",
       .tag = "Vectors",
       .description = "Every combination of the grid: at most 64 graphs and 1,000 trials. All are "
                      "built from the same pinned embeddings; the index is left alone.",
       .parameters = {key_parameter()},
       .request = {content(fmt::format(
           R"({{"type":"object","additionalProperties":false,"required":["index","eval_set"],)"
           R"("properties":{{"index":{{"type":"string"}},"eval_set":{{"type":"string"}},)"
           R"("k":{{"type":["integer","null"],"minimum":1,"maximum":1000}},)"
           R"("threads":{{"type":["integer","null"],"minimum":0,"maximum":64}},)"
           R"("grid":{{"type":["object","null"],"additionalProperties":false,"properties":{{)"
           R"("m":{0},"ef_construction":{0},"ef_search":{0},"seed":{0},)"
           R"("quantization":{{"type":["array","null"],"minItems":1,"items":{{"type":"string"}}}}}}}}}}}})",
           kNumbers))},
       .responses = {job_accepted_spec()},
       .errors = {404, 409, 413, 415, 422},
       .handler = [this](Request request) { return start(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/hnsw/trials/{index}",
              .operation_id = "listTrials",
              .summary = "All trials of an index, the latest first",
              .tag = "Vectors",
              .parameters = with_page_parameters({}),
              .responses = {{.status = 200,
                             .description = "One page.",
                             .content = {content(list_schema("trials", kTrial))}}},
              .errors = {404, 409},
              .handler = [this](Request request) { return list_trials(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/vectors/hnsw/trials/{index}/best",
              .operation_id = "bestTrials",
              .summary = "The best of an index's trials",
              .tag = "Vectors",
              .parameters = best_parameters(),
              .responses = {{.status = 200,
                             .description = "One, or with pareto the front by rising recall; none "
                                            "if no trial has min_recall.",
                             .content = {content(list_schema("trials", kTrial))}}},
              .errors = {404, 409},
              .handler = [this](Request request) { return best(std::move(request)); }});
  router.add({.method = Method::Post,
              .path = "/vectors/hnsw/trials/{index}/promote",
              .operation_id = "promoteTrial",
              .summary = "Give an index the settings of a trial",
              .tag = "Vectors",
              .description = "Of trial_id, or of the best by metric.",
              .parameters = {key_parameter()},
              .request = {content(
                  R"({"type":"object","additionalProperties":false,"properties":{)"
                  R"("trial_id":{"type":["string","null"]},)"
                  R"("metric":{"type":["string","null"],"enum":["recall","latency",null]},)"
                  R"("min_recall":{"type":["number","null"],"minimum":0,"maximum":1},)"
                  R"("eval_set":{"type":["string","null"]}}})")},
              .responses = {job_accepted_spec()},
              .errors = {404, 409, 413, 415, 422},
              .handler = [this](Request request) { return promote(std::move(request)); }});
}

VectorTrialHandlers::Answer VectorTrialHandlers::list_evals(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest page, page_of(request));
  auto work = [this, context = request.context] { return trials_.list_evals(context); };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<EvalSet> sets,
                         co_await run_on(pools_.storage, std::move(work)));
  json::object body;
  json::array all;
  for (const EvalSet& set : sets) {
    if (set.name <= page.page_token) {
      continue;
    }
    if (all.size() == page.limit) {
      body["next_page_token"] = all.back().at("name");
      break;
    }
    all.push_back(shown(set, false));
  }
  body["evals"] = std::move(all);
  co_return json_response(200, body);
}

VectorTrialHandlers::Answer VectorTrialHandlers::put_eval(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  EvalSet set;
  LH_ASSIGN_OR_CO_RETURN(set.name, fields.require_string("name"));
  LH_ASSIGN_OR_CO_RETURN(set.index, fields.require_string("index"));
  LH_ASSIGN_OR_CO_RETURN(const auto description, fields.optional_string("description"));
  set.description = description.value_or("");
  LH_ASSIGN_OR_CO_RETURN(const json::array* queries, fields.require_array("queries"));
  LH_ASSIGN_OR_CO_RETURN(set.queries, vector::eval_queries_from_json(*queries));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  auto work = [this, set = std::move(set)](const RequestContext& context) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const EvalSet made, trials_.put_eval(context, set));
    return json_response(201, shown(made, false));
  };
  co_return co_await once(catalog_, pools_.storage, request, std::move(key),
                          "POST /vectors/hnsw/evals\n" + json::serialize(body), std::move(work));
}

VectorTrialHandlers::Answer VectorTrialHandlers::show_eval(Request request) {
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return trials_.get_eval(context, name);
  };
  LH_ASSIGN_OR_CO_RETURN(const EvalSet set, co_await run_on(pools_.storage, std::move(work)));
  const bool whole =
      set.principal == request.context.principal || access_.sees_all(request.context.principal);
  co_return json_response(200, shown(set, whole));
}

VectorTrialHandlers::Answer VectorTrialHandlers::drop_eval(Request request) {
  auto work = [this, context = request.context, name = request.path_param("name")] {
    return trials_.drop_eval(context, name);
  };
  LH_CO_RETURN_IF_ERROR(co_await run_on(pools_.storage, std::move(work)));
  co_return empty_response();
}

VectorTrialHandlers::Answer VectorTrialHandlers::autogen(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const std::string index, fields.require_string("index"));
  LH_ASSIGN_OR_CO_RETURN(const std::size_t count, count_of(fields));
  LH_ASSIGN_OR_CO_RETURN(const auto seed, fields.optional_int64("seed"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  if (seed && *seed < 0) {
    co_return fail(ErrorCode::InvalidArgument, "seed must be 0 or more");
  }
  const std::string name = request.path_param("name");
  auto work = [this, name, index, count,
               dice = seed.value_or(1)](const RequestContext& context) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const EvalSet made, trials_.autogen(context, name, index, count,
                                                            static_cast<std::uint64_t>(dice)));
    return json_response(201, shown(made, false));
  };
  co_return co_await once(
      catalog_, pools_.jobs, request, std::move(key),
      fmt::format("POST autogen\n{}\n{} {} {}", name, index, count, seed.value_or(1)),
      std::move(work));
}

VectorTrialHandlers::Answer VectorTrialHandlers::from_log(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const std::string index, fields.require_string("index"));
  LH_ASSIGN_OR_CO_RETURN(const std::size_t count, count_of(fields));
  LH_ASSIGN_OR_CO_RETURN(const auto wants_all, fields.optional_bool("everybody"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  const bool everybody = wants_all.value_or(false);
  if (everybody && !access_.sees_all(request.context.principal)) {
    co_return fail(ErrorCode::PermissionDenied, "what others searched for is not yours to see",
                   "Leave 'everybody' out, or have yourself put into auth.admins.");
  }
  const std::string name = request.path_param("name");
  auto work = [this, name, index, count,
               everybody](const RequestContext& context) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const EvalSet made,
                        trials_.from_log(context, name, index, count, everybody));
    return json_response(201, shown(made, false));
  };
  co_return co_await once(catalog_, pools_.storage, request, std::move(key),
                          fmt::format("POST from-log\n{}\n{} {} {}", name, index, count, everybody),
                          std::move(work));
}

VectorTrialHandlers::Answer VectorTrialHandlers::start(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(const vector::TrialSpec spec, vector::trial_spec_from_json(body));
  auto work = [this, spec](const RequestContext& context) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(const jobs::Started started, trials_.start(context, spec));
    return job_accepted(started);
  };
  co_return co_await once(catalog_, pools_.storage, request, std::move(key),
                          "POST /vectors/hnsw/trial\n" + json::serialize(to_json(spec)),
                          std::move(work));
}

VectorTrialHandlers::Answer VectorTrialHandlers::list_trials(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest page, page_of(request));
  auto work = [this, context = request.context, index = request.path_param("index")] {
    return trials_.trials(context, index);
  };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<Trial> trials,
                         co_await run_on(pools_.storage, std::move(work)));
  // The journal only grows, so a page begins where the last one ended, counted from its beginning.
  std::size_t end = trials.size();
  if (!page.page_token.empty()) {
    const std::string& token = page.page_token;
    const auto parsed = std::from_chars(token.data(), token.data() + token.size(), end);
    if (parsed.ec != std::errc() || parsed.ptr != token.data() + token.size() ||
        end > trials.size()) {
      co_return fail(ErrorCode::InvalidArgument, "page_token is not one that this list gave",
                     "Take next_page_token as it was.");
    }
  }
  const std::size_t begin = end > page.limit ? end - page.limit : 0;
  json::array all;
  for (std::size_t i = end; i > begin; --i) {
    all.push_back(shown(trials[i - 1]));
  }
  json::object body{{"trials", std::move(all)}};
  if (begin > 0) {
    body["next_page_token"] = std::to_string(begin);
  }
  co_return json_response(200, body);
}

VectorTrialHandlers::Answer VectorTrialHandlers::best(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const TrialService::BestOf of, best_of(request));
  auto work = [this, of, context = request.context, index = request.path_param("index")] {
    return trials_.best(context, index, of);
  };
  LH_ASSIGN_OR_CO_RETURN(const std::vector<Trial> winners,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array all;
  for (const Trial& trial : winners) {
    all.push_back(shown(trial));
  }
  co_return json_response(200, json::object{{"trials", std::move(all)}});
}

VectorTrialHandlers::Answer VectorTrialHandlers::promote(Request request) {
  LH_ASSIGN_OR_CO_RETURN(std::string key, idempotency_key(request));
  LH_ASSIGN_OR_CO_RETURN(const json::value body, co_await request.read_json());
  LH_ASSIGN_OR_CO_RETURN(JsonFields fields, JsonFields::of(body, "the request body"));
  LH_ASSIGN_OR_CO_RETURN(const auto trial, fields.optional_string("trial_id"));
  LH_ASSIGN_OR_CO_RETURN(const auto metric, fields.optional_string("metric"));
  LH_ASSIGN_OR_CO_RETURN(const auto set, fields.optional_string("eval_set"));
  LH_ASSIGN_OR_CO_RETURN(const auto recall, fields.optional_double("min_recall"));
  LH_CO_RETURN_IF_ERROR(fields.refuse_unknown());
  TrialService::BestOf of{.eval_set = set.value_or("")};
  LH_ASSIGN_OR_CO_RETURN(of.by, vector::best_by_from(metric.value_or("recall")));
  LH_ASSIGN_OR_CO_RETURN(of.recall_min, recall_of(recall));
  if (of.by == vector::BestBy::Pareto) {
    co_return fail(ErrorCode::InvalidArgument, "one trial is promoted, not a front of them",
                   "Say metric recall or latency, or which trial_id.");
  }
  const std::string index = request.path_param("index");
  auto work = [this, index, id = trial.value_or(""),
               of](const RequestContext& context) -> Result<Response> {
    LH_ASSIGN_OR_RETURN(jobs::Job job, trials_.promote(context, index, id, of));
    return job_accepted({.job = std::move(job)});
  };
  co_return co_await once(catalog_, pools_.storage, request, std::move(key),
                          "POST promote\n" + index + "\n" + json::serialize(body), std::move(work));
}

}  // namespace lakehouse::gateway::http
