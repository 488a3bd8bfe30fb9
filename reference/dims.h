// Shapes as TensorRT passes them: Dims with 32-bit extents before release 10.0, with 64-bit extents from 10.0 on.
#ifndef NACELLE_REFERENCE_DIMS_H_
#define NACELLE_REFERENCE_DIMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/text.h"

namespace nacelle::reference {

// A shape. A rank of -1 means that there is none: an error, or a shape that is not known.
template <typename Extent>
struct Dims {
  int32_t rank = -1;
  Extent extents[8] = {};

  static Dims From(std::span<const int64_t> shape) {
    Dims dims;
    dims.rank = static_cast<int32_t>(shape.size());
    std::ranges::transform(shape, dims.extents, [](int64_t extent) { return static_cast<Extent>(extent); });
    return dims;
  }
  bool valid() const { return rank >= 0 && rank <= 8; }
  // Requires valid().
  std::span<const Extent> view() const { return {extents, static_cast<size_t>(rank)}; }
};

using Dims32 = Dims<int32_t>;
using Dims64 = Dims<int64_t>;
static_assert(sizeof(Dims32) == 36 && offsetof(Dims32, extents) == 4);
static_assert(sizeof(Dims64) == 72 && offsetof(Dims64, extents) == 8);

using Shape = std::vector<int64_t>;

// "[2, 3, 4]"; "[]" for a 0-d tensor.
template <typename Range>
std::string ShapeText(const Range& shape) {
  return Cat("[", Join(shape, ", "), "]");
}

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_DIMS_H_
