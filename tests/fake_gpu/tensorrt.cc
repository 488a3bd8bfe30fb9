// A TensorRT for the fake GPUs: libnvinfer.so is libnacelle_reference.so that takes plans of TensorRT's (a header, and
// after it a plan of the reference engine), and whose runs are work on a stream.
#include <cstring>
#include <map>
#include <mutex>

#include "core/tensorrt/slot_table.h"
#include "reference/cuda_engine.h"
#include "reference/interface_object.h"
#include "reference/presented.h"
#include "reference/runtime.h"
#include "tests/fake_gpu/gpu.h"
#include "tests/fake_gpu/gpu_context.h"
#include "tests/fake_gpu/gpu_plan.h"

namespace nacelle::fake_gpu {
namespace {

using reference::CudaEngine;
using reference::Impl;
using tensorrt::Method;

// The GPU that an engine was read on.
class Devices {
 public:
  void Note(const CudaEngine* engine) {
    const std::lock_guard lock(mutex_);
    devices_[engine] = Gpu::Process().CurrentDevice();
  }
  int Of(const CudaEngine* engine) {
    const std::lock_guard lock(mutex_);
    return devices_.at(engine);
  }

 private:
  std::mutex mutex_;
  std::map<const CudaEngine*, int> devices_;
};

Devices& TheDevices() {
  static auto* const devices = new Devices;
  return *devices;
}

CudaEngine& EngineOf(Impl* impl) { return *static_cast<CudaEngine*>(impl->owner); }

void* Deserialize(Impl* runtime, const void* plan, uint64_t size) noexcept {
  auto& reader = *static_cast<reference::Runtime*>(runtime->owner);
  if (Gpu::Process().Fails("deserializeCudaEngine") || size < kHeaderBytes) {
    reader.reporter().Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT, "IRuntime::deserializeCudaEngine: no engine");
    return nullptr;
  }
  void* const engine = reader.DeserializeCudaEngine(static_cast<const char*>(plan) + kHeaderBytes, size - kHeaderBytes);
  if (engine != nullptr) TheDevices().Note(static_cast<CudaEngine*>(static_cast<reference::InterfaceObject*>(engine)));
  return engine;
}

void* CreateContext(Impl* engine, int32_t strategy) noexcept {
  CudaEngine& of = EngineOf(engine);
  if (Gpu::Process().Fails("createExecutionContext")) {
    of.reporter().Fail(tensorrt::ErrorCode::kINTERNAL_ERROR, "ICudaEngine::createExecutionContext: out of memory");
    return nullptr;
  }
  const bool by_caller = strategy == static_cast<int32_t>(tensorrt::ExecutionContextAllocationStrategy::kUSER_MANAGED);
  return new GpuContext(of, TheDevices().Of(&of), strategy, by_caller);
}

int64_t DeviceMemorySize(Impl* engine) noexcept { return static_cast<int64_t>(ScratchBytes(*EngineOf(engine).plan())); }

int32_t TensorLocation(Impl* /*engine*/, const char* name) noexcept {
  return static_cast<int32_t>(IsOnHost(name) ? tensorrt::TensorLocation::kHOST : tensorrt::TensorLocation::kDEVICE);
}

template <typename T>
void Replace(const tensorrt::SlotTable& table, Method method, const void* function) {
  // The table is made at run time, in memory that may be written to.
  const auto methods = const_cast<const void**>(reference::MethodsOf<T>(table));
  methods[table.slot(method)] = function;
}

// Runs when the library is loaded, before anything calls it.
const bool replaced = [] {
  const tensorrt::SlotTable* const table = reference::PresentedTable();
  if (table == nullptr) return false;  // said on stderr, and again when a runtime is asked for
  Replace<reference::Runtime>(*table, Method::kRuntime_deserializeCudaEngine,
                              reinterpret_cast<const void*>(&Deserialize));
  Replace<CudaEngine>(*table, Method::kCudaEngine_createExecutionContext,
                      reinterpret_cast<const void*>(&CreateContext));
  Replace<CudaEngine>(*table, Method::kCudaEngine_getDeviceMemorySizeV2,
                      reinterpret_cast<const void*>(&DeviceMemorySize));
  Replace<CudaEngine>(*table, Method::kCudaEngine_getTensorLocation, reinterpret_cast<const void*>(&TensorLocation));
  return true;
}();

}  // namespace
}  // namespace nacelle::fake_gpu
