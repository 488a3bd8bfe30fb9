// What a user may set about one engine.
#ifndef NACELLE_RUNTIME_SETTINGS_H_
#define NACELLE_RUNTIME_SETTINGS_H_

#include <c10/core/Device.h>

#include <optional>

namespace nacelle::runtime {

// Plain values; see Engine::Configure. None of it is saved with the engine.
struct Settings {
  // Execution contexts at most, of all copies, for each group of equal optimization profiles. Each has scratch memory
  // of its own on the device; a call that finds all of them in use waits. At least 1.
  int max_contexts = 64;

  // How often the plan is deserialized. TensorRT 8.5 gives a profile of a plan with dynamic shapes to one context
  // only: there a copy lets one more call run at once, at the price of another engine in the device's memory.
  int plan_copies = 1;

  // The optimization profile for every call; none: the one that fits a call's shapes best.
  std::optional<int> profile;

  // Whether inputs on another device are copied to the engine's for the call. Otherwise they are errors.
  bool move_inputs = false;

  // Whether inputs of another dtype are converted for the call. Otherwise they are errors.
  bool convert_inputs = false;

  // Whether the outputs of a call lie in one block of memory, which one visit to torch's allocator gets, instead of a
  // block each. They share a storage then: any of them keeps all of the block, and growing one in place (resize_) runs
  // into the next.
  bool pack_outputs = false;

  // Whether scratch memory is one buffer per stream for all engines that share it, sized for the largest, instead of
  // one per context. Calls that share a stream then enqueue one after the other.
  bool shared_scratch = false;

  // Whether calls and their phases are marked with NVTX ranges, for Nsight Systems. Only with a CUDA build of torch.
  bool nvtx = false;

  // Where to run; none: the device that core/device chooses.
  std::optional<c10::Device> device;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_SETTINGS_H_
