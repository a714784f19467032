#include "engine/child_link.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <boost/json/serialize.hpp>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"

namespace lakehouse::engine {

namespace json = boost::json;

std::string encode_greeting(const Greeting& greeting) {
  json::array layers;
  for (const SandboxLayer& layer : greeting.sandbox) {
    layers.push_back(
        json::object{{"name", layer.name}, {"in_force", layer.in_force}, {"detail", layer.detail}});
  }
  return json::serialize(json::object{{"protocol", greeting.protocol},
                                      {"version", greeting.version},
                                      {"sandbox", std::move(layers)}});
}

Result<Greeting> decode_greeting(std::string_view text) {
  LH_ASSIGN_OR_RETURN(const json::value value, parse_json(text, "a frame"));
  LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "the greeting"));
  Greeting greeting;
  LH_ASSIGN_OR_RETURN(const auto protocol, fields.require_int64("protocol"));
  greeting.protocol = static_cast<int>(protocol);
  LH_ASSIGN_OR_RETURN(greeting.version, fields.require_string("version"));
  LH_ASSIGN_OR_RETURN(const auto* layers, fields.require_array("sandbox"));
  for (const json::value& entry : *layers) {
    LH_ASSIGN_OR_RETURN(auto members, JsonFields::of(entry, "a layer"));
    SandboxLayer layer;
    LH_ASSIGN_OR_RETURN(layer.name, members.require_string("name"));
    LH_ASSIGN_OR_RETURN(layer.in_force, members.require_bool("in_force"));
    LH_ASSIGN_OR_RETURN(layer.detail, members.require_string("detail"));
    greeting.sandbox.push_back(std::move(layer));
  }
  return greeting;
}

std::string encode_error(const Error& error) {
  json::object object{{"code", static_cast<std::uint64_t>(error.code)},
                      {"message", error.message},
                      {"hint", error.hint},
                      {"details", error.details_json}};
  if (error.position_bytes) {
    object["position"] = *error.position_bytes;
  }
  return json::serialize(object);
}

Error decode_error(std::string_view text) {
  const auto decode = [&]() -> Result<Error> {
    LH_ASSIGN_OR_RETURN(const json::value value, parse_json(text, "a frame"));
    LH_ASSIGN_OR_RETURN(auto fields, JsonFields::of(value, "the error"));
    Error error;
    LH_ASSIGN_OR_RETURN(const auto code, fields.require_int64("code"));
    error.code = static_cast<ErrorCode>(code);
    LH_ASSIGN_OR_RETURN(error.message, fields.require_string("message"));
    LH_ASSIGN_OR_RETURN(error.hint, fields.require_string("hint"));
    LH_ASSIGN_OR_RETURN(error.details_json, fields.require_string("details"));
    LH_ASSIGN_OR_RETURN(const auto position, fields.optional_int64("position"));
    if (position) {
      error.position_bytes = static_cast<std::size_t>(*position);
    }
    return error;
  };
  auto error = decode();
  return error ? *std::move(error) : std::move(error).error();
}

UniqueFd receive_connection(int control) {
  while (true) {
    char byte = 0;
    iovec data{.iov_base = &byte, .iov_len = 1};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    const ssize_t got = ::recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    const cmsghdr* header = got <= 0 ? nullptr : CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
      return {};
    }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return UniqueFd(fd);
  }
}

bool follow_parent(int parent, const char* name) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, name);
  return parent == 0 || ::getppid() == parent;
}

Result<std::filesystem::path> find_child_library(std::string_view name, const char* variable) {
  if (const char* set = std::getenv(variable); set != nullptr && *set != '\0') {
    return std::filesystem::path(set);
  }
  std::error_code error;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<std::string> tried;
  for (const std::string_view place : {"", "../lib", "../lib/lakehouse"}) {
    const auto path = (folder / place / name).lexically_normal();
    if (std::filesystem::exists(path, error)) {
      return path;
    }
    tried.push_back(path.string());
  }
  return fail(ErrorCode::NotFound, fmt::format("the library {} is missing; looked for {}", name,
                                               fmt::join(tried, ", ")));
}

int run_child_library(const std::filesystem::path& library, const char* entry,
                      std::span<const std::string> arguments) {
  constexpr int kNoInput = 66;
  void* loaded = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) {
    fmt::print(stderr, "{}\n", ::dlerror());
    return kNoInput;
  }
  using Main = int (*)(int, char**);
  const auto main = reinterpret_cast<Main>(::dlsym(loaded, entry));
  if (main == nullptr) {
    fmt::print(stderr, "{}\n", ::dlerror());
    return kNoInput;
  }
  std::vector<std::string> copies(arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : copies) {
    argv.push_back(argument.data());
  }
  return main(static_cast<int>(argv.size()), argv.data());
}

}  // namespace lakehouse::engine
