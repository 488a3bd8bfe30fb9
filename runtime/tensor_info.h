// What is known of an engine's inputs and outputs once it is set up.
#ifndef NACELLE_RUNTIME_TENSOR_INFO_H_
#define NACELLE_RUNTIME_TENSOR_INFO_H_

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/tensorrt/handles.h"
#include "core/tensorrt/slot_tables.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// The shapes that an optimization profile allows an input: each dimension from min to max, fastest at opt.
struct ShapeRange {
  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;

  friend bool operator==(const ShapeRange&, const ShapeRange&) = default;
};

// An input or output of an engine. Immutable after the set-up.
struct TensorInfo {
  std::string name;  // the binding's name in the plan; TensorRT gets its c_str() on every call
  at::ScalarType dtype = at::ScalarType::Undefined;
  std::vector<int64_t> shape;        // -1 where a dimension is dynamic
  std::vector<ShapeRange> profiles;  // inputs only: one per optimization profile
  bool on_host = false;              // TensorRT reads or writes it in the host's memory: its values decide about shapes
  std::optional<size_t> aliased_input;  // outputs only: the number of the input whose memory it shares
  bool written = false;                 // inputs only: an output shares its memory
};

std::vector<std::string> NamesOf(const std::vector<TensorInfo>& tensors);

// For instance `input_0: float32 [-1, 3, 32, 32], from [1, 3, 32, 32] to [16, 3, 32, 32]`.
NACELLE_API std::string Describe(const TensorInfo& info);

// `[1, 3, 32, 32]`
NACELLE_API std::string ShapeText(const int64_t* sizes, size_t rank);
inline std::string ShapeText(const std::vector<int64_t>& shape) { return ShapeText(shape.data(), shape.size()); }

// Reads name, dtype, shape and profiles of the I/O tensor `name`. Throws PlanError where the dtype has no
// counterpart in torch.
TensorInfo ReadTensorInfo(const tensorrt::CudaEngine& engine, const char* name);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TENSOR_INFO_H_
