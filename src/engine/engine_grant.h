#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lakehouse::engine {

/// What an engine child may touch, for as long as it lives. The kernel and DuckDB refuse it
/// everything else: other files, the network, other programs. A statement can no more widen it than
/// the child's own code can.
struct EngineGrant {
  /// Absolute folders, with all below them, and single files. They must be there at the start.
  std::vector<std::filesystem::path> readable = {};
  /// Absolute folders in which files are also made, changed and removed. The spill directory is one
  /// without being named.
  std::vector<std::filesystem::path> writable = {};
  /// DuckDB's extension files, loaded at the start; later ones are refused.
  std::vector<std::filesystem::path> extensions = {};
  /// A TCP port of this machine that the child may connect to; none: no network at all.
  std::optional<std::uint16_t> loopback_port = std::nullopt;
  /// What an extension with an event loop and a store of files of its own asks of the system: pairs
  /// of Unix sockets, which lead from the child to itself and nowhere else, and hard links, which
  /// Landlock holds to one writable folder.
  bool runtime_calls = false;

  friend bool operator==(const EngineGrant&, const EngineGrant&) = default;
};

/// What a child does about a layer of the sandbox that this kernel, or whatever this program runs
/// in, does not have.
enum class SandboxMode : std::uint8_t {
  BestEffort,  ///< Does without it, and says so.
  Strict,      ///< Does not start.
  Off,         ///< No kernel layers at all: for tests that look at one layer alone.
};

/// What kind of limits the kernel holds a child to; DuckDB's own are beside in EngineOptions.
struct EngineLimits {
  /// Bytes of memory the child may ask for, all in all; beyond it single statements run out of
  /// memory. 0: from the memory limit, with room for what DuckDB does not count.
  std::uint64_t data_bytes_max = 0;
  int nice = 0;  ///< 0 to 19: how far it steps back when others want the processors.

  friend bool operator==(const EngineLimits&, const EngineLimits&) = default;
};

/// One layer of a running child's sandbox.
struct SandboxLayer {
  std::string name;  ///< "files", "network", "system_calls", "privileges", "limits", "namespace"...
  bool in_force = false;
  std::string detail;  ///< "Landlock, version 7"; or why it is missing.

  friend bool operator==(const SandboxLayer&, const SandboxLayer&) = default;
};

}  // namespace lakehouse::engine
