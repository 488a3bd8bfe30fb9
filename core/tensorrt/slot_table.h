// The slot tables: the place of each method in the virtual tables of each TensorRT release.
//
// TensorRT's interfaces are C++ classes with virtual functions. Nacelle does not use their headers: it calls a method
// through its slot, and looks the slot up in the table of the library's release. The tables are generated at build time
// from third_party/tensorrt/slots; docs/contributing/tensorrt_binding.md tells how they are made and how one is added.
//
//   const int slot = TableFor({10, 15, 1, 29}).slot(Method::kRuntime_deserializeCudaEngine);
//
// Constant data: any thread may use it at any time, during static initialization too.
#ifndef NACELLE_CORE_TENSORRT_SLOT_TABLE_H_
#define NACELLE_CORE_TENSORRT_SLOT_TABLE_H_

#include <cstdint>
#include <span>

#include "core/release.h"
#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

// The slots of one release. The spans of SlotTables() point to static data; the maker of a table by hand keeps their
// data alive.
struct SlotTable {
  Release release;
  bool dims64 = false;                               // extents of Dims are 64-bit (10.0 and later), 32-bit before
  std::span<const int16_t> slots;                    // by Method: its slot, or -1 if this release lacks it
  std::span<const std::span<const Method>> layouts;  // by Interface: its methods in slot order; empty if lacking
  std::span<const int8_t> flags;                     // by Flag: the number of its bit, or -1 if this release lacks it

  // Returns the slot of `method` in its class's virtual table, or -1 if this release lacks it.
  int slot(Method method) const {
    const auto index = static_cast<size_t>(method);
    return index < slots.size() ? slots[index] : -1;
  }
  bool has(Method method) const { return slot(method) >= 0; }

  // Returns the number of the bit of `flag`, or -1 if this release lacks it.
  int bit(Flag flag) const {
    const auto index = static_cast<size_t>(flag);
    return index < flags.size() ? flags[index] : -1;
  }

  // Returns the methods of `interface` in slot order; empty if this release lacks it.
  std::span<const Method> layout(Interface interface) const {
    const auto index = static_cast<size_t>(interface);
    return index < layouts.size() ? layouts[index] : std::span<const Method>();
  }
};

// Returns every table of TensorRT, ascending by release.
std::span<const SlotTable> SlotTables();

// Returns the table of TensorRT-RTX: the table of the TensorRT release whose interface it has, with the slots that
// differ (third_party/tensorrt/rtx). Its `release` is TensorRT's. Its layouts are for callbacks.
const SlotTable& RtxSlotTable();

// Returns the release of TensorRT-RTX that RtxSlotTable() was made for, in its own numbers: 1.7.1.116.
Release RtxRelease();

// Returns the table for a library of `release`: that of the newest known release of the same major one that is not
// newer. Within a major release classes only grow at their end, so its slots are right. Ignores the build number, which
// libraries before 10.0 do not report.
//
// Throws LibraryError, with the known releases, for a major release without tables, and for a release older than the
// oldest table of its major one, since a table would then name methods that the library lacks.
const SlotTable& TableFor(const Release& release);

// Returns the table for a library of TensorRT-RTX, whose releases have numbers of their own. Throws LibraryError for a
// release older than the oldest that the table serves, and for another major one.
const SlotTable& RtxTableFor(const Release& release);

// Return static strings: "CudaEngine::getName", "Runtime::deserializeCudaEngine_streamReader"; "BuilderFlag::kTF32";
// "CudaEngine".
const char* MethodName(Method method);
const char* FlagName(Flag flag);
const char* InterfaceName(Interface interface);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_SLOT_TABLE_H_
