// Objects that TensorRT calls: logger, output allocator, profiler, progress monitor.
//
// TensorRT wants objects of its own C++ classes. Each class here is such an object, with a virtual table filled by
// hand in the order of the release at hand, which forwards to a plain C++ interface that users of core/ implement.
//
// Ownership: a callback refers to its target and does not own it. Callback and target stay in place and live
// until TensorRT holds the callback no longer (until another one, or none, is set, or its holder is destroyed).
// TensorRT never deletes a callback: its destructor slots do nothing.
// Threads: TensorRT calls back on the thread that called it and on threads of its own; each interface says what that
// means. The objects themselves are constant after their constructors.
// Errors: what a target throws does not reach TensorRT; it is recorded as a message (messages.h) and the callback
// gives TensorRT the value for failure.
#ifndef NACELLE_CORE_TENSORRT_CALLBACKS_H_
#define NACELLE_CORE_TENSORRT_CALLBACKS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <vector>

#include "core/tensorrt/dims.h"
#include "core/tensorrt/log.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// nvinfer1::InterfaceInfo, by which TensorRT asks a callback what it is (10.0 and later).
struct InterfaceInfo {
  const char* kind;
  int32_t major;
  int32_t minor;
};
static_assert(sizeof(InterfaceInfo) == layout::kInterfaceInfoSize);
static_assert(offsetof(InterfaceInfo, major) == layout::kInterfaceInfo_major);
static_assert(offsetof(InterfaceInfo, minor) == layout::kInterfaceInfo_minor);

// The part that all callbacks share: an object whose first word points to a virtual table of its own.
class Callback {
 public:
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

  // Returns the object for TensorRT.
  void* object() { return &head_; }

  // A function of a virtual table, whatever its parameters; each takes a Head* first.
  using Function = void (*)();
  struct Entry {
    Method method;
    Function function;
  };

  // The object as TensorRT sees it. `target` is what the functions of the table forward to.
  struct Head {
    const void* const* vptr;
    void* target;
  };

 protected:
  // Fills the virtual table in the order of table.layout(interface). Throws LibraryError if the release has a
  // method that `entries` lacks, or lacks the interface. No more than kMaxSlots methods.
  Callback(const SlotTable& table, Interface interface, std::initializer_list<Entry> entries, void* target);
  ~Callback() = default;

 private:
  static constexpr size_t kMaxSlots = 16;
  static constexpr size_t kPrefix = 2;  // offset to top and run-time type, before the first slot

  Head head_;
  std::array<const void*, kPrefix + kMaxSlots> vtable_ = {};
};

// nvinfer1::ILogger. The target's Log is called by several threads at once.
class Logger final : public Callback {
 public:
  Logger(const SlotTable& table, LogSink& target);
};

// Provides the memory of an output whose size is not known beforehand. One per output and execution context; its
// methods are not called at the same time as long as the context is used by one thread at a time.
class OutputMemory {
 public:
  virtual ~OutputMemory() = default;

  // Returns memory for `size` bytes at a multiple of `alignment`, ready for use on `stream` (a cudaStream_t; null
  // before 10.0, which means the stream that is enqueued on); null if there is none. `current` is the memory returned
  // last, or the tensor's address; it is not needed any more.
  virtual void* Reallocate(const char* tensor, void* current, uint64_t size, uint64_t alignment, void* stream) = 0;

  // Receives the output's shape as soon as it is known: for most engines during enqueue.
  virtual void NotifyShape(const char* tensor, const Dims& shape) = 0;
};

// nvinfer1::IOutputAllocator.
class OutputAllocator final : public Callback {
 public:
  OutputAllocator(const SlotTable& table, OutputMemory& target);
};

// Receives how long each layer took. Called by the thread that enqueues, or that calls ReportToProfiler.
class LayerTimes {
 public:
  virtual ~LayerTimes() = default;
  virtual void Report(const char* layer, float milliseconds) = 0;
};

// nvinfer1::IProfiler.
class Profiler final : public Callback {
 public:
  Profiler(const SlotTable& table, LayerTimes& target);
};

// Hears about the phases of a build, which nest: "Building Engine" has parts of its own. Called by the thread that
// builds and by threads of TensorRT's own, several at once. Strings are valid during the call.
class BuildProgress {
 public:
  virtual ~BuildProgress() = default;

  // `parent` is null for the outermost phase.
  virtual void PhaseStarted(const char* phase, const char* parent, int32_t steps) = 0;
  // Step `step` (from 0) is done. False: the build is to be given up.
  virtual bool StepDone(const char* phase, int32_t step) = 0;
  virtual void PhaseDone(const char* phase) = 0;
};

// nvinfer1::IProgressMonitor (9.1 and later). What its target throws gives the build up.
class ProgressMonitor final : public Callback {
 public:
  ProgressMonitor(const SlotTable& table, BuildProgress& target);
};

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_CALLBACKS_H_
