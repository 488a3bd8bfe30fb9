// NVTX ranges, which Nsight Systems and Nsight Compute show on a thread's time line.
#ifndef NACELLE_RUNTIME_INTERNAL_NVTX_RANGE_H_
#define NACELLE_RUNTIME_INTERNAL_NVTX_RANGE_H_

namespace nacelle::runtime {

// A range of the calling thread, open while this object lives. torch's CUDA library passes ranges to NVTX, so this code
// needs no NVTX headers; a build of torch without CUDA has no ranges. Used by one thread.
class NvtxRange {
 public:
  // True if this process can mark ranges.
  static bool Available();

  // Opens a range with this name, if Available(); null opens none and costs nothing.
  explicit NvtxRange(const char* name) {
    if (name != nullptr) Next(name);
  }
  ~NvtxRange() {
    if (open_) Next(nullptr);
  }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;

  // Closes the range and opens another; null opens none.
  void Next(const char* name);

 private:
  bool open_ = false;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_NVTX_RANGE_H_
