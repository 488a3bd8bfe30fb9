// The releases of TensorRT and TensorRT-RTX that Nacelle can call.
//
// The slot tables in third_party/tensorrt decide: Nacelle calls the release of the oldest table of a major release and
// every later release of that major one. core/plan/plan_header.h says what this means for a plan. Pure functions: any
// thread may call them.
#ifndef NACELLE_CORE_KNOWN_RELEASES_H_
#define NACELLE_CORE_KNOWN_RELEASES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/release.h"

namespace nacelle {

// The products of NVIDIA whose libraries Nacelle calls; each numbers its releases on its own.
enum class Product : uint8_t { kTensorRT, kTensorRTRtx };

// "TensorRT", "TensorRT-RTX".
const char* ProductName(Product product);

// The minor releases with tables, by major release: "8.5 to 8.6, 9.1 to 9.2, 10.0 to 10.16, 11.0 to 11.1".
std::string KnownReleases(Product product);

// Major releases with tables, newest first.
std::vector<int> KnownMajors(Product product);

// Returns the reason why Nacelle cannot call a library of `release`, with the releases that it can call; empty if it
// can. Ignores the build number: libraries before 10.0 do not tell theirs.
std::string WhyNotCallable(Product product, const Release& release);

}  // namespace nacelle

#endif  // NACELLE_CORE_KNOWN_RELEASES_H_
