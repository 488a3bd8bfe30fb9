// The releases of TensorRT and TensorRT-RTX that Nacelle can call.
//
// The slot tables in third_party/tensorrt say which these are: from the oldest table of a major release on, any later
// minor release of it. What follows for a plan is in core/plan/plan_header.h.
#ifndef NACELLE_CORE_KNOWN_RELEASES_H_
#define NACELLE_CORE_KNOWN_RELEASES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/release.h"

namespace nacelle {

// Products whose releases count for themselves.
enum class Product : uint8_t { kTensorRT, kTensorRTRtx };

// "TensorRT", "TensorRT-RTX".
const char* ProductName(Product product);

// The minor releases with tables, by major release: "8.5 to 8.6, 9.1 to 9.2, 10.0 to 10.16, 11.0 to 11.1".
std::string KnownReleases(Product product);

// Major releases with tables, newest first.
std::vector<int> KnownMajors(Product product);

// Why a library of `release` cannot be called, for a person, with the releases that can be; empty if it can. The build
// number is not looked at: libraries before 10.0 do not tell theirs.
std::string WhyNotCallable(Product product, const Release& release);

}  // namespace nacelle

#endif  // NACELLE_CORE_KNOWN_RELEASES_H_
