#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "gateway/http/iceberg_handlers.h"

namespace lakehouse::gateway::http {
namespace {

// Where the specification's status is another than that of the rest of the API.
int status_of(const Error& error) {
  const int status = http_status_of(error);
  switch (status) {
    case 501: return 406;  // "Unsupported operation".
    case 499: return 503;  // Who gave up reads no answer; logs and tests do.
    default: return status;
  }
}

std::string_view type_of(const Error& error, int status) {
  if (status == 422) {
    return "UnprocessableEntityException";
  }
  switch (error.code) {
    case ErrorCode::InvalidArgument:
      // By this name the reference client finds the fault to be its caller's.
      return error.message.contains("Invalid view version") ? "IllegalArgumentException"
                                                            : "BadRequestException";
    case ErrorCode::OutOfRange: return "BadRequestException";
    case ErrorCode::NotFound:
      if (catalog::is_no_namespace(error)) {
        return "NoSuchNamespaceException";
      }
      if (error.message.contains("Warehouse does not exist")) {
        return "NoSuchWarehouseException";
      }
      if (error.message.starts_with("Plan id does not exist")) {
        return "NoSuchPlanIdException";
      }
      if (error.message.starts_with("Plan task does not exist")) {
        return "NoSuchPlanTaskException";
      }
      if (error.message.contains("View does not exist")) {
        return "NoSuchViewException";
      }
      return error.message.contains("Table does not exist") ? "NoSuchTableException"
                                                            : "NotFoundException";
    case ErrorCode::AlreadyExists: return "AlreadyExistsException";
    case ErrorCode::FailedPrecondition:
      return error.message.contains("Namespace is not empty") ? "NamespaceNotEmptyException"
                                                              : "ValidationException";
    case ErrorCode::Aborted: return "CommitFailedException";
    case ErrorCode::Unauthenticated: return "NotAuthorizedException";
    case ErrorCode::PermissionDenied: return "ForbiddenException";
    case ErrorCode::ResourceExhausted: return "TooManyRequestsException";
    case ErrorCode::Unavailable: return "ServiceUnavailableException";
    case ErrorCode::DeadlineExceeded: return "RequestTimeoutException";
    case ErrorCode::Cancelled: return "ServiceUnavailableException";
    case ErrorCode::CommitStateUnknown: return "CommitStateUnknownException";
    case ErrorCode::DataLoss: return status == 404 ? "NotFoundException" : "InternalServerError";
    case ErrorCode::Unimplemented: return "UnsupportedOperationException";
    case ErrorCode::Internal: return "InternalServerError";
  }
  return "InternalServerError";
}

}  // namespace

Response iceberg_error_response(const Error& error) {
  const int status = status_of(error);
  const std::string message =
      error.hint.empty() ? error.message : fmt::format("{}. {}", error.message, error.hint);
  const boost::json::value body = {
      {"error",
       {{"message", as_utf8(message)}, {"type", type_of(error, status)}, {"code", status}}}};
  Response response = json_response(status, body);
  if (status == 429 || status == 503) {
    response.headers.add("Retry-After", "1");
  }
  return response;
}

}  // namespace lakehouse::gateway::http
