// IPluginRegistry: an empty registry of plugin creators.
//
// The reference engine runs no plugins, but needs a registry: libraries that link with TensorRT call it without
// checking the pointer, some of them from a static initializer.
#ifndef NACELLE_REFERENCE_PLUGIN_REGISTRY_H_
#define NACELLE_REFERENCE_PLUGIN_REGISTRY_H_

#include <cstdint>

#include "reference/interface_object.h"

namespace nacelle::reference {

// A registry without creators: every search finds nothing, every registration is refused. Without a logger, only the
// error recorder learns of refusals. The settings are for one thread at a time.
class PluginRegistry final : public InterfaceObject {
 public:
  explicit PluginRegistry(const Reporter& reporter);

  // Returns the IPluginRegistry for callers. This object owns it; its destructor slots do nothing.
  void* face() const { return impl(); }

  void Keep();  // fills the destructor slots, and does nothing
  bool RegisterCreator(void* creator, const char* plugin_namespace);
  bool DeregisterCreator(const void* creator);
  void* ListCreators(int32_t* count);
  void* FindCreator(const char* name, const char* version, const char* plugin_namespace);
  bool IsParentSearchEnabled();
  void SetParentSearchEnabled(bool enabled);
  void* LoadLibrary(const char* path);
  void DeregisterLibrary(void* handle);
  void* AcquireResource(const char* key, void* resource);
  int32_t ReleaseResource(const char* key);

 private:
  void Refuse(const std::string& message) const;

  bool parent_search_ = true;
};

// Returns the registry of the process, without a logger, which getPluginRegistry() returns too. Never destroyed.
PluginRegistry& GlobalPluginRegistry();

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PLUGIN_REGISTRY_H_
