// The reference engine with aliased I/O: libaliasing_engine.so is libnacelle_reference.so that says of the output
// "output_0" that it shares the memory of the input "input_0". It writes outputs where it is told to, so an engine
// whose first output is a new value of its first input behaves as TensorRT's engines with a cache do. It also says of
// tensors named "on_host" that they are in the host's memory.
#include <cstring>

#include "core/tensorrt/slot_table.h"
#include "reference/cuda_engine.h"
#include "reference/interface_object.h"
#include "reference/presented.h"

namespace nacelle::reference {
namespace {

const char* AliasedInput(void* /*engine*/, const char* name) noexcept {
  return std::strcmp(name, "output_0") == 0 ? "input_0" : nullptr;
}

int32_t Location(void* /*engine*/, const char* name) noexcept {
  using tensorrt::TensorLocation;
  return static_cast<int32_t>(std::strcmp(name, "on_host") == 0 ? TensorLocation::kHOST : TensorLocation::kDEVICE);
}

// Runs when the library is loaded, before anything calls it.
const bool replaced = [] {
  const tensorrt::SlotTable* const table = PresentedTable();
  if (table == nullptr) return false;  // said on stderr, and again when a runtime is asked for
  // The table is made at run time, in memory that may be written to.
  const auto methods = const_cast<const void**>(MethodsOf<CudaEngine>(*table));
  methods[table->slot(tensorrt::Method::kCudaEngine_getAliasedInputTensor)] =
      reinterpret_cast<const void*>(&AliasedInput);
  methods[table->slot(tensorrt::Method::kCudaEngine_getTensorLocation)] = reinterpret_cast<const void*>(&Location);
  return true;
}();

}  // namespace
}  // namespace nacelle::reference
