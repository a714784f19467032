#include "gateway/http/jobs_handlers.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "gateway/http/paging.h"
#include "gateway/http/registry_json.h"

namespace lakehouse::gateway::http {
namespace {

namespace json = boost::json;
using jobs::Job;

/// Proxies cut what is silent for a minute; a client that is gone is noticed by a write.
constexpr std::chrono::seconds kSilenceMax{15};

constexpr std::string_view kJobSchema = R"({
  "type":"object","required":["id","kind","subject","principal","state","done","total","rate",
    "eta_s","message","created","started","ended","next_attempt","attempts","cancel_requested",
    "error"],"properties":{
  "id":{"type":"string"},"kind":{"type":"string"},
  "subject":{"type":"string","description":"What it is about, such as an index; may be empty."},
  "principal":{"type":"string","description":"For whom it runs, with their rights."},
  "state":{"type":"string","enum":["queued","running","done","failed","cancelled"]},
  "done":{"type":"integer"},
  "total":{"type":["integer","null"],"description":"Null while it is not known."},
  "rate":{"type":"number","description":"Of done, a second, lately; of all of it once it is over."},
  "eta_s":{"type":["number","null"],"description":"Seconds to its end, as it goes now."},
  "message":{"type":"string","description":"What it does now."},
  "created":{"type":"string","format":"date-time"},
  "started":{"type":["string","null"],"format":"date-time"},
  "ended":{"type":["string","null"],"format":"date-time"},
  "next_attempt":{"type":["string","null"],"format":"date-time"},
  "attempts":{"type":"integer","description":"How often a server took it up."},
  "cancel_requested":{"type":"boolean"},
  "error":{"type":["object","null"],"required":["code","message"],
    "description":"Why it failed, or why its last attempt did while it waits for another.",
    "properties":{"code":{"type":"string"},"message":{"type":"string"},"hint":{"type":"string"}}},
  "spec":{"description":"What it was asked to do; not in lists."},
  "result":{"description":"Of a job that is done; not in lists."}}})";

ContentSpec content(std::string schema) {
  return {.media_type = "application/json", .schema = std::move(schema)};
}

json::value time_unless_0(std::int64_t at_ms) {
  return at_ms == 0 ? json::value() : json::value(time_text(at_ms));
}

/// What the callback, on a thread of the service's, and the stream, on its strand, share.
struct Mailbox {
  std::mutex mutex;
  std::optional<Job> job;  ///< The latest that was not sent.
};

class EventBody final : public BodySource {
 public:
  EventBody(jobs::JobService& jobs, std::string id, RequestContext context, std::stop_token stop,
            WorkerPool& pool)
      : jobs_(jobs),
        id_(std::move(id)),
        context_(std::move(context)),
        stop_(std::move(stop)),
        pool_(pool) {}
  ~EventBody() override { subscription_.reset(); }
  EventBody(const EventBody&) = delete;
  EventBody& operator=(const EventBody&) = delete;

  net::awaitable<Result<std::optional<std::string>>> next() override {
    if (is_over_) {
      co_return std::nullopt;
    }
    if (subscription_ == nullptr) {
      Status subscribed = co_await subscribe();
      if (!subscribed) {
        co_return std::unexpected(std::move(subscribed).error());
      }
    }
    for (bool waited = false;; waited = true) {
      LH_CO_RETURN_IF_ERROR(context_.check());
      if (stop_.stop_requested()) {
        is_over_ = true;
        co_return ": the server stops\n\n";
      }
      std::optional<Job> job;
      {
        const std::lock_guard lock(mailbox_->mutex);
        job = std::exchange(mailbox_->job, std::nullopt);
      }
      if (job) {
        is_over_ = jobs::is_over(job->state);
        co_return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", job->revision,
                              is_over_ ? "over" : "job", json::serialize(job_to_json(*job)));
      }
      if (waited && !woken_) {
        co_return ": still there\n\n";
      }
      co_await wait();
    }
  }

 private:
  net::awaitable<Status> subscribe() {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    timer_ = std::make_shared<net::steady_timer>(executor);
    mailbox_ = std::make_shared<Mailbox>();
    auto tell = [executor, timer = timer_, mailbox = mailbox_](const Job& job) {
      {
        const std::lock_guard lock(mailbox->mutex);
        mailbox->job = job;
      }
      net::post(executor, [timer] { timer->cancel(); });
    };
    auto work = [&jobs = jobs_, id = id_, context = context_, tell = std::move(tell)]() mutable {
      return jobs.subscribe(context, id, std::move(tell));
    };
    auto subscribed = co_await run_on(pool_, std::move(work));
    if (!subscribed) {
      co_return std::unexpected(std::move(subscribed).error());
    }
    subscription_ = *std::move(subscribed);
    co_return Status();
  }

  /// Until there is news, or for as long as nothing may be said. All that ends it is posted to the
  /// session's strand.
  net::awaitable<void> wait() {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    timer_->expires_at(std::min(std::chrono::steady_clock::now() + kSilenceMax, context_.deadline));
    {
      // What came before the timer was set has not woken it.
      const std::lock_guard lock(mailbox_->mutex);
      if (mailbox_->job) {
        woken_ = true;
        co_return;
      }
    }
    const auto wake = [executor, timer = timer_] {
      net::post(executor, [timer] { timer->cancel(); });
    };
    const std::stop_callback on_stop(context_.stop, wake);
    const std::stop_callback on_end(stop_, wake);
    constexpr auto kToken = net::as_tuple(net::use_awaitable);
    const auto [cancelled] = co_await timer_->async_wait(kToken);
    woken_ = static_cast<bool>(cancelled);
  }

  jobs::JobService& jobs_;
  const std::string id_;
  const RequestContext context_;
  const std::stop_token stop_;
  WorkerPool& pool_;
  std::shared_ptr<net::steady_timer> timer_;  ///< Shared with what wakes it.
  std::shared_ptr<Mailbox> mailbox_;          ///< Shared with the subscription's callback.
  std::unique_ptr<jobs::Subscription> subscription_;
  bool woken_ = false;
  bool is_over_ = false;
};

}  // namespace

Response job_accepted(const jobs::Started& started) {
  Response response = json_response(202, json::object{{"job_id", started.job.id}});
  response.headers.add("Location", "/jobs/" + started.job.id);
  return response;
}

ResponseSpec job_accepted_spec() {
  return {.status = 202,
          .description = "A job does it: GET /jobs/{job_id} tells how far it is.",
          .content = {content(R"({"type":"object","required":["job_id"],"properties":{)"
                              R"("job_id":{"type":"string"}}})")},
          .headers = {{.in = ParameterSpec::In::Header,
                       .name = "Location",
                       .description = "The job's address."}}};
}

json::object job_to_json(const Job& job) {
  json::object shown{{"id", job.id},
                     {"kind", job.kind},
                     {"subject", job.subject},
                     {"principal", job.principal},
                     {"state", jobs::to_string(job.state)},
                     {"done", job.done},
                     {"total", job.total == 0 ? json::value() : json::value(job.total)},
                     {"rate", job.rate},
                     {"eta_s", job.eta_s ? json::value(*job.eta_s) : json::value()},
                     {"message", job.message},
                     {"created", time_text(job.created_at_ms)},
                     {"started", time_unless_0(job.started_at_ms)},
                     {"ended", time_unless_0(job.ended_at_ms)},
                     {"next_attempt", time_unless_0(job.not_before_ms)},
                     {"attempts", job.attempts},
                     {"cancel_requested", job.cancel_requested},
                     {"error", nullptr}};
  if (job.error) {
    json::object error{{"code", to_string(job.error->code)}, {"message", job.error->message}};
    if (!job.error->hint.empty()) {
      error["hint"] = job.error->hint;
    }
    shown["error"] = std::move(error);
  }
  if (!job.spec.is_null()) {
    shown["spec"] = job.spec;
  }
  if (!job.result.is_null()) {
    shown["result"] = job.result;
  }
  return shown;
}

bool JobsAccess::sees_all(std::string_view principal) const {
  return everybody_sees_all || std::ranges::find(see_all, principal) != see_all.end();
}

void JobsHandlers::add_routes(Router& router) {
  router.add(
      {.method = Method::Get,
       .path = "/jobs",
       .operation_id = "listJobs",
       .summary = "Long work, the latest first",
       .tag = "Jobs",
       .description = "A caller's own; those of 'auth.admins' see everybody's.",
       .parameters = with_page_parameters(
           {{.name = "state",
             .description = "Only such.",
             .schema =
                 R"({"type":"string","enum":["queued","running","done","failed","cancelled"]})"},
            {.name = "kind", .description = "Only of that kind, such as vector.index."},
            {.name = "subject", .description = "Only about that."},
            {.name = "principal", .description = "Only of that caller."}}),
       .responses = {{.status = 200,
                      .description = "One page.",
                      .content = {content(
                          fmt::format(R"({{"type":"object","required":["jobs"],"properties":{{)"
                                      R"("jobs":{{"type":"array","items":{}}},)"
                                      R"("next_page_token":{{"type":"string"}}}}}})",
                                      kJobSchema))}}},
       .handler = [this](Request request) { return list(std::move(request)); }});
  router.add({.method = Method::Get,
              .path = "/jobs/{id}",
              .operation_id = "getJob",
              .summary = "One job",
              .tag = "Jobs",
              .responses = {{.status = 200,
                             .description = "It.",
                             .content = {content(std::string(kJobSchema))}}},
              .errors = {404},
              .handler = [this](Request request) { return show(std::move(request)); }});
  router.add({.method = Method::Delete,
              .path = "/jobs/{id}",
              .operation_id = "cancelJob",
              .summary = "Cancel a job",
              .tag = "Jobs",
              .description = "One that is over stays as it is.",
              .responses = {{.status = 200,
                             .description = "It is over.",
                             .content = {content(std::string(kJobSchema))}},
                            {.status = 202,
                             .description = "It has been told, and ends soon.",
                             .content = {content(std::string(kJobSchema))}}},
              .errors = {404},
              .handler = [this](Request request) { return cancel(std::move(request)); }});
  router.add(
      {.method = Method::Get,
       .path = "/jobs/{id}/events",
       .operation_id = "watchJob",
       .summary = "How a job goes on, as server-sent events",
       .tag = "Jobs",
       .description =
           "An event 'job' now and with each change, at most ten a second; 'over' is the last. "
           "The data of each is the job as GET /jobs/{id} shows it.",
       .responses = {{.status = 200,
                      .description = "Events until the job is over.",
                      .content = {{.media_type = "text/event-stream",
                                   .schema = R"({"description":"Events of text."})"}}}},
       .errors = {404},
       .handler = [this](Request request) { return events(std::move(request)); }});
}

Result<Job> JobsHandlers::find(const RequestContext& context, std::string_view id) {
  auto job = jobs_.get(context, id);
  if (job && job->principal != context.principal && !access_.sees_all(context.principal)) {
    return fail(ErrorCode::NotFound, "there is no such job (any more)");
  }
  return job;
}

net::awaitable<Result<Response>> JobsHandlers::list(Request request) {
  LH_ASSIGN_OR_CO_RETURN(const catalog::PageRequest page, page_of(request));
  jobs::JobFilter filter{.principal = request.query_param("principal").value_or(""),
                         .kind = request.query_param("kind").value_or(""),
                         .subject = request.query_param("subject").value_or("")};
  if (const auto name = request.query_param("state")) {
    const auto state = jobs::job_state_from(*name);
    if (!state) {
      co_return fail(ErrorCode::InvalidArgument, "there is no such state of a job",
                     "There are queued, running, done, failed and cancelled.");
    }
    filter.states.push_back(*state);
  }
  const std::string& caller = request.context.principal;
  if (!access_.sees_all(caller)) {
    if (!filter.principal.empty() && filter.principal != caller) {
      co_return json_response(200, json::object{{"jobs", json::array()}});
    }
    filter.principal = caller;
  }
  auto work = [this, context = request.context, filter = std::move(filter), page] {
    return jobs_.list(context, filter, static_cast<std::int64_t>(page.limit), page.page_token);
  };
  LH_ASSIGN_OR_CO_RETURN(const jobs::JobPage found,
                         co_await run_on(pools_.storage, std::move(work)));
  json::array shown;
  for (const Job& job : found.items) {
    shown.push_back(job_to_json(job));
  }
  json::object body{{"jobs", std::move(shown)}};
  if (found.next_page_token) {
    body["next_page_token"] = *found.next_page_token;
  }
  co_return json_response(200, body);
}

net::awaitable<Result<Response>> JobsHandlers::show(Request request) {
  auto work = [this, context = request.context, id = request.path_param("id")] {
    return find(context, id);
  };
  LH_ASSIGN_OR_CO_RETURN(const Job job, co_await run_on(pools_.storage, std::move(work)));
  co_return json_response(200, job_to_json(job));
}

net::awaitable<Result<Response>> JobsHandlers::cancel(Request request) {
  auto work = [this, context = request.context, id = request.path_param("id")]() -> Result<Job> {
    LH_RETURN_IF_ERROR(find(context, id));
    return jobs_.cancel(context, id);
  };
  LH_ASSIGN_OR_CO_RETURN(const Job job, co_await run_on(pools_.storage, std::move(work)));
  co_return json_response(jobs::is_over(job.state) ? 200 : 202, job_to_json(job));
}

net::awaitable<Result<Response>> JobsHandlers::events(Request request) {
  auto work = [this, context = request.context, id = request.path_param("id")] {
    return find(context, id);
  };
  LH_ASSIGN_OR_CO_RETURN(const Job job, co_await run_on(pools_.storage, std::move(work)));
  Response response;
  response.headers.add("Content-Type", "text/event-stream");
  response.headers.add("Cache-Control", "no-store");
  response.body = std::make_unique<EventBody>(jobs_, job.id, request.context, stop_.get_token(),
                                              pools_.storage);
  co_return response;
}

}  // namespace lakehouse::gateway::http
