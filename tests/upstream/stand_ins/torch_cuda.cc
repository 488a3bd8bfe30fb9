// libtorch_cuda.so: torch's CUDA graphs and NCCL, which Torch-TensorRT's runtime knows. Every engine has a graph, so
// that graphs can be made; their use is refused.
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <utility>

#pragma GCC visibility push(default)

namespace at::cuda {

// Declared again, without members: the object lies in the wheel's own memory, whose size is that of the release of
// torch that the wheel was compiled with. So nothing of it may be read or written here.
class CUDAGraph {
 public:
  explicit CUDAGraph(bool keep_graph);
  ~CUDAGraph();
  void capture_begin(std::pair<unsigned long long, unsigned long long> pool, cudaStreamCaptureMode mode);
  void capture_end();
  void instantiate();
  void replay();
  void reset();
  void enable_debug_mode();
  void debug_dump(const std::string& path);
  cudaGraph_t raw_cuda_graph();
};

namespace {

[[noreturn]] void Refuse(const char* method) {
  TORCH_CHECK(false, "CUDAGraph::", method, ": torch's graphs are not there on a fake GPU");
}

}  // namespace

CUDAGraph::CUDAGraph(bool /*keep_graph*/) {}
CUDAGraph::~CUDAGraph() {}
void CUDAGraph::reset() {}
void CUDAGraph::enable_debug_mode() {}
void CUDAGraph::capture_begin(std::pair<unsigned long long, unsigned long long>, cudaStreamCaptureMode) {
  Refuse("capture_begin");
}
void CUDAGraph::capture_end() { Refuse("capture_end"); }
void CUDAGraph::instantiate() { Refuse("instantiate"); }
void CUDAGraph::replay() { Refuse("replay"); }
void CUDAGraph::debug_dump(const std::string&) { Refuse("debug_dump"); }
cudaGraph_t CUDAGraph::raw_cuda_graph() { Refuse("raw_cuda_graph"); }

}  // namespace at::cuda

namespace c10d {

class Backend {
 public:
  void incref_pyobject() const;
  void decref_pyobject() const;
};

void Backend::incref_pyobject() const {}
void Backend::decref_pyobject() const {}

// Looked for with dynamic_cast: no process group is one of NCCL's.
class ProcessGroupNCCL {
 public:
  virtual ~ProcessGroupNCCL();
  int64_t getCommPtr();
};

ProcessGroupNCCL::~ProcessGroupNCCL() = default;
int64_t ProcessGroupNCCL::getCommPtr() { return 0; }

}  // namespace c10d

#pragma GCC visibility pop
