#include "ai/client/child_runner.h"

#include "ai/client/embedded_encoder.h"
#include "ai/client/embedded_generator.h"

namespace lakehouse::ai {
namespace {

class ChildRunner final : public ModelRunner {
 public:
  ChildRunner(ModelChild& child, std::chrono::milliseconds idle) : child_(child), idle_(idle) {}

  Result<std::shared_ptr<Embedder>> embedder(const RequestContext& context,
                                             const ModelFiles& model) override {
    return make_embedded_embedder(context, child_, model);
  }
  Result<std::shared_ptr<Generator>> generator(const RequestContext& /*context*/,
                                               const ModelFiles& model) override {
    return make_embedded_generator(child_, model, idle_);
  }
  Result<std::shared_ptr<Reranker>> reranker(const RequestContext& context,
                                             const ModelFiles& model) override {
    return make_embedded_reranker(context, child_, model);
  }

 private:
  ModelChild& child_;
  const std::chrono::milliseconds idle_;
};

}  // namespace

std::unique_ptr<ModelRunner> make_child_runner(ModelChild& child, std::chrono::milliseconds idle) {
  return std::make_unique<ChildRunner>(child, idle);
}

}  // namespace lakehouse::ai
