// The objects that a caller hands in (logger, error recorder, output allocator, profiler, stream reader), called
// through their virtual tables as the presented release lays them out.
//
// Views: whoever handed an object in owns it and keeps it alive, as TensorRT asks.
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

// Where one object's messages go: always to the logger, errors to the object's error recorder too, where one is set.
// Copies share the logger and the recorder. Log and Fail may be called at once, as far as the caller's objects allow
// it (TensorRT demands that of them).
class Reporter {
 public:
  // `logger`: an ILogger, or nullptr for none.
  Reporter(const tensorrt::SlotTable& table, void* logger) : table_(&table), logger_(logger) {}
  Reporter(const Reporter& other);
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter();

  void Log(tensorrt::Severity severity, const std::string& message) const;
  // An error: to the logger at kERROR, and to the recorder.
  void Fail(tensorrt::ErrorCode code, const std::string& message) const;

  void* logger() const { return logger_; }
  void* recorder() const { return recorder_; }
  // Counts a reference to `recorder` (nullptr: none from here on) and gives the earlier one's back.
  void set_recorder(void* recorder);
  const tensorrt::SlotTable& table() const { return *table_; }

 private:
  const tensorrt::SlotTable* table_;
  void* logger_;
  void* recorder_ = nullptr;
};

// IOutputAllocator::reallocateOutputAsync, or reallocateOutput where the release has no other: memory of `bytes` bytes
// for the output `name`, `current` (may be nullptr) if it is large enough; nullptr: refused.
void* ReallocateOutput(const tensorrt::SlotTable& table, void* allocator, const char* name, void* current,
                       uint64_t bytes, void* stream);
// IOutputAllocator::notifyShape.
void NotifyShape(const tensorrt::SlotTable& table, void* allocator, const char* name, std::span<const int64_t> shape);

// IProfiler::reportLayerTime.
void ReportLayerTime(const tensorrt::SlotTable& table, void* profiler, const char* layer, float milliseconds);

// Everything that an IStreamReader or (`version` 2) IStreamReaderV2 gives. Throws PlanError where it gives more bytes
// than were asked for or fails.
std::string ReadStream(const tensorrt::SlotTable& table, void* reader, int version);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_CLIENT_H_
