#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ai/providers/provider.h"
#include "ai/tests/stub_provider.h"
#include "base/json.h"
#include "base/testing/matchers.h"

namespace lakehouse::ai {
namespace {

using ::lakehouse::testing::FailsWith;
using ::lakehouse::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StubAnswer;
using testing::StubProvider;
using testing::StubRequest;

constexpr std::string_view kTags =
    R"({"models":[{"name":"nomic:latest","digest":"abc123"},{"name":"qwen:7b","digest":"def"}]})";
constexpr std::string_view kShown =
    R"({"model_info":{"general.architecture":"qwen2","qwen2.context_length":4096}})";

ProviderAddress address_of(const StubProvider& stub) {
  ProviderAddress address;
  address.name = "stub";
  address.url = stub.url();
  address.retry_wait = std::chrono::milliseconds(1);
  return address;
}

std::shared_ptr<Provider> ollama_at(const StubProvider& stub) {
  return make_ollama(std::make_shared<ProviderHttp>(address_of(stub)));
}

std::shared_ptr<Provider> openai_at(const StubProvider& stub, std::string key = {}) {
  ProviderAddress address = address_of(stub);
  address.key = std::move(key);
  return make_openai(std::make_shared<ProviderHttp>(address));
}

ProviderModel model(std::string name) {
  ProviderModel model;
  model.name = "here";
  model.model = std::move(name);
  return model;
}

boost::json::object body_of(const StubRequest& request) {
  return parse_json(request.body, "a body")->as_object();
}

bool asks(const StubRequest& request, std::string_view path) {
  return request.line.find(path) != std::string::npos;
}

GenerateRequest question() {
  GenerateRequest request;
  request.messages = {{"system", "Be short."}, {"user", "Why?"}};
  request.max_tokens = 7;
  request.seed = 5;
  request.stop = {"\n"};
  return request;
}

// --- Ollama.

StubAnswer ollama(const StubRequest& request) {
  if (asks(request, "/api/tags")) {
    return {.body = std::string(kTags)};
  }
  if (asks(request, "/api/show")) {
    return {.body = std::string(kShown)};
  }
  if (asks(request, "/api/embed")) {
    std::string vectors;
    for (std::size_t i = 0; i < body_of(request).at("input").as_array().size(); ++i) {
      vectors += std::string(i == 0 ? "" : ",") + "[3,0,4]";
    }
    return {.body = R"({"embeddings":[)" + vectors + "]}"};
  }
  return {.body = R"({"message":{"role":"assistant","content":"Be"},"done":false})"
                  "\n"
                  R"({"message":{"role":"assistant","content":"cause."},"done":false})"
                  "\n"
                  R"({"message":{"content":""},"done":true,"done_reason":"length",)"
                  R"("prompt_eval_count":11,"eval_count":7})"
                  "\n"};
}

TEST(Ollama, EmbedsWithTheDigestAsVersionAndVectorsOfLengthOne) {
  StubProvider stub(ollama);
  ProviderModel wanted = model("nomic");
  wanted.keep_alive = "0";
  const auto embedder = ollama_at(stub)->embedder({}, wanted);
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->info().version, "abc123");
  EXPECT_EQ((*embedder)->info().dimensions, 3U);
  EXPECT_EQ((*embedder)->info().max_tokens, 4096U);
  const std::vector<std::string_view> texts = {"a", "b\xFF", ""};
  const auto vectors = (*embedder)->embed({}, texts);
  ASSERT_THAT(vectors, IsOk());
  ASSERT_EQ(vectors->size(), 3U);
  EXPECT_FLOAT_EQ(vectors->row(2)[0], 0.6F);
  EXPECT_FLOAT_EQ(vectors->row(2)[2], 0.8F);
  const auto sent = body_of(stub.last());
  EXPECT_EQ(sent.at("model"), "nomic");
  EXPECT_EQ(sent.at("keep_alive"), 0);
  EXPECT_EQ(sent.at("input").as_array()[1], "b\xEF\xBF\xBD");
}

TEST(Ollama, SendsManyTextsInSeveralRequests) {
  StubProvider stub(ollama);
  const auto embedder = ollama_at(stub)->embedder({}, model("nomic"));
  ASSERT_THAT(embedder, IsOk());
  const std::size_t before = stub.requests().size();
  const std::vector<std::string_view> texts(150, "x");
  const auto vectors = (*embedder)->embed({}, texts);
  ASSERT_THAT(vectors, IsOk());
  EXPECT_EQ(vectors->size(), 150U);
  EXPECT_EQ(stub.requests().size() - before, 3U);
}

TEST(Ollama, WritesPieceByPiece) {
  StubProvider stub(ollama);
  ProviderModel wanted = model("qwen:7b");
  wanted.context_tokens = 8192;
  const auto generator = ollama_at(stub)->generator({}, wanted);
  ASSERT_THAT(generator, IsOk());
  EXPECT_EQ((*generator)->info().context_tokens, 4096U);
  std::vector<std::string> pieces;
  const auto answer = (*generator)->generate({}, question(), [&](std::string_view piece) {
    pieces.emplace_back(piece);
    return Status();
  });
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->text, "Because.");
  EXPECT_THAT(pieces, ElementsAre("Be", "cause."));
  EXPECT_EQ(answer->finish_reason, FinishReason::Length);
  EXPECT_EQ(answer->prompt_tokens, 11U);
  EXPECT_EQ(answer->tokens, 7U);
  const auto sent = body_of(stub.last());
  const auto& options = sent.at("options").as_object();
  EXPECT_EQ(options.at("num_ctx"), 4096);
  EXPECT_EQ(options.at("num_predict"), 7);
  EXPECT_EQ(options.at("seed"), 5);
  EXPECT_EQ(sent.at("messages").as_array().size(), 2U);
  EXPECT_FALSE(sent.contains("keep_alive"));
}

TEST(Ollama, TakesSchemasAndNoGrammars) {
  StubProvider stub(ollama);
  const auto generator = ollama_at(stub)->generator({}, model("qwen:7b"));
  ASSERT_THAT(generator, IsOk());
  GenerateRequest request = question();
  request.json_schema = R"({"type":"object"})";
  ASSERT_THAT((*generator)->generate({}, request, {}), IsOk());
  EXPECT_EQ(body_of(stub.last()).at("format").at("type"), "object");
  request.json_schema.clear();
  request.grammar = "root ::= \"a\"";
  EXPECT_THAT((*generator)->generate({}, request, {}), FailsWith(ErrorCode::Unimplemented));
}

TEST(Ollama, SaysWhichModelIsMissing) {
  StubProvider stub(ollama);
  const auto generator = ollama_at(stub)->generator({}, model("llama"));
  ASSERT_THAT(generator, FailsWith(ErrorCode::NotFound));
  EXPECT_THAT(generator.error().hint, HasSubstr("ollama pull llama"));
}

TEST(Ollama, AStreamThatBreaksOffIsNoAnswer) {
  StubProvider stub([](const StubRequest& request) -> StubAnswer {
    if (!asks(request, "/api/chat")) {
      return ollama(request);
    }
    return {.body = "{\"message\":{\"content\":\"Be\"},\"done\":false}\n", .breaks_off = true};
  });
  const auto generator = ollama_at(stub)->generator({}, model("qwen:7b"));
  ASSERT_THAT(generator, IsOk());
  EXPECT_THAT((*generator)->generate({}, question(), {}), FailsWith(ErrorCode::Unavailable));
  // It had begun: nobody may hear it twice.
  EXPECT_EQ(stub.requests().size(), 3U);
}

TEST(Ollama, RefusesVectorsThatMakeNoSense) {
  for (const std::string vectors : {R"([[1,2],[1,2]])", R"([])", R"([[0,0,0]])", R"([["x"]])",
                                    R"({"a":1})", R"([[1e999,1,1]])", R"([null])"}) {
    SCOPED_TRACE(vectors);
    StubProvider stub([&](const StubRequest& request) -> StubAnswer {
      return asks(request, "/api/embed") ? StubAnswer{.body = R"({"embeddings":)" + vectors + "}"}
                                         : ollama(request);
    });
    EXPECT_THAT(ollama_at(stub)->embedder({}, model("nomic")), FailsWith(ErrorCode::Unavailable));
  }
}

// --- OpenAI's protocol.

TEST(OpenAi, EmbedsInTheOrderOfTheIndexes) {
  StubProvider stub([](const StubRequest& request) -> StubAnswer {
    if (body_of(request).at("input").as_array().size() == 1) {
      return {.body = R"({"data":[{"index":0,"embedding":[1,0]}]})"};
    }
    return {.body = R"({"data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[5,0]}]})"};
  });
  const auto embedder = openai_at(stub, "s3cret")->embedder({}, model("small"));
  ASSERT_THAT(embedder, IsOk());
  const std::vector<std::string_view> texts = {"a", "b"};
  const auto vectors = (*embedder)->embed({}, texts);
  ASSERT_THAT(vectors, IsOk());
  EXPECT_THAT(vectors->values, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(stub.last().line, HasSubstr("POST /embeddings "));
  EXPECT_THAT(stub.last().headers, HasSubstr("authorization: bearer s3cret"));
}

TEST(OpenAi, WritesFromEvents) {
  StubProvider stub([](const StubRequest&) -> StubAnswer {
    return {.body =
                ": hello\n\n"
                "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
                "data: {\"choices\":[{\"delta\":{\"content\":\"4\"}}]}\n\n"
                "data: "
                "{\"choices\":[{\"delta\":{\"content\":\"2\"},\"finish_reason\":\"stop\"}]}\r\n\r\n"
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
                "\"prompt_tokens_details\":{\"cached_tokens\":8}}}\n\n"
                "data: [DONE]\n\n"};
  });
  const auto generator = openai_at(stub)->generator({}, model("big"));
  ASSERT_THAT(generator, IsOk());
  GenerateRequest request = question();
  request.json_schema = R"({"type":"integer"})";
  const auto answer = (*generator)->generate({}, request, {});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->text, "42");
  EXPECT_EQ(answer->finish_reason, FinishReason::Stop);
  EXPECT_EQ(answer->prompt_tokens, 9U);
  EXPECT_EQ(answer->prompt_tokens_cached, 8U);
  const auto sent = body_of(stub.last());
  EXPECT_EQ(sent.at("response_format").at("json_schema").at("schema").at("type"), "integer");
  EXPECT_EQ(sent.at("stop").as_array().size(), 1U);
}

TEST(OpenAi, AnAnswerWithoutItsEndIsNone) {
  StubProvider stub([](const StubRequest&) -> StubAnswer {
    return {.body = "data: {\"choices\":[{\"delta\":{\"content\":\"4\"}}]}\n\n"};
  });
  const auto generator = openai_at(stub)->generator({}, model("big"));
  ASSERT_THAT(generator, IsOk());
  EXPECT_THAT((*generator)->generate({}, question(), {}), FailsWith(ErrorCode::Unavailable));
}

TEST(OpenAi, Reranks) {
  StubProvider stub([](const StubRequest&) -> StubAnswer {
    return {.body = R"({"results":[{"index":1,"relevance_score":0.9},)"
                    R"({"index":0,"relevance_score":-2}]})"};
  });
  const auto reranker = openai_at(stub)->reranker({}, model("ranker"));
  ASSERT_THAT(reranker, IsOk());
  const std::vector<std::string_view> texts = {"a", "b"};
  const auto scores = (*reranker)->rerank({}, "q", texts);
  ASSERT_THAT(scores, IsOk());
  EXPECT_THAT(scores->scores, ElementsAre(-2.0F, 0.9F));
  EXPECT_EQ(scores->method, "cross-encoder");
  EXPECT_EQ(body_of(stub.last()).at("query"), "q");
}

// --- What they have in common.

TEST(ProviderHttp, TriesAgainWhatWasBusy) {
  std::atomic<int> calls = 0;
  StubProvider stub([&](const StubRequest&) -> StubAnswer {
    if (++calls < 3) {
      return {.status = 503, .body = "later"};
    }
    return {.body = R"({"data":[{"index":0,"embedding":[1]}]})"};
  });
  EXPECT_THAT(openai_at(stub)->embedder({}, model("m")), IsOk());
  EXPECT_EQ(calls, 3);
}

TEST(ProviderHttp, MapsWhatProvidersAnswer) {
  const std::vector<std::pair<int, ErrorCode>> cases = {
      {400, ErrorCode::InvalidArgument}, {401, ErrorCode::FailedPrecondition},
      {404, ErrorCode::NotFound},        {429, ErrorCode::ResourceExhausted},
      {500, ErrorCode::Unavailable},     {503, ErrorCode::Unavailable},
      {302, ErrorCode::Unavailable},
  };
  for (const auto& [status, code] : cases) {
    SCOPED_TRACE(status);
    StubProvider stub([answered = status](const StubRequest&) -> StubAnswer {
      return {.status = answered, .body = R"({"error":{"message":"no\nway"}})"};
    });
    const auto embedder = openai_at(stub)->embedder({}, model("m"));
    ASSERT_THAT(embedder, FailsWith(code));
    EXPECT_THAT(embedder.error().message, HasSubstr("no way"));
  }
}

TEST(ProviderHttp, GivesUpWhenTheCallerDoes) {
  StubProvider stub([](const StubRequest&) -> StubAnswer {
    return {.body = "{}", .delay = std::chrono::milliseconds(300)};
  });
  RequestContext context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EXPECT_THAT(openai_at(stub)->embedder(context, model("m")),
              FailsWith(ErrorCode::DeadlineExceeded));
  std::stop_source stop;
  context.deadline = std::chrono::steady_clock::time_point::max();
  context.stop = stop.get_token();
  stop.request_stop();
  EXPECT_THAT(openai_at(stub)->embedder(context, model("m")), FailsWith(ErrorCode::Cancelled));
}

TEST(ProviderHttp, IsUnavailableWhenNobodyListens) {
  ProviderAddress address;
  address.name = "gone";
  address.url = "http://127.0.0.1:1";
  address.retry_wait = std::chrono::milliseconds(1);
  const auto provider = make_openai(std::make_shared<ProviderHttp>(address));
  EXPECT_THAT(provider->embedder({}, model("m")), FailsWith(ErrorCode::Unavailable));
}

TEST(ProviderHttp, SendsNoKeyInTheClearToAnotherMachine) {
  ProviderAddress address;
  address.url = "http://models.example.com/v1";
  EXPECT_THAT(check_address(address), IsOk());
  address.key = "k";
  EXPECT_THAT(check_address(address), FailsWith(ErrorCode::InvalidArgument));
  address.url = "http://127.0.0.1.example.com/v1";
  EXPECT_THAT(check_address(address), FailsWith(ErrorCode::InvalidArgument));
  for (const std::string url : {"https://models.example.com/v1", "http://127.0.0.1:8000",
                                "http://localhost:8000", "http://[::1]:8000"}) {
    address.url = url;
    EXPECT_THAT(check_address(address), IsOk()) << url;
  }
}

TEST(GenerateRequests, AreCheckedBeforeTheyAreSent) {
  const auto with = [](auto change) {
    GenerateRequest request = question();
    change(request);
    return check_request(request);
  };
  EXPECT_THAT(with([](GenerateRequest&) {}), IsOk());
  const auto wrong = FailsWith(ErrorCode::InvalidArgument);
  EXPECT_THAT(with([](GenerateRequest& r) { r.prompt = "x"; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.messages.clear(); }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.max_tokens = 0; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.temperature = -1; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.top_p = 0; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.messages[0].role = "tool"; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.stop = {""}; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) { r.json_schema = "[1]"; }), wrong);
  EXPECT_THAT(with([](GenerateRequest& r) {
                r.json_schema = "{}";
                r.grammar = "x";
              }),
              wrong);
}

}  // namespace
}  // namespace lakehouse::ai
