// Embeds texts, given as tokens, with llama.cpp on one thread: for bench/embed.py.
// usage: embed_llama BACKENDS MODEL TOKENS OUT; a line of TOKENS is one text. Prints the processor
// time of the second pass in seconds; OUT gets a float32 row a text.
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <ggml-backend.h>
#include <llama.h>

namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::vector<std::vector<llama_token>> read_tokens(const char* path) {
  std::vector<std::vector<llama_token>> texts;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    auto& text = texts.emplace_back();
    for (llama_token token = 0; words >> token;) {
      text.push_back(token);
    }
  }
  return texts;
}

bool embed(llama_context* context, const std::vector<llama_token>& text, int dimensions,
           std::vector<float>& rows) {
  llama_memory_t memory = llama_get_memory(context);
  if (memory != nullptr) {
    llama_memory_clear(memory, true);
  }
  llama_batch batch = llama_batch_init(static_cast<int>(text.size()), 0, 1);
  for (const llama_token token : text) {
    batch.token[batch.n_tokens] = token;
    batch.pos[batch.n_tokens] = batch.n_tokens;
    batch.n_seq_id[batch.n_tokens] = 1;
    batch.seq_id[batch.n_tokens][0] = 0;
    batch.logits[batch.n_tokens] = 1;
    ++batch.n_tokens;
  }
  const bool done = llama_encode(context, batch) == 0;
  llama_batch_free(batch);
  const float* row = done ? llama_get_embeddings_seq(context, 0) : nullptr;
  if (row != nullptr) {
    rows.insert(rows.end(), row, row + dimensions);
  }
  return row != nullptr;
}

}  // namespace

int main(int, char** argv) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all_from_path(argv[1]);
  llama_model* model = llama_model_load_from_file(argv[2], llama_model_default_params());
  if (model == nullptr) {
    std::puts("the model does not load");
    return 1;
  }
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = 512;
  params.n_threads = params.n_threads_batch = 1;
  params.embeddings = true;
  params.pooling_type = LLAMA_POOLING_TYPE_MEAN;
  llama_context* context = llama_init_from_model(model, params);
  const auto texts = read_tokens(argv[3]);
  const int dimensions = llama_model_n_embd(model);
  std::vector<float> rows;
  double began = 0;
  for (int pass = 0; pass < 2; ++pass) {
    rows.clear();
    began = processor_seconds();
    for (const auto& text : texts) {
      if (!embed(context, text, dimensions, rows)) {
        std::puts("a text does not embed");
        return 1;
      }
    }
  }
  std::printf("%.6f\n", processor_seconds() - began);
  std::ofstream(argv[4], std::ios::binary)
      .write(reinterpret_cast<const char*>(rows.data()),
             static_cast<std::streamsize>(rows.size() * sizeof(float)));
  return 0;
}
