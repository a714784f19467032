#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "answer.h"
#include "engine/testing/engine_fixture.h"
#include "policies.h"

namespace lakehouse::query::fuzz {

/// Plain DuckDB with `tables()` of its own: what a principal may see of them, and nothing else, is
/// in its default schema. Not thread-safe.
class Peer {
 public:
  Peer();

  /// How the tables hold their rows.
  struct Layout {
    std::size_t order = 0;  ///< Shuffles the rows, unless it is 0.
    /// Between many others, which a view leaves out: DuckDB expects more rows, and plans otherwise.
    bool is_diluted = false;
  };

  /// From now on the tables are as `principal` may see them. Throws std::runtime_error if a
  /// policy's SQL does not run.
  void show(const std::string& principal, const PolicySet& policies, Layout layout = {0, false});

  Answer run(const std::string& sql);

  /// The secrets that are in the tables at all, and in what is shown of them.
  [[nodiscard]] const std::set<std::string>& all_secrets() const { return all_secrets_; }
  [[nodiscard]] const std::set<std::string>& shown_secrets() const { return shown_secrets_; }

  engine::Engine& engine() { return engine_.pool(); }

 private:
  void make_tables();
  void make_table(const std::string& name, const std::string& select, Layout layout);
  std::string must(const std::string& sql);

  engine::testing::TestEngine engine_;
  std::string principal_;
  PolicySet policies_;
  std::set<std::string> all_secrets_;
  std::set<std::string> shown_secrets_;
};

}  // namespace lakehouse::query::fuzz
