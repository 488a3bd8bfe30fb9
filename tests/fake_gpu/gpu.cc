#include "tests/fake_gpu/gpu.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace nacelle::fake_gpu {

Gpu& Gpu::Process() {
  static Gpu* const gpu = [] {
    void* const driver = dlopen("libcuda.so.1", RTLD_NOW);
    using Get = Gpu* (*)();
    const auto get = driver == nullptr ? nullptr : reinterpret_cast<Get>(dlsym(driver, "nacelle_fake_gpu"));
    if (get == nullptr) {
      const char* const reason = driver == nullptr ? dlerror() : "it is not the fake one";
      std::fprintf(stderr, "the fake driver cannot be used: libcuda.so.1: %s; add its folder to LD_LIBRARY_PATH\n",
                   reason == nullptr ? "no reason is given" : reason);
      std::abort();
    }
    return get();
  }();
  return *gpu;
}

}  // namespace nacelle::fake_gpu
