// The TensorRT release that this library presents itself as.
#ifndef NACELLE_REFERENCE_PRESENTED_H_
#define NACELLE_REFERENCE_PRESENTED_H_

#include <span>
#include <string_view>

#include "core/tensorrt/slot_table.h"

namespace nacelle::reference {

// The environment variable that names the release: "8.6.1.5", or the first numbers of one ("10.0": the newest that
// starts so), or "rtx" for TensorRT-RTX. Read once, at the first call of an entry point.
inline constexpr const char* kReleaseVariable = "NACELLE_REFERENCE_RELEASE";

// Returns the newest of `tables` (ascending by release) whose first numbers are those of `release`; the newest of all
// if `release` is empty; null if none fits or `release` is not made of numbers and dots.
const tensorrt::SlotTable* ChooseTable(std::string_view release, std::span<const tensorrt::SlotTable> tables);

// Returns the table of the release that kReleaseVariable names, the same for the life of the process. If it names no
// known release, returns null, and lists the known ones on stderr once. Any thread may call it.
const tensorrt::SlotTable* PresentedTable();

// Returns the release that `table` stands for: its own, or TensorRT-RTX's.
Release ReleaseOf(const tensorrt::SlotTable& table);

// Returns the value of getInferLibVersion() in `release`: 8501 for 8.5.1, 9100 for 9.1.0, 100001 for 10.0.1.
int LibraryVersion(const Release& release);

// True if `version`, a value of LibraryVersion(), is of the same major release as `release`.
bool IsVersionOf(const Release& release, int version);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_PRESENTED_H_
