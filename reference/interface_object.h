// The interface objects that TensorRT's inline C++ wrappers expect.
//
// To a caller, an IRuntime (ICudaEngine, IExecutionContext …) is {virtual table, pointer to an implementation}. The
// wrapper's methods call through the virtual table of the implementation, whose slots differ between releases. Here the
// object is an InterfaceObject, an ordinary C++ class with a virtual destructor, so that `delete` works; the
// implementation is an Impl, whose table is made from the slot tables of the presented release.
//
//   caller ──▶ InterfaceObject { vptr, impl_ ──▶ Impl { table ──▶ functions by slot, owner ──▶ the InterfaceObject } }
#ifndef NACELLE_REFERENCE_INTERFACE_OBJECT_H_
#define NACELLE_REFERENCE_INTERFACE_OBJECT_H_

#include <exception>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/tensorrt/slot_table.h"
#include "core/text.h"
#include "reference/client.h"

namespace nacelle::reference {

class InterfaceObject;

// Stands for nvinfer1::apiv::VRuntime and the other implementations: the pointer to its table comes first.
struct Impl {
  const void* const* table;
  InterfaceObject* owner;
};

// The base of all interface objects. The caller owns one that it gets, and deletes it.
class InterfaceObject {
 public:
  InterfaceObject(const InterfaceObject&) = delete;
  InterfaceObject& operator=(const InterfaceObject&) = delete;
  virtual ~InterfaceObject();  // slots 0 and 1, as in every TensorRT release

  Reporter& reporter() { return reporter_; }
  const Reporter& reporter() const { return reporter_; }
  const tensorrt::SlotTable& table() const { return reporter_.table(); }

  // Methods of several interfaces.
  void* GetPImpl() { return this; }
  void SetErrorRecorder(void* recorder) { reporter_.set_recorder(recorder); }
  void* GetErrorRecorder() { return reporter_.recorder(); }
  void DeleteThis() { delete this; }

 protected:
  InterfaceObject(const void* const* methods, const Reporter& reporter)
      : impl_(&impl_storage_), impl_storage_{methods, this}, reporter_(reporter) {}

  // Returns the implementation, for interfaces that callers call directly.
  Impl* impl() const { return impl_; }

 private:
  Impl* const impl_;  // second word of the object: TensorRT's wrappers read it there
  Impl impl_storage_;
  Reporter reporter_;
};

// A method of an interface, with the function for its slot.
struct Binding {
  tensorrt::Method method;
  const void* function;
};

namespace internal {

template <auto Function>
struct Bound;

// Returns the result of a method that threw: false, null, 0, no shape.
template <typename R>
R Nothing() {
  if constexpr (!std::is_void_v<R>) return R{};
}

template <typename C, typename R, typename... Args>
R CallSafely(Impl* impl, R (C::*function)(Args...), Args... args) noexcept {
  C* const self = static_cast<C*>(impl->owner);
  try {
    return (self->*function)(args...);
  } catch (const std::exception& error) {
    self->reporter().Fail(tensorrt::ErrorCode::kINTERNAL_ERROR, Cat("reference engine: ", error.what()));
  } catch (...) {
    self->reporter().Fail(tensorrt::ErrorCode::kINTERNAL_ERROR, "reference engine: an exception of unknown type");
  }
  return Nothing<R>();
}

template <typename C, typename R, typename... Args, R (C::*Function)(Args...)>
struct Bound<Function> {
  static R Call(Impl* impl, Args... args) noexcept { return CallSafely<C, R, Args...>(impl, Function, args...); }
};

}  // namespace internal

// Binds `Function`, a member of an InterfaceObject's class, to the slot of `method`. Its parameters and result must
// match those of the presented release in the C++ ABI: pointers for references, integers for enums.
template <auto Function>
Binding Bind(tensorrt::Method method) {
  return {method, reinterpret_cast<const void*>(&internal::Bound<Function>::Call)};
}

// Number of slots of every virtual table, more than any known release uses. A slot that the presented release lacks,
// but a caller built for a newer release may call, has a function that logs the class and the slot, and returns 0, null
// or false.
inline constexpr size_t kTableSlots = 192;

// The virtual table of one class. Not movable: the table points back to this object.
class MethodTable {
 public:
  // Makes the table of `interface` in the release of `table`. Methods that `bindings` lacks log that they are not
  // supported, and return 0, null or false.
  MethodTable(const tensorrt::SlotTable& table, tensorrt::Interface interface, std::span<const Binding> bindings);
  // Makes the table of the class `name` from `functions`, which are in the order of their slots.
  MethodTable(std::string name, std::span<const void* const> functions);
  MethodTable(const MethodTable&) = delete;
  MethodTable& operator=(const MethodTable&) = delete;

  const void* const* get() const { return entries_.data() + kPrefix; }
  // Returns the MethodTable whose get() is `table`.
  static const MethodTable& Of(const void* const* table) {
    return *static_cast<const MethodTable*>(*(table - kPrefix));
  }

  const std::string& name() const { return name_; }  // "IRuntime"
  size_t known() const { return known_; }            // number of slots in the presented release
  // Returns the methods of the release that `bindings` lacked.
  const std::vector<tensorrt::Method>& unsupported() const { return unsupported_; }

 private:
  void Append(const void* function);  // fills the next slot

  // This object, then the offset to top and the type information that the C++ ABI puts before slot 0.
  static constexpr size_t kPrefix = 3;
  const std::string name_;
  std::vector<const void*> entries_;
  size_t known_ = 0;
  std::vector<tensorrt::Method> unsupported_;
};

// Returns the table of T's methods in the presented release; `table` is the same at every call. Never destroyed, since
// objects may outlive this library's static ones.
template <typename T>
const void* const* MethodsOf(const tensorrt::SlotTable& table) {
  static const MethodTable& methods = *new MethodTable(table, T::kInterface, T::Bindings(table));
  return methods.get();
}

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_INTERFACE_OBJECT_H_
