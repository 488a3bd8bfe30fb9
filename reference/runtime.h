// IRuntime: makes engines of plans.
#ifndef NACELLE_REFERENCE_RUNTIME_H_
#define NACELLE_REFERENCE_RUNTIME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reference/interface_object.h"
#include "reference/plugin_registry.h"

namespace nacelle::reference {

// Any threads may deserialize engines at once; the settings are for one thread at a time.
class Runtime final : public InterfaceObject {
 public:
  // `logger` is the caller's ILogger, not null; it outlives the runtime and everything made from it.
  Runtime(const tensorrt::SlotTable& table, void* logger);

  // Returns a new engine, which the caller owns. Returns null, and reports the reason, for bytes that are no plan or
  // cannot run. Copies `plan`.
  void* DeserializeCudaEngine(const void* plan, uint64_t size);
  void* DeserializeFromStream(void* reader);    // IStreamReader
  void* DeserializeFromStreamV2(void* reader);  // IStreamReaderV2

  void* GetLogger();
  bool SetMaxThreads(int32_t threads);
  int32_t GetMaxThreads();
  // Settings that are stored and returned, without effect.
  void SetDLACore(int32_t core);
  int32_t GetDLACore();
  int32_t GetNbDLACores();
  void SetGpuAllocator(void* allocator);
  void SetTemporaryDirectory(const char* path);
  const char* GetTemporaryDirectory();
  void SetTempfileControlFlags(uint32_t flags);
  uint32_t GetTempfileControlFlags();
  void SetEngineHostCodeAllowed(bool allowed);
  bool GetEngineHostCodeAllowed();
  void* GetPluginRegistry();  // the runtime's own; it lives as long as the runtime

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kRuntime;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  void* Deserialize(std::string bytes);
  void* DeserializeStream(void* reader, int version);

  int32_t max_threads_ = 1;
  std::string temporary_directory_;
  uint32_t tempfile_flags_ = 0;
  bool host_code_allowed_ = false;
  PluginRegistry plugins_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_RUNTIME_H_
