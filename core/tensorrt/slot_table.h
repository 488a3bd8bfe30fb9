// Which slot of a virtual table is which method, in which TensorRT release.
//
// TensorRT's interfaces are C++ classes with virtual functions. Their headers are not used here: a method is called
// through its slot, and the slot is looked up in the table of the release at hand. The tables are generated at build
// time from third_party/tensorrt/slots; docs/contributing/tensorrt_binding.md says how one is made and added.
//
// Everything here is constant data: any thread may use it at any time, during static initialization too.
#ifndef NACELLE_CORE_TENSORRT_SLOT_TABLE_H_
#define NACELLE_CORE_TENSORRT_SLOT_TABLE_H_

#include <cstdint>
#include <span>

#include "core/release.h"
#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

// One release. The spans point to static data for the tables of SlotTables(); whoever makes a table by hand keeps
// what they point to alive.
struct SlotTable {
  Release release;
  bool dims64 = false;                               // extents of Dims are 64-bit (10.0 and later), 32-bit before
  std::span<const int16_t> slots;                    // by Method: its slot, or -1 where this release lacks it
  std::span<const std::span<const Method>> layouts;  // by Interface: its methods in slot order; empty: not there
  std::span<const int8_t> flags;  // by Flag: the number of its bit, or -1 where this release lacks it

  // The slot of `method` in its class's virtual table, or -1 where this release lacks it.
  int slot(Method method) const {
    const auto index = static_cast<size_t>(method);
    return index < slots.size() ? slots[index] : -1;
  }
  bool has(Method method) const { return slot(method) >= 0; }

  // The number of the bit that `flag` is, or -1 where this release lacks it.
  int bit(Flag flag) const {
    const auto index = static_cast<size_t>(flag);
    return index < flags.size() ? flags[index] : -1;
  }

  // The methods of `interface` in slot order; empty where this release lacks it.
  std::span<const Method> layout(Interface interface) const {
    const auto index = static_cast<size_t>(interface);
    return index < layouts.size() ? layouts[index] : std::span<const Method>();
  }
};

// Every table, ascending by release.
std::span<const SlotTable> SlotTables();

// That of TensorRT-RTX, whose releases count for themselves: the table of the TensorRT release whose interface it has,
// with the slots that differ (third_party/tensorrt/rtx). Its `release` is TensorRT's. Its layouts are for callbacks.
const SlotTable& RtxSlotTable();

// The release of TensorRT-RTX that RtxSlotTable() was made for, as it counts them: 1.7.1.116.
Release RtxRelease();

// The table to use with a library of `release`: that of the newest known release of the same major one that is not
// newer. Classes only grow at their end within a major release, so it is right for what it lists. The build number
// is not looked at (libraries before 10.0 do not tell theirs).
// Throws LibraryError for a major release without tables, and for a release older than the oldest table of its major
// one, since a table would then name methods that the library lacks. The message lists what is known.
const SlotTable& TableFor(const Release& release);

// The same with a library of TensorRT-RTX, whose releases count for themselves. Throws LibraryError for a release older
// than those that RtxSlotTable() is for, and for another major one.
const SlotTable& RtxTableFor(const Release& release);

// "CudaEngine::getName", "Runtime::deserializeCudaEngine_streamReader"; "BuilderFlag::kTF32"; "CudaEngine". Static
// strings.
const char* MethodName(Method method);
const char* FlagName(Flag flag);
const char* InterfaceName(Interface interface);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_SLOT_TABLE_H_
