// CUDA graphs through the driver: when one that was captured is gone.
#ifndef NACELLE_CORE_DEVICE_CUDA_GRAPH_H_
#define NACELLE_CORE_DEVICE_CUDA_GRAPH_H_

#include <functional>

namespace nacelle::device {

// Has `gone` called, once, when the graph that is being captured on `stream` (a cudaStream_t of the current CUDA
// context) can run no more: when its capture failed, or it and all that was made from it are destroyed and what they
// had under way is done. The driver calls it in a thread of its own some time later; it must not call CUDA, wait or
// throw.
//
// False, and `gone` is never called, where nothing is captured or the driver cannot tell (before CUDA 11.3). May be
// called by any thread at once, for a capture by the one that captures. Throws DeviceError where there is no driver.
bool CallWhenGraphIsGone(void* stream, std::function<void()> gone);

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_GRAPH_H_
