// The slot tables with a mistake: two methods of a class change places, or a method and all after it move by one slot.
// Linked into a library of its own (see BUILD), in which it replaces nacelle::tensorrt::SlotTables.
//
// NACELLE_WRONG_SLOTS says what is wrong, in every release that has the methods: "CudaEngine::getName
// CudaEngine::getNbLayers" swaps two methods, "CudaEngine::getName" alone moves from there on; unset, nothing is wrong.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// The linker (--wrap) gives the first name to all who call SlotTables, and the second to the function itself.
std::span<const SlotTable> WrappedSlotTables() asm("__wrap__ZN7nacelle8tensorrt10SlotTablesEv");
std::span<const SlotTable> RealSlotTables() asm("__real__ZN7nacelle8tensorrt10SlotTablesEv");

const SlotTable& WrappedRtxSlotTable() asm("__wrap__ZN7nacelle8tensorrt12RtxSlotTableEv");
const SlotTable& RealRtxSlotTable() asm("__real__ZN7nacelle8tensorrt12RtxSlotTableEv");

namespace {

// A table that owns what its spans point to.
class WrongTable {
 public:
  explicit WrongTable(const SlotTable& right) : table_(right), slots_(right.slots.begin(), right.slots.end()) {
    for (const auto layout : right.layouts) layouts_.emplace_back(layout.begin(), layout.end());
  }

  void Swap(Method first, Method second) {
    if (!table_.has(first) || !table_.has(second)) return;
    std::vector<Method>& layout = LayoutOf(first);
    std::swap(*std::ranges::find(layout, first), *std::ranges::find(layout, second));
    Number(layout);
  }

  // `first` stands in its slot and in the next one, as if a function were there that is not.
  void MoveFrom(Method first) {
    if (!table_.has(first)) return;
    std::vector<Method>& layout = LayoutOf(first);
    layout.insert(std::ranges::find(layout, first), first);
    Number(layout);
  }

  SlotTable View() {
    views_.assign(layouts_.begin(), layouts_.end());
    table_.slots = slots_;
    table_.layouts = views_;
    return table_;
  }

 private:
  std::vector<Method>& LayoutOf(Method method) {
    return *std::ranges::find_if(layouts_, [method](const std::vector<Method>& layout) {
      return std::ranges::find(layout, method) != layout.end();
    });
  }

  void Number(const std::vector<Method>& layout) {
    for (size_t slot = 0; slot < layout.size(); ++slot) {
      slots_[static_cast<size_t>(layout[slot])] = static_cast<int16_t>(slot);
    }
  }

  SlotTable table_;
  std::vector<int16_t> slots_;
  std::vector<std::vector<Method>> layouts_;
  std::vector<std::span<const Method>> views_;
};

Method Find(const std::string& name) {
  for (size_t i = 0; i < kMethodCount; ++i) {
    if (name == MethodName(static_cast<Method>(i))) return static_cast<Method>(i);
  }
  std::fprintf(stderr, "NACELLE_WRONG_SLOTS: there is no method %s\n", name.c_str());
  std::abort();
}

std::vector<Method> WrongMethods() {
  const char* const value = std::getenv("NACELLE_WRONG_SLOTS");
  std::istringstream words(value == nullptr ? "" : value);
  std::vector<Method> methods;
  for (std::string name; words >> name;) methods.push_back(Find(name));
  return methods;
}

std::vector<SlotTable> MakeTables(std::span<const SlotTable> right) {
  const std::vector<Method> wrong = WrongMethods();
  auto& tables = *new std::vector<WrongTable>(right.begin(), right.end());  // objects of the library may outlive it
  std::vector<SlotTable> views;
  for (WrongTable& table : tables) {
    if (wrong.size() == 1) table.MoveFrom(wrong[0]);
    if (wrong.size() == 2) table.Swap(wrong[0], wrong[1]);
    views.push_back(table.View());
  }
  return views;
}

}  // namespace

std::span<const SlotTable> WrappedSlotTables() {
  static const auto& tables = *new std::vector<SlotTable>(MakeTables(RealSlotTables()));
  return tables;
}

const SlotTable& WrappedRtxSlotTable() {
  static const auto& tables = *new std::vector<SlotTable>(MakeTables({&RealRtxSlotTable(), 1}));
  return tables.front();
}

}  // namespace nacelle::tensorrt
