// The inputs and outputs of an engine: names, dtypes and shapes.
//
//   for (const TensorInfo& input : engine->inputs()) std::cout << Describe(input) << "\n";
#ifndef NACELLE_RUNTIME_TENSOR_INFO_H_
#define NACELLE_RUNTIME_TENSOR_INFO_H_

#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/export.h"

namespace nacelle::runtime {

// The shapes that an optimization profile allows for an input: each dimension from min to max, fastest at opt.
struct ShapeRange {
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;

  friend bool operator==(const ShapeRange&, const ShapeRange&) = default;
};

// An input or output of an engine. Constant once the engine is set up.
struct TensorInfo {
  std::string name;  // the plan's
  at::ScalarType dtype = at::ScalarType::Undefined;
  std::vector<int64_t> shape;                     // -1 for a dynamic dimension
  std::vector<ShapeRange> optimization_profiles;  // inputs only: one for each
  bool on_host = false;                 // TensorRT reads or writes it in host memory, since shapes depend on its values
  std::optional<size_t> aliased_input;  // outputs only: the index of the input whose memory it shares
  bool written = false;                 // inputs only: an output shares its memory
};

// Describes an input or output in one line: `input_0: float32 [-1, 3, 32, 32], from [1, 3, 32, 32] to [16, 3, 32, 32]`.
NACELLE_API std::string Describe(const TensorInfo& info);

// Writes a shape as `[1, 3, 32, 32]`.
NACELLE_API std::string ShapeText(const int64_t* sizes, size_t rank);
inline std::string ShapeText(const std::vector<int64_t>& shape) { return ShapeText(shape.data(), shape.size()); }

// Returns the name that Python uses: "float32", "int64" …
NACELLE_API std::string DtypeName(at::ScalarType type);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TENSOR_INFO_H_
