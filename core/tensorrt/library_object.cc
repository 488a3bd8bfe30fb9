#include "core/tensorrt/library_object.h"

#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/fork.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

// The layout of an interface object.
struct InterfaceObject {
  const void* const* vptr;
  void* implementation;
};

const void* const* VtableOf(void* object) { return *static_cast<const void* const**>(object); }

}  // namespace

LibraryObject::LibraryObject(std::shared_ptr<const Library> library, std::shared_ptr<const LibraryObject> parent,
                             void* interface_object, Method deleter)
    : library_(std::move(library)),
      parent_(std::move(parent)),
      interface_object_(interface_object),
      implementation_(static_cast<InterfaceObject*>(interface_object)->implementation),
      deleter_(deleter) {}

LibraryObject::~LibraryObject() {
  const int slot = table().slot(deleter_);
  if (slot < 0) return;  // no table lacks it; if one did, a leak would be better than a call into the unknown
  using Delete = void (*)(void*);
  const auto destroy = reinterpret_cast<Delete>(const_cast<void*>(VtableOf(interface_object_)[slot]));
  std::unique_lock<ForkableMutex<>> lock;
  if (parent_ != nullptr) lock = std::unique_lock(parent_->creation());
  destroy(interface_object_);
}

LibraryObject::AnyFunction LibraryObject::Lookup(Method method) const {
  const int slot = table().slot(method);
  if (slot < 0) return nullptr;
  return reinterpret_cast<AnyFunction>(const_cast<void*>(VtableOf(implementation_)[slot]));
}

LibraryObject::AnyFunction LibraryObject::Require(Method method) const {
  const AnyFunction function = Lookup(method);
  if (function == nullptr) {
    throw LibraryError(Cat(library_->Describe(), " has no ", MethodName(method), " (it follows the slot table of ",
                           table().release.ToString(), ")"));
  }
  return function;
}

}  // namespace nacelle::tensorrt
