#include "cli/keys_command.h"

#include <cstdio>

#include <fmt/format.h>

#include "cli/report.h"
#include "governance/api_keys.h"

namespace lakehouse::cli {

int run_keys(const KeysOptions& options) {
  if (const Status checked = governance::check_principal(options.name); !checked) {
    fmt::print(stderr, "{}", describe(checked.error()));
    return kExitUsage;
  }
  const governance::NewKey made = governance::new_api_key();
  fmt::print("{}\n", made.key);  // Alone on standard output, for scripts.
  fmt::print(stderr,
             "This key is shown once. Put its hash into the file of secrets.file:\n\n"
             "[keys]\n\"{}\" = \"{}\"\n\n"
             "and give the key to the caller as LAKEHOUSE_TOKEN.\n",
             options.name, made.hashed);
  return kExitOk;
}

}  // namespace lakehouse::cli
