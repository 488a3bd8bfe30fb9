#include "core/device/cuda_graph.h"

#include <cuda.h>

#include <memory>
#include <utility>

#include "core/device/cuda_api.h"

namespace nacelle::device {
namespace {

using Callback = std::function<void()>;

// The destructor of a user object, as the driver calls it.
void CUDA_CB CallAndDelete(void* callback) {
  const std::unique_ptr<Callback> owned(static_cast<Callback*>(callback));
  if (*owned) (*owned)();
}

// Returns the graph that is being captured on `stream`; null if there is none.
CUgraph GraphCapturedOn(const CudaApi& cuda, void* stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  CUgraph graph = nullptr;
  const CUresult result =
      cuda.cuStreamGetCaptureInfo_v2(static_cast<CUstream>(stream), &status, nullptr, &graph, nullptr, nullptr);
  return result == CUDA_SUCCESS && status == CU_STREAM_CAPTURE_STATUS_ACTIVE ? graph : nullptr;
}

}  // namespace

bool CallWhenGraphIsGone(void* stream, Callback gone) {
  const CudaApi& cuda = ProcessCuda();
  if (!cuda.HasUserObjects()) return false;
  const CUgraph graph = GraphCapturedOn(cuda, stream);
  if (graph == nullptr) return false;
  auto callback = std::make_unique<Callback>(std::move(gone));
  CUuserObject object = nullptr;
  if (cuda.cuUserObjectCreate(&object, callback.get(), CallAndDelete, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) !=
      CUDA_SUCCESS) {
    return false;
  }
  Callback& owned = *callback.release();  // the user object owns it now
  if (cuda.cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE) == CUDA_SUCCESS) return true;
  owned = nullptr;
  cuda.cuUserObjectRelease(object, 1);
  return false;
}

}  // namespace nacelle::device
