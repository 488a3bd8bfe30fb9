// Layers of a network that are to compute in float32 whatever else the builder may choose.
//
// Internal to core/tensorrt/builder.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_LAYER_PRECISION_H_
#define NACELLE_CORE_TENSORRT_BUILDER_LAYER_PRECISION_H_

#include <string>
#include <vector>

#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// Sets precision and output types of the layers whose name one of `patterns` is or matches (as in a shell: * stands for
// any characters, ? for one), of those that compute in floating point; constants, shapes and indices stay as they are.
// `network` is the implementation of an INetworkDefinition of `table`'s release, 8.5 to 10. One thread at a time.
// Throws InputError where a pattern matches no such layer, with names that there are.
void KeepInFloat32(void* network, const SlotTable& table, const std::vector<std::string>& patterns);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_LAYER_PRECISION_H_
