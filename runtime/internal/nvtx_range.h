// Ranges of NVTX, which Nsight Systems and Nsight Compute show on a thread's time line.
#ifndef NACELLE_RUNTIME_INTERNAL_NVTX_RANGE_H_
#define NACELLE_RUNTIME_INTERNAL_NVTX_RANGE_H_

namespace nacelle::runtime {

// A range of the calling thread, open while this object lives. torch's CUDA library hands ranges to NVTX, so that
// nothing of NVTX is needed here; a build without CUDA has none. For one thread.
class NvtxRange {
 public:
  // Whether this process can mark ranges.
  static bool Available();

  // Opens a range called `name`, only where Available(); null: none, which costs nothing.
  explicit NvtxRange(const char* name) {
    if (name != nullptr) Next(name);
  }
  ~NvtxRange() {
    if (open_) Next(nullptr);
  }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;

  // Closes the range and opens the next one; null: none.
  void Next(const char* name);

 private:
  bool open_ = false;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_NVTX_RANGE_H_
