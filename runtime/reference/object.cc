#include "runtime/reference/object.h"

#include <algorithm>
#include <array>
#include <typeinfo>
#include <utility>

namespace nacelle::reference {
namespace {

using tensorrt::Method;

// Stands in the slot of a method that is not supported. An integer register of zeros is false, null and 0 alike;
// methods that return a struct have to be bound, since this could not write one.
template <Method method>
uintptr_t Unsupported(Impl* impl) noexcept {
  impl->owner->reporter().Fail(tensorrt::ErrorCode::kUNSPECIFIED_ERROR,
                               Cat("the reference engine does not support ", tensorrt::MethodName(method)));
  return 0;
}

template <size_t... kIndices>
std::array<const void*, sizeof...(kIndices)> AllUnsupported(std::index_sequence<kIndices...>) {
  return {reinterpret_cast<const void*>(&Unsupported<static_cast<Method>(kIndices)>)...};
}

}  // namespace

Object::~Object() = default;

MethodTable::MethodTable(const tensorrt::SlotTable& table, tensorrt::Interface interface,
                         std::span<const Binding> bindings) {
  static const auto fallbacks = AllUnsupported(std::make_index_sequence<tensorrt::kMethodCount>());
  entries_ = {nullptr, &typeid(Impl)};
  for (const Method method : table.layout(interface)) {
    const auto bound = std::ranges::find(bindings, method, &Binding::method);
    if (bound == bindings.end()) unsupported_.push_back(method);
    entries_.push_back(bound == bindings.end() ? fallbacks[static_cast<size_t>(method)] : bound->function);
  }
}

}  // namespace nacelle::reference
