// Notification, through the driver, that a captured CUDA graph is destroyed.
//
//   const bool told = CallWhenGraphIsGone(stream, [pool] { pool->Release(); });
#ifndef NACELLE_CORE_DEVICE_CUDA_GRAPH_H_
#define NACELLE_CORE_DEVICE_CUDA_GRAPH_H_

#include <functional>

namespace nacelle::device {

// Has the driver call `gone`, once, when the graph that is being captured on `stream` (a cudaStream_t of the current
// CUDA context) can run no more: its capture failed, or it and everything made from it are destroyed and their work is
// done. The driver calls it some time later on a thread of its own; it must not call CUDA, wait or throw.
//
// Returns false, and never calls `gone`, if nothing is captured or the driver cannot tell (before CUDA 11.3). Any
// threads may call it at once, each for its own capture. Throws DeviceError if there is no driver.
bool CallWhenGraphIsGone(void* stream, std::function<void()> gone);

}  // namespace nacelle::device

#endif  // NACELLE_CORE_DEVICE_CUDA_GRAPH_H_
