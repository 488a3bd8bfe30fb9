#include "reference/plugin_registry.h"

#include <vector>

#include "core/text.h"
#include "reference/presented.h"

namespace nacelle::reference {
namespace {

template <auto Function>
const void* SlotOf() {
  return reinterpret_cast<const void*>(&internal::Bound<Function>::Call);
}

// Returns the functions in the order of their slots. The slot tables do not list this class; the order is that in which
// NVIDIA's bindings call it (//tests/conformance:builder_slots_*_test), one for 8.5 to 10.x and one from 11.0 on.
std::vector<const void*> Functions(int major) {
  using C = PluginRegistry;
  std::vector<const void*> functions;
  // The first kind of creators, gone in 11.0: registerCreator, getPluginCreatorList, getPluginCreator.
  if (major < 11) functions = {SlotOf<&C::RegisterCreator>(), SlotOf<&C::ListCreators>(), SlotOf<&C::FindCreator>()};
  functions.insert(functions.end(), {SlotOf<&C::Keep>(), SlotOf<&C::Keep>(), SlotOf<&C::SetErrorRecorder>(),
                                     SlotOf<&C::GetErrorRecorder>()});
  if (major < 11) functions.push_back(SlotOf<&C::DeregisterCreator>());
  functions.insert(functions.end(), {
                                        SlotOf<&C::IsParentSearchEnabled>(),
                                        SlotOf<&C::SetParentSearchEnabled>(),
                                        SlotOf<&C::LoadLibrary>(),
                                        SlotOf<&C::DeregisterLibrary>(),
                                        // From 10.0 on.
                                        SlotOf<&C::RegisterCreator>(),
                                        SlotOf<&C::ListCreators>(),
                                        SlotOf<&C::FindCreator>(),
                                        SlotOf<&C::DeregisterCreator>(),
                                        SlotOf<&C::AcquireResource>(),
                                        SlotOf<&C::ReleaseResource>(),
                                        SlotOf<&C::ListCreators>(),  // with those of parents; from 10.10 on
                                    });
  return functions;
}

const void* const* Methods(const tensorrt::SlotTable& table) {
  static const MethodTable& methods = *new MethodTable("IPluginRegistry", Functions(table.release.major));
  return methods.get();
}

}  // namespace

PluginRegistry::PluginRegistry(const Reporter& reporter) : InterfaceObject(Methods(reporter.table()), reporter) {}

void PluginRegistry::Refuse(const std::string& message) const {
  reporter().Fail(tensorrt::ErrorCode::kUNSPECIFIED_ERROR, message);
}

void PluginRegistry::Keep() {}

bool PluginRegistry::RegisterCreator(void* /*creator*/, const char* /*plugin_namespace*/) {
  Refuse("IPluginRegistry::registerCreator: the reference engine runs no plugins");
  return false;
}

bool PluginRegistry::DeregisterCreator(const void* /*creator*/) { return false; }

void* PluginRegistry::ListCreators(int32_t* count) {
  if (count != nullptr) *count = 0;
  return nullptr;
}

void* PluginRegistry::FindCreator(const char* /*name*/, const char* /*version*/, const char* /*plugin_namespace*/) {
  return nullptr;
}

bool PluginRegistry::IsParentSearchEnabled() { return parent_search_; }
void PluginRegistry::SetParentSearchEnabled(bool enabled) { parent_search_ = enabled; }

void* PluginRegistry::LoadLibrary(const char* path) {
  Refuse(Cat("IPluginRegistry::loadLibrary: ", Quote(path == nullptr ? "" : path, 400),
             "; the reference engine runs no plugins"));
  return nullptr;
}

void PluginRegistry::DeregisterLibrary(void* handle) {
  Refuse(Cat("IPluginRegistry::deregisterLibrary: ", handle, " is no library of plugins; none can be loaded here"));
}

void* PluginRegistry::AcquireResource(const char* key, void* /*resource*/) {
  Refuse(Cat("IPluginRegistry::acquirePluginResource: ", Quote(key == nullptr ? "" : key),
             "; the reference engine runs no plugins"));
  return nullptr;
}

int32_t PluginRegistry::ReleaseResource(const char* key) {
  Refuse(Cat("IPluginRegistry::releasePluginResource: no resource is held for ", Quote(key == nullptr ? "" : key)));
  return -1;
}

PluginRegistry& GlobalPluginRegistry() {
  static PluginRegistry& registry = *new PluginRegistry([] {
    // If the environment names no known release, stderr says so, and callers get a registry all the same.
    const tensorrt::SlotTable* const table = PresentedTable();
    return Reporter(table == nullptr ? tensorrt::SlotTables().back() : *table, nullptr);
  }());
  return registry;
}

}  // namespace nacelle::reference
