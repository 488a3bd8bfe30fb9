#include "core/tensorrt/callbacks.h"

#include <algorithm>
#include <exception>
#include <span>
#include <typeinfo>

#include "core/error.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

using Head = Callback::Head;

// Run-time type of the callbacks, for a library that asks with dynamic_cast whether a callback can do more: the
// answer has to be no, not a crash.
struct Rtti {
  virtual ~Rtti() = default;
};

template <typename R, typename... P>
Callback::Function Erase(R (*function)(P...) noexcept) {
  return reinterpret_cast<Callback::Function>(function);
}

template <typename T>
T& Target(const Head* head) {
  return *static_cast<T*>(head->target);
}

// Runs `call`. If it throws, records `failure` with the reason as a message and returns `failed`.
template <typename R, typename F>
R Guard(const char* failure, R failed, const F& call) noexcept {
  try {
    return call();
  } catch (const std::exception& error) {
    try {
      RecordMessage(Severity::kERROR, Cat(failure, ": ", error.what()).c_str());
    } catch (...) {
      RecordMessage(Severity::kERROR, failure);
    }
  } catch (...) {
    RecordMessage(Severity::kERROR, failure);
  }
  return failed;
}

// The same for a call without a result.
template <typename F>
void GuardVoid(const char* failure, const F& call) noexcept {
  Guard(failure, false, [&] {
    call();
    return true;
  });
}

// Slots that every callback has.

// Our side owns the object: TensorRT's delete does nothing.
void Destroy(Head*) noexcept {}

APILanguage Language(const Head*) noexcept { return APILanguage::kCPP; }

// ILogger.

InterfaceInfo LoggerInfo(const Head*) noexcept { return {"ILogger", 1, 0}; }

void LoggerLog(Head* head, Severity severity, const char* text) noexcept {
  if (text == nullptr) return;
  try {
    Target<LogSink>(head).Log(severity, text);
  } catch (...) {
    // The failure of a logger cannot be logged.
  }
}

// IOutputAllocator.

InterfaceInfo OutputAllocatorInfo(const Head*) noexcept { return {"IOutputAllocator", 1, 0}; }

// The question of releases before 10.0 that getInterfaceInfo replaced.
int32_t OutputAllocatorVersion(const Head*) noexcept { return 1; }

void* Reallocate(Head* head, const char* tensor, void* current, uint64_t size, uint64_t alignment,
                 void* stream) noexcept {
  return Guard("the allocation of an output failed", static_cast<void*>(nullptr),
               [&] { return Target<OutputMemory>(head).Reallocate(tensor, current, size, alignment, stream); });
}

void* ReallocateOutput(Head* head, const char* tensor, void* current, uint64_t size, uint64_t alignment) noexcept {
  return Reallocate(head, tensor, current, size, alignment, nullptr);
}

template <typename Wire>
void NotifyShape(Head* head, const char* tensor, const Wire& shape) noexcept {
  GuardVoid("the notification of an output's shape failed",
            [&] { Target<OutputMemory>(head).NotifyShape(tensor, FromWire(shape)); });
}

// IProfiler.

InterfaceInfo ProfilerInfo(const Head*) noexcept { return {"IProfiler", 1, 0}; }

void ReportLayerTime(Head* head, const char* layer, float milliseconds) noexcept {
  GuardVoid("the report of a layer's time failed", [&] { Target<LayerTimes>(head).Report(layer, milliseconds); });
}

// IProgressMonitor.

InterfaceInfo ProgressMonitorInfo(const Head*) noexcept { return {"IProgressMonitor", 1, 0}; }

void PhaseStart(Head* head, const char* phase, const char* parent, int32_t steps) noexcept {
  GuardVoid("the report of a build's progress failed",
            [&] { Target<BuildProgress>(head).PhaseStarted(phase, parent, steps); });
}

bool StepComplete(Head* head, const char* phase, int32_t step) noexcept {
  return Guard("the report of a build's progress failed", false,
               [&] { return Target<BuildProgress>(head).StepDone(phase, step); });
}

void PhaseFinish(Head* head, const char* phase) noexcept {
  GuardVoid("the report of a build's progress failed", [&] { Target<BuildProgress>(head).PhaseDone(phase); });
}

}  // namespace

Callback::Callback(const SlotTable& table, Interface interface, std::initializer_list<Entry> entries, void* target)
    : head_{vtable_.data() + kPrefix, target} {
  const std::span<const Method> layout = table.layout(interface);
  if (layout.empty() || layout.size() > kMaxSlots) {
    throw LibraryError(Cat("the table of TensorRT ", table.release.ToString(), " lists ", layout.size(),
                           " functions for the callback ", InterfaceName(interface), "; wanted 1 to ", kMaxSlots));
  }
  vtable_[1] = &typeid(Rtti);
  for (size_t slot = 0; slot < layout.size(); ++slot) {
    const auto entry = std::find_if(entries.begin(), entries.end(),
                                    [&](const Entry& candidate) { return candidate.method == layout[slot]; });
    if (entry == entries.end()) {
      throw LibraryError(Cat("TensorRT ", table.release.ToString(), " calls ", MethodName(layout[slot]),
                             ", which Nacelle does not have; use a release before it, or a Nacelle that knows it"));
    }
    vtable_[kPrefix + slot] = reinterpret_cast<const void*>(entry->function);
  }
}

Logger::Logger(const SlotTable& table, LogSink& target)
    : Callback(table, Interface::kLogger,
               {
                   {Method::kLogger_getAPILanguage, Erase(Language)},
                   {Method::kLogger_getInterfaceInfo, Erase(LoggerInfo)},
                   {Method::kLogger_destroy, Erase(Destroy)},
                   {Method::kLogger_delete, Erase(Destroy)},
                   {Method::kLogger_log, Erase(LoggerLog)},
               },
               &target) {}

OutputAllocator::OutputAllocator(const SlotTable& table, OutputMemory& target)
    : Callback(table, Interface::kOutputAllocator,
               {
                   {Method::kOutputAllocator_getInterfaceVersion, Erase(OutputAllocatorVersion)},
                   {Method::kOutputAllocator_getAPILanguage, Erase(Language)},
                   {Method::kOutputAllocator_getInterfaceInfo, Erase(OutputAllocatorInfo)},
                   {Method::kOutputAllocator_destroy, Erase(Destroy)},
                   {Method::kOutputAllocator_delete, Erase(Destroy)},
                   {Method::kOutputAllocator_reallocateOutput, Erase(ReallocateOutput)},
                   {Method::kOutputAllocator_reallocateOutputAsync, Erase(Reallocate)},
                   {Method::kOutputAllocator_notifyShape,
                    table.dims64 ? Erase(NotifyShape<Dims64>) : Erase(NotifyShape<Dims32>)},
               },
               &target) {}

Profiler::Profiler(const SlotTable& table, LayerTimes& target)
    : Callback(table, Interface::kProfiler,
               {
                   {Method::kProfiler_getAPILanguage, Erase(Language)},
                   {Method::kProfiler_getInterfaceInfo, Erase(ProfilerInfo)},
                   {Method::kProfiler_destroy, Erase(Destroy)},
                   {Method::kProfiler_delete, Erase(Destroy)},
                   {Method::kProfiler_reportLayerTime, Erase(ReportLayerTime)},
               },
               &target) {}

ProgressMonitor::ProgressMonitor(const SlotTable& table, BuildProgress& target)
    : Callback(table, Interface::kProgressMonitor,
               {
                   {Method::kProgressMonitor_getAPILanguage, Erase(Language)},
                   {Method::kProgressMonitor_getInterfaceInfo, Erase(ProgressMonitorInfo)},
                   {Method::kProgressMonitor_destroy, Erase(Destroy)},
                   {Method::kProgressMonitor_delete, Erase(Destroy)},
                   {Method::kProgressMonitor_phaseStart, Erase(PhaseStart)},
                   {Method::kProgressMonitor_stepComplete, Erase(StepComplete)},
                   {Method::kProgressMonitor_phaseFinish, Erase(PhaseFinish)},
               },
               &target) {}

}  // namespace nacelle::tensorrt
