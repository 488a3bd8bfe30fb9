// Shapes, in Nacelle's own form and in TensorRT's two.
//
// TensorRT's Dims has 32-bit extents before 10.0 and 64-bit ones from then on. Code above the binding uses Dims; Dims32
// and Dims64 cross TensorRT's interface. Plain values, no allocation.
//
//   const Dims shape{1, 3, -1};
//   context.SetInputShape("x", Dims{1, 3, 224});
#ifndef NACELLE_CORE_TENSORRT_DIMS_H_
#define NACELLE_CORE_TENSORRT_DIMS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <type_traits>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

// A shape: `nb` extents in `d`. As in TensorRT, `nb` is -1 for "no such tensor" and for "not known yet", and a dynamic
// extent is -1. Values beyond `nb` mean nothing.
struct Dims {
  static constexpr int32_t kMax = 8;

  int32_t nb = -1;
  int64_t d[kMax] = {};

  Dims() = default;
  // More than kMax extents make an invalid shape (nb -1): check the rank first if it comes from a caller.
  explicit Dims(std::span<const int64_t> extents);
  Dims(std::initializer_list<int64_t> extents) : Dims(std::span<const int64_t>(extents.begin(), extents.size())) {}

  bool valid() const { return nb >= 0; }
  std::span<const int64_t> extents() const { return {d, static_cast<size_t>(nb < 0 ? 0 : nb)}; }
  friend bool operator==(const Dims& a, const Dims& b);
};

// Writes a shape in a message: "[1, 3, -1]", or "[?]" for an invalid shape.
std::string ToString(const Dims& dims);

// nvinfer1::Dims32, the Dims of 8.x and 9.x.
struct Dims32 {
  int32_t nb;
  int32_t d[Dims::kMax];
};

// nvinfer1::Dims64, the Dims of 10.0 and later.
struct Dims64 {
  int32_t nb;
  int64_t d[Dims::kMax];
};

// True if every extent fits 32 bits; other shapes cannot be given to TensorRT before 10.0.
inline bool FitsDims32(const Dims& dims) {
  for (const int64_t extent : dims.extents()) {
    if (extent < std::numeric_limits<int32_t>::min() || extent > std::numeric_limits<int32_t>::max()) return false;
  }
  return true;
}

// Converts to Dims32 or Dims64. Requires a shape that fits.
template <typename Wire>
Wire ToWire(const Dims& dims) {
  Wire wire = {};
  wire.nb = dims.nb;
  for (int32_t i = 0; i < dims.nb && i < Dims::kMax; ++i) {
    wire.d[i] = static_cast<std::remove_reference_t<decltype(wire.d[0])>>(dims.d[i]);
  }
  return wire;
}

// Converts from Dims32 or Dims64. A rank outside 0..kMax, which no library should give, makes an invalid shape.
template <typename Wire>
Dims FromWire(const Wire& wire) {
  Dims dims;
  if (wire.nb < 0 || wire.nb > Dims::kMax) return dims;
  dims.nb = wire.nb;
  for (int32_t i = 0; i < wire.nb; ++i) dims.d[i] = wire.d[i];
  return dims;
}

// The layouts in the headers of all known releases.
static_assert(sizeof(Dims32) == layout::kDims32Size);
static_assert(offsetof(Dims32, nb) == layout::kDims32_nbDims && offsetof(Dims32, d) == layout::kDims32_d);
static_assert(sizeof(Dims64) == layout::kDims64Size);
static_assert(offsetof(Dims64, nb) == layout::kDims64_nbDims && offsetof(Dims64, d) == layout::kDims64_d);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_DIMS_H_
