// Libraries with the entry points of a TensorRT and nothing behind them: what can be wrong before an object is made.
//
// FAKE_VERSION is the release; with FAKE_NO_RUNTIME createInferRuntime_INTERNAL is missing, with FAKE_REFERENCE the
// mark of the reference engine is there. FAKE_RESULT is what createInferRuntime_INTERNAL gives.
#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int32_t getInferLibVersion() { return FAKE_VERSION; }

#ifndef FAKE_NO_RUNTIME
EXPORT void* createInferRuntime_INTERNAL(void* /*logger*/, int32_t /*version*/) {
  return reinterpret_cast<void*>(uintptr_t{FAKE_RESULT});
}
#endif

#ifdef FAKE_REFERENCE
EXPORT const char* nacelle_reference_version() { return "1"; }
#endif
