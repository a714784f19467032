#include "ai/model_folder.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/gguf_header.h"
#include "ai/known_models.h"
#include "ai/model_pull.h"
#include "ai/tests/stub_provider.h"
#include "ai/wheel.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

namespace fs = std::filesystem;
using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class ModelFolderTest : public ::testing::Test {
 protected:
  ModelFolderTest() { fs::create_directories(root_); }
  ~ModelFolderTest() override { fs::remove_all(root_); }

  ModelFolder::Addition tiny(std::string name) {
    ModelFolder::Addition addition;
    addition.name = std::move(name);
    addition.path = LH_TINY_MODEL;
    return addition;
  }
  std::vector<std::string> left_over() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  const fs::path root_ = fs::temp_directory_path() / ("lh-models-" + new_token(6));
  const ModelFolder folder_{root_ / "models"};
};

TEST_F(ModelFolderTest, AddsListsAndRemoves) {
  EXPECT_THAT(folder_.list(), IsEmpty());
  const auto added = folder_.add(tiny("b"), {});
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(added->files.context_tokens, 2048U);
  EXPECT_EQ(added->files.version, sha256_hex(bytes_of(LH_TINY_MODEL)));
  EXPECT_TRUE(fs::exists(added->files.path));
  ASSERT_THAT(folder_.add(tiny("a"), {}), IsOk());
  EXPECT_EQ(folder_.list().size(), 2U);
  EXPECT_EQ(folder_.list()[0].files.name, "a");
  ASSERT_TRUE(folder_.find("b"));
  EXPECT_EQ(folder_.find("b")->files, added->files);
  EXPECT_THAT(folder_.add(tiny("a"), {}), FailsWith(ErrorCode::AlreadyExists));
  EXPECT_THAT(folder_.remove("a"), IsOk());
  EXPECT_FALSE(folder_.find("a"));
  EXPECT_THAT(folder_.remove("a"), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(left_over(), ElementsAre("b"));
}

TEST_F(ModelFolderTest, KeepsNothingOfWhatIsNotAsItShouldBe) {
  ModelFolder::Addition addition = tiny("a");
  addition.sha256 = std::string(64, '0');
  EXPECT_THAT(folder_.add(addition, {}), FailsWith(ErrorCode::DataLoss));
  EXPECT_THAT(folder_.add(tiny("a"), [](std::uint64_t, std::uint64_t) { return false; }),
              FailsWith(ErrorCode::Cancelled));
  for (const std::string name : {"", "..", "a/b", "A", ".hidden"}) {
    EXPECT_THAT(folder_.add(tiny(name), {}), FailsWith(ErrorCode::InvalidArgument)) << name;
    EXPECT_THAT(folder_.remove(name), FailsWith(ErrorCode::NotFound)) << name;
  }
  addition = tiny("a");
  addition.path = root_ / "text.gguf";
  std::ofstream(addition.path) << "no model";
  EXPECT_THAT(folder_.add(addition, {}), FailsWith(ErrorCode::InvalidArgument));
  addition.path = root_ / "missing";
  EXPECT_THAT(folder_.add(addition, {}), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(left_over(), IsEmpty());
}

TEST_F(ModelFolderTest, AddsFoldersOfOnnxModels) {
  ModelFolder::Addition addition;
  addition.name = "encoder";
  addition.kind = ModelKind::Embedding;
  addition.path = root_ / "source";
  addition.pooling = "cls";
  fs::create_directories(addition.path / "onnx");
  std::ofstream(addition.path / "tokenizer.json") << "{}";
  EXPECT_THAT(folder_.add(addition, {}), FailsWith(ErrorCode::InvalidArgument));
  std::ofstream(addition.path / "onnx" / "model.onnx") << "weights";
  const auto added = folder_.add(addition, {});
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(bytes_of(added->files.path / "model.onnx"), "weights");
  EXPECT_EQ(added->files.pooling, "cls");
  EXPECT_EQ(added->files.version, sha256_hex("weights{}"));
}

TEST_F(ModelFolderTest, LeavesOutWhatIsNoModelOfOurs) {
  fs::create_directories(folder_.path() / "empty");
  fs::create_directories(folder_.path() / "odd");
  std::ofstream(folder_.path() / "odd" / "model.json")
      << R"({"kind":"generation","path":"../../etc/passwd","sha256":"","size_bytes":1})";
  EXPECT_THAT(folder_.list(), IsEmpty());
}

TEST_F(ModelFolderTest, PullsFromAnAddressWhatHasItsSum) {
  const std::string bytes = bytes_of(LH_TINY_MODEL);
  testing::StubProvider stub([&](const testing::StubRequest& request) -> testing::StubAnswer {
    return request.line.find("missing") != std::string::npos ? testing::StubAnswer{.status = 404}
                                                             : testing::StubAnswer{.body = bytes};
  });
  ModelFolder::Addition addition;
  addition.name = "pulled";
  EXPECT_THAT(pull_from(stub.url() + "/m", addition, folder_, {}),
              FailsWith(ErrorCode::InvalidArgument));
  addition.sha256 = std::string(64, 'a');
  EXPECT_THAT(pull_from(stub.url() + "/m", addition, folder_, {}), FailsWith(ErrorCode::DataLoss));
  addition.sha256 = sha256_hex(bytes);
  EXPECT_THAT(pull_from(stub.url() + "/missing", addition, folder_, {}),
              FailsWith(ErrorCode::Unavailable));
  EXPECT_THAT(pull_from(stub.url() + "/m", addition, folder_, {}), IsOk());
  EXPECT_THAT(left_over(), ElementsAre("pulled"));
}

TEST_F(ModelFolderTest, SaysWhyPipFetchedNothing) {
  PullOptions options;
  options.python = "false";
  const auto pulled = pull_model(known_models().front(), folder_, options);
  ASSERT_THAT(pulled, FailsWith(ErrorCode::Unavailable));
  options.python = "no-such-program";
  EXPECT_THAT(pull_model(known_models().front(), folder_, options),
              FailsWith(ErrorCode::FailedPrecondition));
  std::atomic<bool> interrupted = true;
  options.interrupted = &interrupted;
  // A Ctrl-C ends the child, too, and it may be first.
  const fs::path patient = root_ / "patient";
  std::ofstream(patient) << "#!/bin/sh\nexec sleep 100\n";
  fs::permissions(patient, fs::perms::owner_all);
  for (const std::string& python : {patient.string(), std::string("false")}) {
    options.python = python;
    EXPECT_THAT(pull_model(known_models().front(), folder_, options),
                FailsWith(ErrorCode::Cancelled));
  }
}

TEST_F(ModelFolderTest, ReadsMembersOfWheels) {
  // `python3 -m zipfile` makes deflated archives.
  std::ofstream(root_ / "member.bin") << std::string(600'000, 'a') << "end";
  const fs::path wheel = root_ / "w.whl";
  const std::string command =
      fmt::format("cd '{}' && python3 -m zipfile -c w.whl member.bin", root_.string());
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe)
  std::string read;
  const auto take = [&](std::string_view bytes) {
    read += bytes;
    return Status();
  };
  ASSERT_THAT(read_wheel_member(wheel, "member.bin", 1'000'000, take), IsOk());
  EXPECT_EQ(read, bytes_of(root_ / "member.bin"));
  EXPECT_THAT(read_wheel_member(wheel, "other", 1'000'000, take), FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(read_wheel_member(wheel, "member.bin", 1'000, take), FailsWith(ErrorCode::DataLoss));
  // Damage is noticed wherever it is: no byte of it may crash the reader.
  const std::string whole = bytes_of(wheel);
  for (std::size_t i = 0; i < whole.size(); i += 7) {
    std::string broken = whole;
    broken[i] = static_cast<char>(broken[i] ^ 0x55);
    std::ofstream(wheel, std::ios::binary) << broken;
    read.clear();
    if (read_wheel_member(wheel, "member.bin", 1'000'000, take)) {
      EXPECT_EQ(read.size(), 600'003U);  // A byte of the metadata that nobody needs.
    }
  }
  for (std::size_t size = 0; size < whole.size(); size += 11) {
    std::ofstream(wheel, std::ios::binary) << whole.substr(0, size);
    EXPECT_FALSE(read_wheel_member(wheel, "member.bin", 1'000'000, take));
  }
}

TEST_F(ModelFolderTest, NoBytesOfAGgufHeaderCrashItsReader) {
  const auto header = read_gguf_header(LH_TINY_MODEL);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->architecture, "llama");
  EXPECT_EQ(header->name, "tiny");
  const std::string whole = bytes_of(LH_TINY_MODEL).substr(0, 8'000);
  const fs::path file = root_ / "h.gguf";
  for (std::size_t i = 0; i < 1'200; ++i) {
    std::string broken = whole;
    broken[i] = static_cast<char>(~broken[i]);
    std::ofstream(file, std::ios::binary) << broken;
    static_cast<void>(read_gguf_header(file));
  }
  for (std::size_t size = 0; size < 1'200; size += 3) {
    std::ofstream(file, std::ios::binary) << whole.substr(0, size);
    static_cast<void>(read_gguf_header(file));
  }
}

TEST(KnownModels, NameWholeSums) {
  for (const KnownModel& model : known_models()) {
    EXPECT_TRUE(is_model_name(model.name));
    EXPECT_EQ(model.sha256.size(), 64U);
    for (const ModelPart& part : model.parts) {
      EXPECT_EQ(part.sha256.size(), 64U);
      EXPECT_THAT(std::string(part.package), HasSubstr("=="));
    }
  }
}

}  // namespace
}  // namespace lakehouse::ai
