// Calls to the caller's own objects: logger, error recorder, output allocator, profiler, stream reader.
//
// They are called through their virtual tables, in the layout of the presented release. The caller owns them and keeps
// them alive, as TensorRT asks.
#ifndef NACELLE_REFERENCE_CLIENT_H_
#define NACELLE_REFERENCE_CLIENT_H_

#include <cstdint>
#include <span>
#include <string>

#include "core/tensorrt/slot_table.h"

namespace nacelle::reference {

// Calls the function in `slot` of the virtual table of `object`.
template <typename R, typename... Args>
R CallSlot(void* object, int slot, Args... args) {
  void** const table = *static_cast<void***>(object);
  return reinterpret_cast<R (*)(void*, Args...)>(table[slot])(object, args...);
}

// Sends the messages of an object to the logger, and its errors to the error recorder too if one is set. Copies share
// the logger and the recorder. Threads may call Log and Fail at once, as far as the caller's objects allow it (TensorRT
// demands that of them).
class Reporter {
 public:
  // `logger` is an ILogger, or null for none.
  Reporter(const tensorrt::SlotTable& table, void* logger) : table_(&table), logger_(logger) {}
  Reporter(const Reporter& other);
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter();

  void Log(tensorrt::Severity severity, const std::string& message) const;
  // Reports an error: to the logger at kERROR, and to the recorder.
  void Fail(tensorrt::ErrorCode code, const std::string& message) const;

  void* logger() const { return logger_; }
  void* recorder() const { return recorder_; }
  // Takes a reference to `recorder`, or none if it is null, and drops that to the former recorder.
  void set_recorder(void* recorder);
  const tensorrt::SlotTable& table() const { return *table_; }

 private:
  const tensorrt::SlotTable* table_;
  void* logger_;
  void* recorder_ = nullptr;
};

// Calls IOutputAllocator::reallocateOutputAsync, or reallocateOutput if the release lacks it. Returns memory of `bytes`
// bytes for the output `name`, which may be `current` (null for none); null if the allocator refuses.
void* ReallocateOutput(const tensorrt::SlotTable& table, void* allocator, const char* name, void* current,
                       uint64_t bytes, void* stream);
// Calls IOutputAllocator::notifyShape.
void NotifyShape(const tensorrt::SlotTable& table, void* allocator, const char* name, std::span<const int64_t> shape);

// Calls IProfiler::reportLayerTime.
void ReportLayerTime(const tensorrt::SlotTable& table, void* profiler, const char* layer, float milliseconds);

// Returns all bytes of an IStreamReader or (`version` 2) IStreamReaderV2. Throws PlanError if it fails or returns more
// bytes than asked for.
std::string ReadStream(const tensorrt::SlotTable& table, void* reader, int version);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_CLIENT_H_
