// A TensorRT release, as plans, libraries and slot tables name it.
//
//   if (release >= Release{10, 0, 0, 0}) …
#ifndef NACELLE_CORE_RELEASE_H_
#define NACELLE_CORE_RELEASE_H_

#include <compare>
#include <string>

namespace nacelle {

// major.minor.patch.build, for instance 8.5.3.1. A plain value, ordered field by field.
struct Release {
  int major = 0;
  int minor = 0;
  int patch = 0;
  int build = 0;

  friend auto operator<=>(const Release&, const Release&) = default;

  // "8.5.3.1".
  std::string ToString() const {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch) + "." +
           std::to_string(build);
  }
};

}  // namespace nacelle

#endif  // NACELLE_CORE_RELEASE_H_
