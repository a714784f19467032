#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <dlfcn.h>

#include "ai/model_child.h"
#include "ai/tokens/tokenizer.h"
#include "base/json.h"
#include "engine/sandbox.h"

#if LH_SANITIZED
// OpenVINO loads a library with RTLD_DEEPBIND, for which a sanitizer's runtime ends the process.
extern "C" void* __interceptor_dlopen(const char* name, int flags);
extern "C" void* dlopen(const char* name, int flags) {
  return __interceptor_dlopen(name, flags & ~RTLD_DEEPBIND);
}
// What runs models is not instrumented: memory changes hands by locks that are not seen.
extern "C" const char* __tsan_default_suppressions() {
  return "race:libopenvino\nrace:libtbb\nrace:libllama\nrace:libggml\n";
}
#endif

namespace lakehouse::ai {
namespace {

// "tokenize tokenizer.json 256": for each line, a JSON string or an array of two, their tokens.
int tokenize(const std::string& path, std::size_t tokens_max) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto tokenizer = Tokenizer::parse(text);
  if (!tokenizer) {
    std::cerr << tokenizer.error().message << '\n';
    return 1;
  }
  TokenIds tokens;
  for (std::string line; std::getline(std::cin, line);) {
    const auto value = parse_json(line, "the line");
    if (!value) {
      std::cerr << value.error().message << '\n';
      return 1;
    }
    if (value->is_string()) {
      (*tokenizer)->encode(value->get_string(), tokens_max, tokens);
    } else {
      const auto& pair = value->as_array();
      (*tokenizer)->encode_pair(pair.at(0).as_string(), pair.at(1).as_string(), tokens_max, tokens);
    }
    std::cout << boost::json::serialize(boost::json::array(tokens.ids.begin(), tokens.ids.end()))
              << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace lakehouse::ai

/// Nothing but `lakehouse model-process`, for the tests of modules below the command line; and our
/// tokenizer, which tests/test_tokenizer.py compares with another.
int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "tokenize") {
    return lakehouse::ai::tokenize(arguments[1], std::stoul(arguments[2]));
  }
  return lakehouse::ai::run_model_child(arguments);
}
