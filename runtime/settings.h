// The settings of one engine.
//
//   Settings settings;
//   settings.max_contexts = 8;
//   engine->Configure(settings);
#ifndef NACELLE_RUNTIME_SETTINGS_H_
#define NACELLE_RUNTIME_SETTINGS_H_

#include <c10/core/Device.h>

#include <optional>

namespace nacelle::runtime {

// Plain values; see Engine::Configure. None of it is saved with the engine.
struct Settings {
  // Largest number of execution contexts, over all copies, for each group of equal optimization profiles. Each context
  // has scratch memory of its own on the device; a call waits if all of them are in use. At least 1.
  int max_contexts = 64;

  // Number of times that the plan is deserialized. TensorRT 8.5 gives an optimization profile of a plan with dynamic
  // shapes to one context only: there a copy lets one more call run at once, and takes as much device memory again.
  int plan_copies = 1;

  // The optimization profile for every call; none: the one that fits a call's shapes best.
  std::optional<int> optimization_profile;

  // True if inputs on another device are copied to the engine's for the call. Otherwise they are errors.
  bool move_inputs = false;

  // True if inputs of another dtype are converted for the call. Otherwise they are errors.
  bool convert_inputs = false;

  // True if the outputs of a call lie in one block of memory, allocated at once, instead of a block each. They share a
  // storage then: each of them keeps the whole block, and growing one in place (resize_) runs into the next.
  bool pack_outputs = false;

  // True if scratch memory is one buffer per stream for all engines with this setting, sized for the largest, instead
  // of one per context. Calls that share a stream then enqueue one after the other.
  bool shared_scratch = false;

  // True if calls and their phases are marked with NVTX ranges, for Nsight Systems. Needs a CUDA build of torch.
  bool nvtx = false;

  // The device to run on; none: the one that core/device chooses.
  std::optional<c10::Device> device;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_SETTINGS_H_
