#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <libpq-fe.h>

#include "base/id.h"
#include "metastore/metastore.h"

namespace lakehouse::metastore::testing {

/// Set: the tests of what uses a metastore run on PostgreSQL, too.
inline constexpr const char* kMetastoreVariable = "LAKEHOUSE_TEST_METASTORE";

/// A PostgreSQL server for this process's tests: the one whose URL stands in the file that
/// LAKEHOUSE_TEST_POSTGRES or LAKEHOUSE_TEST_METASTORE names (ctest starts it once for all tests),
/// else one of its own, which ends with the process. Throws if none can be started.
class PostgresServer {
 public:
  static const PostgresServer& instance() {
    static const PostgresServer server;
    return server;
  }

  /// False where PostgreSQL is not installed: such tests say that they did not run.
  static bool is_installed() { return std::filesystem::exists("/usr/lib/postgresql"); }

  [[nodiscard]] const std::string& url() const { return url_; }
  /// The folder of the server's socket.
  [[nodiscard]] std::string socket_folder() const {
    const std::size_t begin = url_.find("host=") + 5;
    return url_.substr(begin, url_.find('&', begin) - begin);
  }

  /// Runs SQL as another program would.
  void run(const std::string& sql) const {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url_.c_str()),
                                                                  &PQfinish);
    PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
    const std::unique_ptr<PGresult, decltype(&PQclear)> done(PQexec(connection.get(), sql.c_str()),
                                                             &PQclear);
    const ExecStatusType status = PQresultStatus(done.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      throw std::runtime_error(PQerrorMessage(connection.get()));
    }
  }

  ~PostgresServer() {
    if (!own_folder_.empty()) {
      std::system((script() + " stop " + own_folder_).c_str());  // NOLINT
    }
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

 private:
  static std::string script() {
    return std::string(LAKEHOUSE_SOURCE_DIR) + "/tests/servers/postgres";
  }

  PostgresServer() {
    for (const char* const variable : {"LAKEHOUSE_TEST_POSTGRES", kMetastoreVariable}) {
      const char* const file = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
      if (file != nullptr && url_.empty()) {
        std::ifstream text(file);
        std::getline(text, url_);
      }
    }
    if (url_.empty()) {
      // A socket's path is short: not below the folder of the build.
      own_folder_ = "/tmp/lakehouse-postgres-" + new_token(8);
      const std::unique_ptr<FILE, int (*)(FILE*)> output(
          popen((script() + " start " + own_folder_).c_str(), "r"), &pclose);  // NOLINT
      std::array<char, 512> line{};
      if (output == nullptr ||
          std::fgets(line.data(), static_cast<int>(line.size()), output.get()) == nullptr) {
        throw std::runtime_error("PostgreSQL cannot be started");
      }
      url_ = line.data();
      url_.pop_back();
    }
  }

  std::string url_;
  std::string own_folder_;
};

/// An empty schema of its own in the tests' server.
class PostgresSchema {
 public:
  PostgresSchema() { PostgresServer::instance().run("CREATE SCHEMA " + name_); }
  ~PostgresSchema() { PostgresServer::instance().run("DROP SCHEMA " + name_ + " CASCADE"); }
  PostgresSchema(const PostgresSchema&) = delete;
  PostgresSchema& operator=(const PostgresSchema&) = delete;

  [[nodiscard]] std::string url() const {
    return PostgresServer::instance().url() + "&options=-csearch_path%3D" + name_;
  }
  void run(const std::string& sql) const {
    PostgresServer::instance().run("SET search_path TO " + name_ + "; " + sql);
  }

 private:
  const std::string name_ = "t_" + new_token(8);
};

/// Where a test's metastore is: the SQLite file, or a schema of its own if
/// LAKEHOUSE_TEST_METASTORE is set.
class TestMetastore {
 public:
  explicit TestMetastore(std::string path) : path_(std::move(path)) {
    if (std::getenv(kMetastoreVariable) != nullptr) {  // NOLINT(concurrency-mt-unsafe)
      schema_.emplace();
    }
  }
  [[nodiscard]] Result<std::unique_ptr<Metastore>> open() const {
    return metastore::open(schema_ ? schema_->url() : path_);
  }
  /// Forgets all that it holds. No store may be open.
  void clear() {
    if (schema_) {
      schema_.emplace();
    }
    for (const std::string_view suffix : {"", "-wal", "-shm"}) {
      std::filesystem::remove(path_ + std::string(suffix));
    }
  }

 private:
  const std::string path_;
  std::optional<PostgresSchema> schema_;
};

}  // namespace lakehouse::metastore::testing
