#include "reference/interface_object.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <typeinfo>
#include <utility>

namespace nacelle::reference {
namespace {

using tensorrt::Method;

// Fills the slot of a method that is not supported. A register of zeros is false, null and 0 alike; methods that return
// a struct must be bound, since this cannot write one.
template <Method method>
uintptr_t Unsupported(Impl* impl) noexcept {
  impl->owner->reporter().Fail(tensorrt::ErrorCode::kUNSPECIFIED_ERROR,
                               Cat("the reference engine does not support ", tensorrt::MethodName(method)));
  return 0;
}

// Fills a slot that the presented release does not have.
template <size_t kSlot>
uintptr_t BeyondTheTable(Impl* impl) noexcept {
  const MethodTable& methods = MethodTable::Of(impl->table);
  impl->owner->reporter().Fail(
      tensorrt::ErrorCode::kUNSPECIFIED_ERROR,
      Cat("slot ", kSlot, " of ", methods.name(), " is not implemented by the reference engine: it follows TensorRT ",
          impl->owner->table().release.ToString(), ", where this class has ", methods.known(),
          " slots; the caller was built for a newer release"));
  return 0;
}

template <size_t... kSlots>
std::array<const void*, sizeof...(kSlots)> AllBeyondTheTable(std::index_sequence<kSlots...>) {
  return {reinterpret_cast<const void*>(&BeyondTheTable<kSlots>)...};
}

template <size_t... kIndices>
std::array<const void*, sizeof...(kIndices)> AllUnsupported(std::index_sequence<kIndices...>) {
  return {reinterpret_cast<const void*>(&Unsupported<static_cast<Method>(kIndices)>)...};
}

}  // namespace

InterfaceObject::~InterfaceObject() = default;

MethodTable::MethodTable(std::string name, std::span<const void* const> functions) : name_(std::move(name)) {
  static const auto beyond = AllBeyondTheTable(std::make_index_sequence<kTableSlots>());
  entries_ = {this, nullptr, &typeid(Impl)};
  entries_.insert(entries_.end(), beyond.begin(), beyond.end());
  for (const void* const function : functions) Append(function);
}

void MethodTable::Append(const void* function) {
  if (known_ == kTableSlots) throw std::length_error(Cat(name_, " has more than ", kTableSlots, " slots"));
  entries_[kPrefix + known_++] = function;
}

MethodTable::MethodTable(const tensorrt::SlotTable& table, tensorrt::Interface interface,
                         std::span<const Binding> bindings)
    : MethodTable(Cat("I", tensorrt::InterfaceName(interface)), {}) {
  static const auto fallbacks = AllUnsupported(std::make_index_sequence<tensorrt::kMethodCount>());
  for (const Method method : table.layout(interface)) {
    const auto bound = std::ranges::find(bindings, method, &Binding::method);
    if (bound == bindings.end()) unsupported_.push_back(method);
    Append(bound == bindings.end() ? fallbacks[static_cast<size_t>(method)] : bound->function);
  }
}

}  // namespace nacelle::reference
