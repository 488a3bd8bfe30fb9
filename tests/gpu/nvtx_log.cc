// Stands in for a profiler, which NVTX loads if NVTX_INJECTION64_PATH names it: writes "push NAME" and "pop" for
// each range of a thread to the file that NACELLE_NVTX_LOG names.
//
// The layout is that of NVTX's interface to tools, version 2 (nvtxDetail/nvtxTypes.h in CUDA's headers).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using Function = void (*)();

// The table of functions that a tool may ask for.
struct Callbacks {
  size_t size;
  int (*module_functions)(int module, Function*** functions, unsigned* count);
};

constexpr uint32_t kCallbacks = 1;
constexpr int kCoreModule = 1;
constexpr unsigned kRangePushA = 9;
constexpr unsigned kRangePop = 11;

std::FILE* log_file = nullptr;

int Push(const char* name) {
  std::fprintf(log_file, "push %s\n", name);
  return 0;
}

int Pop() {
  std::fputs("pop\n", log_file);
  return 0;
}

}  // namespace

// 1: the tool is ready.
extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(const void* (*table)(uint32_t)) {
  const char* const path = std::getenv("NACELLE_NVTX_LOG");
  if (log_file == nullptr && path != nullptr) log_file = std::fopen(path, "a");
  const auto* const callbacks = static_cast<const Callbacks*>(table(kCallbacks));
  Function** functions = nullptr;
  unsigned count = 0;
  if (log_file == nullptr || callbacks == nullptr ||
      callbacks->module_functions(kCoreModule, &functions, &count) == 0 || count <= kRangePop) {
    return 0;
  }
  *functions[kRangePushA] = reinterpret_cast<Function>(&Push);
  *functions[kRangePop] = reinterpret_cast<Function>(&Pop);
  return 1;
}
