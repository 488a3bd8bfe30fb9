#include "runtime/internal/nvtx_range.h"

#include <torch/csrc/profiler/stubs/base.h>

namespace nacelle::runtime {

using torch::profiler::impl::cudaStubs;

bool NvtxRange::Available() { return cudaStubs()->enabled(); }

void NvtxRange::Next(const char* name) {
  if (open_) cudaStubs()->rangePop();
  open_ = name != nullptr;
  if (open_) cudaStubs()->rangePush(name);
}

}  // namespace nacelle::runtime
