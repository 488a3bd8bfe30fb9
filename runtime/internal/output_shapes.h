// The shapes of an engine's outputs, found without running it.
#ifndef NACELLE_RUNTIME_INTERNAL_OUTPUT_SHAPES_H_
#define NACELLE_RUNTIME_INTERNAL_OUTPUT_SHAPES_H_

#include <cstdint>
#include <vector>

#include "runtime/export.h"
#include "runtime/internal/loaded_engine.h"

namespace nacelle::runtime {

// Returns the shapes of the outputs for inputs of these shapes; a dimension that depends on values is -1. Throws
// InputError if no optimization profile allows the shapes, and ExecutionError if the plan reports none.
NACELLE_API std::vector<std::vector<int64_t>> OutputShapes(const LoadedEngine& engine,
                                                           const std::vector<std::vector<int64_t>>& input_shapes);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_OUTPUT_SHAPES_H_
