// An execution context with all that a call of it needs at hand.
#ifndef NACELLE_RUNTIME_CONTEXT_H_
#define NACELLE_RUNTIME_CONTEXT_H_

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <memory>
#include <string>
#include <vector>

#include "core/tensorrt/handles.h"
#include "core/tensorrt/messages.h"
#include "runtime/call_stream.h"
#include "runtime/output_memory.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {

class LoadedEngine;

// For one thread at a time; contexts of one engine may run at once. Remembers shapes from call to call, so that only
// what changed is set anew.
class Context {
 public:
  // Throws ExecutionError with TensorRT's reason where no context can be made. The engine outlives the context.
  Context(const LoadedEngine& engine, int profile);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Runs on inputs that CheckInputs allowed for this context's profile. Throws ExecutionError with TensorRT's own
  // messages; the context is not to be used again then. See Execute for when the outputs are ready.
  c10::List<at::Tensor> Run(c10::ArrayRef<const at::Tensor*> inputs);

 private:
  using Sizes = c10::SmallVector<int64_t, 5>;

  struct Output {
    const char* name;
    at::TensorOptions options;
    Sizes sizes;                          // for the input shapes set last
    std::unique_ptr<TorchMemory> memory;  // where the shape follows from values
  };

  template <typename Work>
  void OnStream(const Work& work);
  void ChooseProfile(int profile, void* stream);
  void SetShapes(c10::ArrayRef<const at::Tensor*> inputs, const tensorrt::MessageScope& messages);
  void ReadShape(Output& output, const tensorrt::MessageScope& messages);
  void BindInputs(c10::ArrayRef<const at::Tensor*> inputs, c10::SmallVectorImpl<at::Tensor>& kept,
                  const tensorrt::MessageScope& messages);
  at::Tensor BindOutput(Output& output, const tensorrt::MessageScope& messages);
  [[noreturn]] void Fail(const std::string& what, const tensorrt::MessageScope& messages) const;

  const LoadedEngine& engine_;
  const bool on_cpu_;
  tensorrt::ExecutionContext context_;
  std::vector<Sizes> input_sizes_;  // as set last; empty vectors before the first call
  bool shapes_set_ = false;
  std::vector<Output> outputs_;
  SideStream side_stream_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_CONTEXT_H_
