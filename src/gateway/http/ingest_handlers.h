#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "catalog/catalog.h"
#include "gateway/http/message.h"
#include "gateway/http/router.h"
#include "gateway/http/run_on.h"
#include "ingest/dataset_service.h"
#include "ingest/ingest_service.h"

namespace lakehouse::gateway::http {

/// Files and rows over HTTP: POST /ingest/file and POST /datasets/{name}/rows.
///
/// An upload goes to staging as it arrives: a pool's thread writes each piece, and none waits for
/// the client. Outlived by what it refers to; outlives the router.
class IngestHandlers {
 public:
  IngestHandlers(ingest::IngestService& service, catalog::Catalog& catalog, Pools pools)
      : service_(service), catalog_(catalog), pools_(pools) {}

  void add_routes(Router& router);

 private:
  struct Form;
  using UploadPtr = std::shared_ptr<ingest::Upload>;

  net::awaitable<Result<Response>> ingest_file(Request request);
  net::awaitable<Result<Response>> append_rows(Request request);
  net::awaitable<Result<UploadPtr>> stage(const Request& request, std::string bucket);
  net::awaitable<Status> receive_form(Request& request, UploadPtr upload, Form* form);
  net::awaitable<Status> receive_body(Request& request, UploadPtr upload);
  Result<Response> finish_file(const RequestContext& context, const UploadPtr& upload,
                               const Form& form, const std::string& key);
  Result<Response> finish_rows(const RequestContext& context, const UploadPtr& upload,
                               ingest::IngestOptions options, const std::string& key);

  ingest::IngestService& service_;
  catalog::Catalog& catalog_;
  Pools pools_;
};

}  // namespace lakehouse::gateway::http
