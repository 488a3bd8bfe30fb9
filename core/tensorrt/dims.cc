#include "core/tensorrt/dims.h"

#include <algorithm>
#include <vector>

#include "core/text.h"

namespace nacelle::tensorrt {

Dims::Dims(std::span<const int64_t> extents) {
  if (extents.size() > static_cast<size_t>(kMax)) return;
  nb = static_cast<int32_t>(extents.size());
  std::copy(extents.begin(), extents.end(), d);
}

bool operator==(const Dims& a, const Dims& b) {
  return a.nb == b.nb && std::equal(a.extents().begin(), a.extents().end(), b.extents().begin());
}

std::string ToString(const Dims& dims) {
  if (!dims.valid()) return "[?]";
  return Cat("[", Join(dims.extents(), ", "), "]");
}

}  // namespace nacelle::tensorrt
