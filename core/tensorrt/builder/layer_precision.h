// Keeps chosen layers of a network in float32, whatever precision the builder may choose for the others.
//
// Internal to core/tensorrt/builder.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_LAYER_PRECISION_H_
#define NACELLE_CORE_TENSORRT_BUILDER_LAYER_PRECISION_H_

#include <string>
#include <vector>

#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// Sets precision and output types of the layers whose names `patterns` match, as in a shell: * stands for any
// characters, ? for one. Only layers that compute in floating point count; constants, shapes and indices stay as they
// are. `network` is the implementation of an INetworkDefinition of `table`'s release, 8.5 to 10. One thread at a time.
// Throws InputError, with names of layers, if a pattern matches none.
void KeepInFloat32(void* network, const SlotTable& table, const std::vector<std::string>& patterns);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_LAYER_PRECISION_H_
