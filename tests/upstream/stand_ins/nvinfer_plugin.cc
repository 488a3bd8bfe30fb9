// libnvinfer_plugin.so.11 without plugins: a registry whose methods all do nothing and return 0.
//
// The library is loaded before libnvinfer.so.11, so that this registry is the one that Torch-TensorRT gets.
#include <array>

namespace {

long Nothing() { return 0; }

constexpr std::array<long (*)(), 64> kMethods = [] {
  std::array<long (*)(), 64> methods{};
  methods.fill(&Nothing);
  return methods;
}();

const void* const registry = kMethods.data();  // an object is a pointer to its table of methods

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

const void* getPluginRegistry() { return &registry; }
bool initLibNvInferPlugins(void* /*logger*/, const char* /*library_namespace*/) { return true; }

}  // extern "C"
#pragma GCC visibility pop
