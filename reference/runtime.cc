#include "reference/runtime.h"

#include <memory>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "reference/cuda_engine.h"
#include "reference/loaded_plan.h"
#include "reference/open_mp.h"

namespace nacelle::reference {

using tensorrt::ErrorCode;
using tensorrt::Method;

Runtime::Runtime(const tensorrt::SlotTable& table, void* logger)
    : InterfaceObject(MethodsOf<Runtime>(table), Reporter(table, logger)), plugins_(reporter()) {
  PrepareOpenMpForForks();
}

void* Runtime::Deserialize(std::string bytes) {
  try {
    reporter().Log(tensorrt::Severity::kINFO, Cat("reading a plan of ", bytes.size(), " bytes"));
    return new CudaEngine(std::make_shared<LoadedPlan>(std::move(bytes), table()), reporter());
  } catch (const PlanError& error) {
    reporter().Fail(ErrorCode::kINVALID_ARGUMENT, Cat("IRuntime::deserializeCudaEngine: ", error.what()));
    return nullptr;
  }
}

void* Runtime::DeserializeCudaEngine(const void* plan, uint64_t size) {
  if (plan == nullptr || size == 0) {
    reporter().Fail(ErrorCode::kINVALID_ARGUMENT,
                    Cat("IRuntime::deserializeCudaEngine: a plan of ", size, " bytes at ", plan, "; wanted a plan"));
    return nullptr;
  }
  return Deserialize(std::string(static_cast<const char*>(plan), size));
}

void* Runtime::DeserializeStream(void* reader, int version) {
  if (reader == nullptr) {
    reporter().Fail(ErrorCode::kINVALID_ARGUMENT, "IRuntime::deserializeCudaEngine: no stream reader");
    return nullptr;
  }
  return Deserialize(ReadStream(table(), reader, version));
}

void* Runtime::DeserializeFromStream(void* reader) { return DeserializeStream(reader, 1); }
void* Runtime::DeserializeFromStreamV2(void* reader) { return DeserializeStream(reader, 2); }

void* Runtime::GetLogger() { return reporter().logger(); }

bool Runtime::SetMaxThreads(int32_t threads) {
  if (threads < 1) {
    reporter().Fail(ErrorCode::kINVALID_ARGUMENT, Cat("IRuntime::setMaxThreads: ", threads, "; wanted 1 or more"));
    return false;
  }
  max_threads_ = threads;
  return true;
}

int32_t Runtime::GetMaxThreads() { return max_threads_; }
void Runtime::SetDLACore(int32_t core) {
  reporter().Fail(ErrorCode::kINVALID_ARGUMENT, Cat("IRuntime::setDLACore: ", core, "; there is no DLA core here"));
}
int32_t Runtime::GetDLACore() { return 0; }
int32_t Runtime::GetNbDLACores() { return 0; }
void Runtime::SetGpuAllocator(void* /*allocator*/) {}
void Runtime::SetTemporaryDirectory(const char* path) { temporary_directory_ = path == nullptr ? "" : path; }
const char* Runtime::GetTemporaryDirectory() { return temporary_directory_.c_str(); }
void Runtime::SetTempfileControlFlags(uint32_t flags) { tempfile_flags_ = flags; }
uint32_t Runtime::GetTempfileControlFlags() { return tempfile_flags_; }
void Runtime::SetEngineHostCodeAllowed(bool allowed) { host_code_allowed_ = allowed; }
bool Runtime::GetEngineHostCodeAllowed() { return host_code_allowed_; }
void* Runtime::GetPluginRegistry() { return plugins_.face(); }

std::vector<Binding> Runtime::Bindings(const tensorrt::SlotTable& /*table*/) {
  using C = Runtime;
  return {
      Bind<&C::DeleteThis>(Method::kRuntime_delete),
      Bind<&C::GetPImpl>(Method::kRuntime_getPImpl),
      Bind<&C::SetErrorRecorder>(Method::kRuntime_setErrorRecorder),
      Bind<&C::GetErrorRecorder>(Method::kRuntime_getErrorRecorder),
      // Before 10.0 it has a third parameter, an unused pointer, which the C++ ABI lets a callee ignore.
      Bind<&C::DeserializeCudaEngine>(Method::kRuntime_deserializeCudaEngine),
      Bind<&C::DeserializeFromStream>(Method::kRuntime_deserializeCudaEngine_streamReader),
      Bind<&C::DeserializeFromStreamV2>(Method::kRuntime_deserializeCudaEngineV2),
      Bind<&C::GetLogger>(Method::kRuntime_getLogger),
      Bind<&C::SetMaxThreads>(Method::kRuntime_setMaxThreads),
      Bind<&C::GetMaxThreads>(Method::kRuntime_getMaxThreads),
      Bind<&C::SetDLACore>(Method::kRuntime_setDLACore),
      Bind<&C::GetDLACore>(Method::kRuntime_getDLACore),
      Bind<&C::GetNbDLACores>(Method::kRuntime_getNbDLACores),
      Bind<&C::SetGpuAllocator>(Method::kRuntime_setGpuAllocator),
      Bind<&C::SetTemporaryDirectory>(Method::kRuntime_setTemporaryDirectory),
      Bind<&C::GetTemporaryDirectory>(Method::kRuntime_getTemporaryDirectory),
      Bind<&C::SetTempfileControlFlags>(Method::kRuntime_setTempfileControlFlags),
      Bind<&C::GetTempfileControlFlags>(Method::kRuntime_getTempfileControlFlags),
      Bind<&C::SetEngineHostCodeAllowed>(Method::kRuntime_setEngineHostCodeAllowed),
      Bind<&C::GetEngineHostCodeAllowed>(Method::kRuntime_getEngineHostCodeAllowed),
      Bind<&C::GetPluginRegistry>(Method::kRuntime_getPluginRegistry),
  };
}

}  // namespace nacelle::reference
