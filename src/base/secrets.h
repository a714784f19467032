#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace lakehouse {

/// What the file of `[secrets]` holds: a TOML file of texts by name, and of tables of such.
/// Settings refer to them as "secret://NAME", so that a configuration can be shown to anybody. A
/// value; no message ever has a secret in it.
class Secrets {
 public:
  /// InvalidArgument, with the line, if it is no such file.
  static Result<Secrets> parse(std::string_view toml, const std::string& name);
  /// InvalidArgument if it cannot be read.
  static Result<Secrets> load(const std::string& path);

  /// The text that a reference names. InvalidArgument if it is no reference, NotFound if there is
  /// no such text.
  [[nodiscard]] Result<std::string> text(std::string_view reference) const;
  /// The table that a reference names: each member's text, or its list of texts.
  using Table = std::map<std::string, std::vector<std::string>>;
  [[nodiscard]] Result<Table> table(std::string_view reference) const;

 private:
  std::string name_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, Table> tables_;
};

}  // namespace lakehouse
