#include "reference/client.h"

#include "core/error.h"
#include "core/text.h"
#include "reference/dims.h"

namespace nacelle::reference {

using tensorrt::Method;

Reporter::Reporter(const Reporter& other) : table_(other.table_), logger_(other.logger_) {
  set_recorder(other.recorder_);
}

Reporter::~Reporter() { set_recorder(nullptr); }

void Reporter::Log(tensorrt::Severity severity, const std::string& message) const {
  if (logger_ == nullptr) return;
  CallSlot<void>(logger_, table_->slot(Method::kLogger_log), static_cast<int32_t>(severity), message.c_str());
}

void Reporter::Fail(tensorrt::ErrorCode code, const std::string& message) const {
  Log(tensorrt::Severity::kERROR, message);
  if (recorder_ == nullptr) return;
  CallSlot<bool>(recorder_, table_->slot(Method::kErrorRecorder_reportError), static_cast<int32_t>(code),
                 message.c_str());
}

void Reporter::set_recorder(void* recorder) {
  if (recorder == recorder_) return;
  if (recorder != nullptr) CallSlot<int32_t>(recorder, table_->slot(Method::kErrorRecorder_incRefCount));
  if (recorder_ != nullptr) CallSlot<int32_t>(recorder_, table_->slot(Method::kErrorRecorder_decRefCount));
  recorder_ = recorder;
}

void* ReallocateOutput(const tensorrt::SlotTable& table, void* allocator, const char* name, void* current,
                       uint64_t bytes, void* stream) {
  constexpr uint64_t kAlignment = 64;
  const int asynchronous = table.slot(Method::kOutputAllocator_reallocateOutputAsync);
  if (asynchronous >= 0) {
    return CallSlot<void*>(allocator, asynchronous, name, current, bytes, kAlignment, stream);
  }
  return CallSlot<void*>(allocator, table.slot(Method::kOutputAllocator_reallocateOutput), name, current, bytes,
                         kAlignment);
}

void NotifyShape(const tensorrt::SlotTable& table, void* allocator, const char* name, std::span<const int64_t> shape) {
  const int slot = table.slot(Method::kOutputAllocator_notifyShape);
  if (table.dims64) {
    const Dims64 dims = Dims64::From(shape);
    CallSlot<void>(allocator, slot, name, &dims);
  } else {
    const Dims32 dims = Dims32::From(shape);
    CallSlot<void>(allocator, slot, name, &dims);
  }
}

void ReportLayerTime(const tensorrt::SlotTable& table, void* profiler, const char* layer, float milliseconds) {
  CallSlot<void>(profiler, table.slot(Method::kProfiler_reportLayerTime), layer, milliseconds);
}

std::string ReadStream(const tensorrt::SlotTable& table, void* reader, int version) {
  constexpr int64_t kChunk = int64_t{1} << 20;
  std::string bytes;
  while (true) {
    const size_t size = bytes.size();
    bytes.resize(size + kChunk);
    void* const to = bytes.data() + size;
    void* const no_stream = nullptr;
    const int64_t count =
        version == 2 ? CallSlot<int64_t>(reader, table.slot(Method::kStreamReaderV2_read), to, kChunk, no_stream)
                     : CallSlot<int64_t>(reader, table.slot(Method::kStreamReader_read), to, kChunk);
    if (count < 0 || count > kChunk) {
      throw PlanError(Cat("the stream reader gave ", count, " bytes at byte ", size,
                          " of the plan; wanted 0 (the end) to ", kChunk));
    }
    bytes.resize(size + static_cast<size_t>(count));
    if (count == 0) return bytes;
  }
}

}  // namespace nacelle::reference
