// Fills fields of a record from an engine that is set up.
#ifndef NACELLE_RUNTIME_INTERNAL_RECORD_FACTS_H_
#define NACELLE_RUNTIME_INTERNAL_RECORD_FACTS_H_

#include "core/record/record.h"
#include "runtime/export.h"

namespace nacelle::runtime {

class LoadedEngine;

// Sets the fields of `record` that records of its version lack and the engine knows, before the record is written in a
// newer version: the binding names, hardware_compatible, requires_output_allocator and aliased_io. Other fields stay
// neutral: they are the user's choice (metadata, resource_allocation) or not in the plan
// (requires_native_multi_device). Throws ExecutionError if the plan can give no execution context.
NACELLE_API void AddKnownFields(record::Record& record, const LoadedEngine& engine);

// Clears a list of binding names if the engine takes or returns tensors in the same order without it.
NACELLE_API void RemoveNeedlessNames(record::Record& record, const LoadedEngine& engine);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_RECORD_FACTS_H_
