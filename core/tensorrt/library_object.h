// An object of a TensorRT library, called through slots; the typed handles of handles.h are made of it.
//
// Internal to core/tensorrt.
//
//   const int32_t count = object.Call<int32_t()>(Method::kCudaEngine_getNbIOTensors);
#ifndef NACELLE_CORE_TENSORRT_LIBRARY_OBJECT_H_
#define NACELLE_CORE_TENSORRT_LIBRARY_OBJECT_H_

#include <memory>

#include "core/fork.h"
#include "core/tensorrt/library.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// An owner of an interface object of a library (IRuntime, ICudaEngine …). Interface objects are {vptr, pointer to the
// implementation}: methods are called on the implementation, deletion goes through the interface object. Destroying a
// LibraryObject deletes the interface object, then lets go of its parent and library.
//
// A handle and the objects made from it share it, so that children are always deleted before their parents, whatever
// the order in which handles go. Immutable but for `creation`; any thread may use Call as far as TensorRT allows the
// method that is called.
class LibraryObject {
 public:
  // Takes ownership of `interface_object`, which is not null and has `deleter` as its deleting destructor.
  LibraryObject(std::shared_ptr<const Library> library, std::shared_ptr<const LibraryObject> parent,
                void* interface_object, Method deleter);
  ~LibraryObject();
  LibraryObject(const LibraryObject&) = delete;
  LibraryObject& operator=(const LibraryObject&) = delete;

  const std::shared_ptr<const Library>& library() const { return library_; }
  const SlotTable& table() const { return library_->table(); }
  void* interface_object() const { return interface_object_; }
  void* implementation() const { return implementation_; }

  // Calls a method of the implementation; Signature is the method's, written as a function type. Throws LibraryError,
  // which names method and release, if the release lacks it.
  template <typename Signature, typename... Args>
  auto Call(Method method, Args... args) const {
    return Function<Signature>(method)(implementation_, args...);
  }

  // Returns the function behind a method, for hot paths; null if the release lacks it. Valid as long as the object.
  template <typename Signature>
  auto FunctionOrNull(Method method) const {
    return reinterpret_cast<typename Slot<Signature>::Type>(Lookup(method));
  }

  // Returns the function behind a method; throws LibraryError if the release lacks it. Valid as long as the object.
  template <typename Signature>
  auto Function(Method method) const {
    return reinterpret_cast<typename Slot<Signature>::Type>(Require(method));
  }

  // Lock it while you make an object from this one: TensorRT does not promise that two may be made at once.
  ForkableMutex<>& creation() const { return creation_; }

 private:
  template <typename Signature>
  struct Slot;
  template <typename R, typename... P>
  struct Slot<R(P...)> {
    using Type = R (*)(void*, P...);
  };

  using AnyFunction = void (*)();
  AnyFunction Lookup(Method method) const;
  AnyFunction Require(Method method) const;

  const std::shared_ptr<const Library> library_;
  const std::shared_ptr<const LibraryObject> parent_;
  void* const interface_object_;
  void* const implementation_;
  const Method deleter_;
  mutable ForkableMutex<> creation_;
};

// Calls a slot of the virtual table of an object that is owned elsewhere. R and Args are those of the method.
template <typename R, typename... Args>
R CallSlot(void* object, int slot, Args... args) {
  return reinterpret_cast<R (*)(void*, Args...)>((*static_cast<void***>(object))[slot])(object, args...);
}

// Returns the implementation of an interface object, on which its methods are called.
inline void* ImplementationOf(void* interface_object) { return static_cast<void**>(interface_object)[1]; }

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_LIBRARY_OBJECT_H_
