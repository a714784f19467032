#include "base/config.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/matchers.h"

namespace lakehouse {
namespace {

using std::chrono::milliseconds;
using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

Result<LoadedConfig> load(std::string_view toml, ConfigSources rest = {}) {
  return load_config_text(toml, "lakehouse.toml", rest);
}

TEST(Config, WithoutAnySourceAllIsDefault) {
  const auto loaded = load("");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.server, Config::Server());
  ASSERT_EQ(loaded->config.storage.buckets.size(), 1U);
  EXPECT_EQ(loaded->config.storage.buckets[0].name, "primary");
}

TEST(Config, ReadsEveryTypeFromToml) {
  const auto loaded = load(R"(
[server]
listen = "[::1]:0"
insecure = true
host_names = ["lake", "lake.local"]
header_bytes_max = "16KiB"
idle_timeout = "5m"
body_timeout = 7
door_threads = 3
[engine]
memory_limit = "2GB"
[[storage.buckets]]
name = "a"
location = "/x"
[[storage.buckets]]
name = "b"
type = "local"
location = "y"
)");
  ASSERT_THAT(loaded, IsOk());
  const Config& config = loaded->config;
  EXPECT_EQ(config.server.listen, "[::1]:0");
  EXPECT_TRUE(config.server.insecure);
  EXPECT_THAT(config.server.host_names, ::testing::ElementsAre("lake", "lake.local"));
  EXPECT_EQ(config.server.header_bytes_max.bytes, 16384U);
  EXPECT_EQ(config.server.idle_timeout, milliseconds(300'000));
  EXPECT_EQ(config.server.body_timeout, milliseconds(7000));
  EXPECT_EQ(config.server.door_threads, 3);
  EXPECT_EQ(config.engine.memory_limit.bytes, 2'000'000'000U);
  EXPECT_EQ(config.storage.buckets[1].location, "y");
}

TEST(Config, TheCommandLineWinsOverTheEnvironmentWhichWinsOverTheFile) {
  ConfigSources rest;
  rest.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "LAKEHOUSE_SERVER_LISTEN") {
      return "127.0.0.1:2";
    }
    if (name == "LAKEHOUSE_SERVER_DATA") {
      return "/from/environment";
    }
    return std::nullopt;
  };
  rest.command_line = {{"server.listen", "127.0.0.1:3"}};
  const auto loaded =
      load("[server]\nlisten = '127.0.0.1:1'\ndata = '/from/file'\nlog_level = 'warn'", rest);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->config.server.listen, "127.0.0.1:3");
  EXPECT_EQ(loaded->config.server.data, "/from/environment");
  EXPECT_EQ(loaded->config.server.log_level, "warn");
  const std::string text = show(*loaded);
  EXPECT_THAT(text, HasSubstr("listen = \"127.0.0.1:3\"  # command line"));
  EXPECT_THAT(text, HasSubstr("data = \"/from/environment\"  # environment"));
  EXPECT_THAT(text, HasSubstr("log_level = \"warn\"  # file"));
  EXPECT_THAT(text, HasSubstr("log_format = \"text\"  # default"));
}

TEST(Config, WhatIsShownCanBeReadAgain) {
  const auto loaded = load("[server]\nhost_names = ['a\"b', 'c\\d']\ndata = \"tab\\there\"");
  ASSERT_THAT(loaded, IsOk());
  const auto again = load(show(*loaded));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->config, loaded->config);
}

struct Mistake {
  std::string toml;
  std::string message;
  std::string hint;
};

TEST(Config, MistakesAreNamedWithTheirLineAndTheNearestSetting) {
  const std::vector<Mistake> mistakes = {
      {"[server]\nlistn = 'x'", "lakehouse.toml, line 2: there is no setting 'server.listn'",
       "'server.listen'"},
      {"[sever]\nlisten = 'x'", "line 1: there is no setting 'sever'", ""},
      {"lissten = 'x'", "line 1: there is no setting 'lissten'", ""},
      {"[server]\nlisten = 5", "line 2: 'server.listen' must be a text", ""},
      {"[server]\ninsecure = 'yes'", "must be true or false", ""},
      {"[server]\ndoor_threads = 0", "'server.door_threads' must be between 1 and 256", ""},
      {"[server]\ndoor_threads = 1.5", "must be a whole number", ""},
      {"[server]\nidle_timeout = 'soon'", "must be a duration", ""},
      {"[server]\nheader_timeout = '1ms'", "must be at least 10ms", ""},
      {"[server]\nheader_bytes_max = '1PB'", "must be a size", ""},
      {"[server]\nlog_format = 'xml'", "must be one of text, json", ""},
      {"[server]\nhost_names = 'a'", "must be a list of texts", ""},
      {"[server]\nhost_names = ['a', 1]", "must be a list of texts", ""},
      {"[server]\nlisten = '127.0.0.1'", "no HOST:PORT", ""},
      {"[server]\nlisten = '127.0.0.1:99999'", "no HOST:PORT", ""},
      {"[server]\ntls_cert = 'a'", "must be given together", ""},
      {"[server]\ndata = ''", "must name a folder", ""},
      {"server = 1", "line 1", ""},
      {"[server\n", "line 1", ""},
      {"[metastore]\nurl = 'mysql://u:geheim@x'", "\"mysql://u:***@x\"", "postgresql://"},
      {"[[storage.buckets]]\nname = 'a'\ntype = 's3'", "\"s3\" are not supported yet", "local"},
      {"[[storage.buckets]]\nname = 'a'\ntype = 'ftp'", "must be \"local\"", ""},
      {"[[storage.buckets]]\nname = 'a'", "needs a 'location'", ""},
      {"[[storage.buckets]]\nname = 'A b'\nlocation = 'x'", "1 to 63 of a-z", ""},
      {"[[storage.buckets]]\nname = 'a'\nlocation = 'x'\n[[storage.buckets]]\nname = 'a'\n"
       "location = 'y'",
       "line 4: there are two buckets named 'a'", ""},
      {"[[storage.buckets]]\nnam = 'a'", "'storage.buckets.nam'", "'storage.buckets.name'"},
      {"[storage]\nbuckets = []", "[[storage.buckets]]", ""},
  };
  for (const Mistake& mistake : mistakes) {
    SCOPED_TRACE(mistake.toml);
    const auto loaded = load(mistake.toml);
    ASSERT_THAT(loaded, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(loaded.error().message, HasSubstr(mistake.message));
    EXPECT_THAT(loaded.error().hint, HasSubstr(mistake.hint));
  }
}

TEST(Config, MistakesInTheEnvironmentAndOnTheCommandLineAreNamed) {
  ConfigSources rest;
  rest.environment = [](const std::string& name) -> std::optional<std::string> {
    return name == "LAKEHOUSE_QUERY_TIMEOUT" ? std::optional<std::string>("never") : std::nullopt;
  };
  auto loaded = load("", rest);
  ASSERT_THAT(loaded, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(loaded.error().message, HasSubstr("LAKEHOUSE_QUERY_TIMEOUT"));

  rest = {};
  rest.environment_names = {"LAKEHOUSE_SERVER_LISTN", "LAKEHOUSE_BINARY_OF_TESTS"};
  loaded = load("", rest);
  ASSERT_THAT(loaded, FailsWith(ErrorCode::InvalidArgument));
  EXPECT_THAT(loaded.error().hint, HasSubstr("LAKEHOUSE_SERVER_LISTEN"));

  rest = {};
  rest.command_line = {{"server.listen", "x"}};
  loaded = load("", rest);
  EXPECT_THAT(loaded, FailsWith(ErrorCode::InvalidArgument));
}

TEST(Config, AFileThatMustExistIsMissed) {
  EXPECT_THAT(load_config({.file = "/nowhere/lakehouse.toml",
                           .file_must_exist = true,
                           .environment = {},
                           .environment_names = {},
                           .command_line = {}}),
              FailsWith(ErrorCode::NotFound));
}

TEST(Config, DurationsAndSizesRoundTrip) {
  for (const auto* text : {"0s", "1ms", "1500ms", "2s", "3m", "4h", "90s"}) {
    const auto duration = parse_duration(text);
    ASSERT_THAT(duration, IsOk()) << text;
    EXPECT_EQ(parse_duration(format_duration(*duration)).value(), *duration);
  }
  for (const auto* text : {"0", "1", "1500", "64KiB", "16MB", "3GiB", "1TB"}) {
    const auto size = parse_bytes(text);
    ASSERT_THAT(size, IsOk()) << text;
    EXPECT_EQ(parse_bytes(format_bytes(*size)).value(), *size);
  }
  EXPECT_EQ(parse_duration("90s")->count(), 90'000);
  EXPECT_EQ(parse_bytes("64 kib")->bytes, 65'536U);
  for (const auto* text : {"", "x", "-1s", "1y", "99999999999999999999s", "9223372036854775807h"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
}

TEST(Config, TheReferencePageIsUpToDate) {
  const std::string path = LAKEHOUSE_DOCS "/configuration.md";
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
    std::ofstream(path, std::ios::binary) << configuration_markdown();
  }
  std::ifstream file(path, std::ios::binary);
  const std::string page(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(page, configuration_markdown()) << "run: lakehouse config docs > docs/configuration.md";
}

TEST(Config, ReadsProvidersAndModels) {
  const auto loaded = load(R"(
[ai]
generate = "writer"
[[ai.providers]]
name = "local-ollama"
type = "ollama"
url = "http://127.0.0.1:11434"
keep_alive = "0"
timeout = "5s"
[[ai.models]]
name = "writer"
kind = "generation"
provider = "local-ollama"
model = "qwen2.5-coder:7b"
fallback = ["writer2"]
[[ai.models]]
name = "writer2"
kind = "generation"
path = "models/x.gguf"
context_tokens = 4096
)");
  ASSERT_THAT(loaded, IsOk());
  const Config::Ai& ai = loaded->config.ai;
  ASSERT_EQ(ai.providers.size(), 1U);
  EXPECT_EQ(ai.providers[0].keep_alive, "0");
  EXPECT_EQ(ai.providers[0].timeout, milliseconds(5000));
  ASSERT_EQ(ai.models.size(), 2U);
  EXPECT_EQ(ai.models[0].model, "qwen2.5-coder:7b");
  EXPECT_THAT(ai.models[0].fallback, ::testing::ElementsAre("writer2"));
  EXPECT_EQ(ai.models[1].provider, "embedded");
  EXPECT_EQ(ai.models[1].context_tokens, 4096);
  // What `config show` prints is a configuration again.
  const auto again = load(show(*loaded));
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->config.ai, ai);
}

TEST(Config, RefusesProvidersAndModelsThatCannotBe) {
  constexpr std::string_view kProvider =
      "[[ai.providers]]\nname=\"p\"\ntype=\"openai\"\nurl=\"https://h/v1\"\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[[ai.providers]]\nname=\"embedded\"", "is no name"},
      {"[[ai.providers]]\nname=\"p\"\ntype=\"x\"", "'type' must be"},
      {"[[ai.providers]]\nname=\"p\"\ntype=\"ollama\"\nurl=\"ftp://x\"", "needs a 'url'"},
      {std::string(kProvider) + "key=\"sk-1\"", "must be a reference"},
      {std::string(kProvider) + "colour=\"red\"", "no setting 'ai.providers.colour'"},
      {std::string(kProvider) + "retries=-1", "whole number"},
      {std::string(kProvider) + std::string(kProvider), "two [[ai.providers]] named 'p'"},
      {"[ai]\nmodels=\"x\"", "must be written as [[ai.models]]"},
      {"[[ai.models]]\nname=\"A\"", "is no name"},
      {"[[ai.models]]\nname=\"a\"", "'kind' must be"},
      {"[[ai.models]]\nname=\"a\"\nkind=\"generation\"", "needs a 'path'"},
      {"[[ai.models]]\nname=\"a\"\nkind=\"generation\"\nprovider=\"q\"", "no provider 'q'"},
      {std::string(kProvider) +
           "[[ai.models]]\nname=\"a\"\nkind=\"generation\"\nprovider=\"p\"\nfallback=[\"a\"]",
       "'fallback' must name"},
  };
  for (const auto& [toml, message] : cases) {
    SCOPED_TRACE(toml);
    const auto loaded = load(toml);
    ASSERT_THAT(loaded, FailsWith(ErrorCode::InvalidArgument));
    EXPECT_THAT(loaded.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace lakehouse
