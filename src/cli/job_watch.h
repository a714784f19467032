#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "cli/http_client.h"

namespace lakehouse::cli {

/// Follows a job until it is over: on a terminal by a bar, redrawn on the standard error; elsewhere
/// without a word. Comes back after a lost connection, as when the server is started again. Returns
/// an exit code: that of success only if the job is done; 130 after Ctrl-C, which leaves the job
/// alone and says so. How it ended is printed, or given to `over`.
int watch_job(HttpClient& client, const std::string& id, boost::json::object* over = nullptr);

/// "vector.index docs  [#####...]  52 %  1,200/s  ETA 3 min 05 s  embedding"
[[nodiscard]] std::string job_line(const boost::json::object& job, std::size_t width);

/// Prints how a job ended; returns the exit code that fits.
int print_ended(const boost::json::object& job);

}  // namespace lakehouse::cli
