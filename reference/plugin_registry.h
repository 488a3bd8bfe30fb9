// IPluginRegistry: the creators of plugins, of which the reference engine has none.
//
// A registry is there all the same. Libraries that link with TensorRT call it without a look at the pointer, some of
// them from a static initializer.
#ifndef NACELLE_REFERENCE_PLUGIN_REGISTRY_H_
#define NACELLE_REFERENCE_PLUGIN_REGISTRY_H_

#include <cstdint>

#include "reference/interface_object.h"

namespace nacelle::reference {

// A registry without creators: every search finds nothing, every registration is refused. Without a logger, refusals
// are told to the error recorder alone. The settings are for one thread at a time.
class PluginRegistry final : public InterfaceObject {
 public:
  explicit PluginRegistry(const Reporter& reporter);

  // The object that a caller takes for an IPluginRegistry. It belongs to this one; its destructor does nothing.
  void* face() const { return impl(); }

  void Keep();  // the destructor, which callers cannot reach
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

// The registry of the process, which getPluginRegistry() gives: one without a logger.
PluginRegistry& GlobalPluginRegistry();

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PLUGIN_REGISTRY_H_
