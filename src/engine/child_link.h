#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/engine_grant.h"

/// \file
/// What a child of this server does to be one, whatever runs in it: how it is loaded, its first
/// words, how it takes connections. The server's side is child_connections.h.

namespace lakehouse::engine {

/// A child's first words on its control connection; an error instead says why it does not start.
struct Greeting {
  int protocol = 0;
  std::string version;  ///< Of what runs in it.
  std::vector<SandboxLayer> sandbox;
};
std::string encode_greeting(const Greeting& greeting);
Result<Greeting> decode_greeting(std::string_view text);

std::string encode_error(const Error& error);
/// The error that a frame told; Internal if it told none.
Error decode_error(std::string_view text);

/// Takes a connection that the server sends; empty at the control connection's end.
UniqueFd receive_connection(int control);

/// To be called first of all: the child dies with the server, however that ends. False if
/// the server (process `parent`, if not 0) has gone already. `name` is what ps shows.
bool follow_parent(int parent, const char* name);

/// The file of a child's library: `variable` of the environment if that is set, else `name` beside
/// this program, in ../lib or in ../lib/lakehouse. NotFound, naming the places, if none is.
Result<std::filesystem::path> find_child_library(std::string_view name, const char* variable);

/// Loads the library and calls its `int entry(int argc, char** argv)`; the process's exit code.
int run_child_library(const std::filesystem::path& library, const char* entry,
                      std::span<const std::string> arguments);

}  // namespace lakehouse::engine
