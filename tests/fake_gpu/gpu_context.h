// The execution context of the fake TensorRT.
#ifndef NACELLE_TESTS_FAKE_GPU_GPU_CONTEXT_H_
#define NACELLE_TESTS_FAKE_GPU_GPU_CONTEXT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reference/cuda_engine.h"
#include "reference/execution_context.h"
#include "reference/interface_object.h"
#include "reference/loaded_plan.h"
#include "tests/fake_gpu/gpu.h"

namespace nacelle::fake_gpu {

// True for a tensor that the fake TensorRT reads or writes on the host, which its name tells.
bool IsOnHost(const std::string& tensor);

// Bytes of scratch memory that a context of the plan needs.
size_t ScratchBytes(const reference::LoadedPlan& plan);

// An execution context whose runs are work on a stream of a fake GPU. Shapes, addresses and profiles are those of a
// context of the reference engine. When the GPU comes to a run, it reads the inputs, uses the scratch memory and writes
// the outputs, with the shapes and addresses that were set when the run was enqueued.
//
// One thread at a time, as with TensorRT.
class GpuContext final : public reference::InterfaceObject {
 public:
  // `device`: the GPU that the engine was read on.
  GpuContext(reference::CudaEngine& engine, int device, int32_t strategy, bool scratch_by_caller);
  ~GpuContext() override;

  reference::ExecutionContext& inner() { return *inner_; }

  bool EnqueueV3(void* stream);
  bool SetOptimizationProfileAsync(int32_t profile, void* stream);
  void SetDeviceMemory(void* memory);
  void SetDeviceMemoryV2(void* memory, int64_t bytes);

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kExecutionContext;
  static std::vector<reference::Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  struct Call;

  bool Refuse(const std::string& message);
  bool Prepare(Call& call);
  bool EnqueueSizedByValues(StreamName stream, const std::shared_ptr<Call>& call);
  void CheckDevice(const char* what);

  const std::shared_ptr<reference::LoadedPlan> plan_;
  const std::unique_ptr<reference::ExecutionContext> inner_;
  const int device_;
  const bool scratch_by_caller_;
  void* scratch_ = nullptr;
};

}  // namespace nacelle::fake_gpu

#endif  // NACELLE_TESTS_FAKE_GPU_GPU_CONTEXT_H_
