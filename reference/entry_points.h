// The C functions that libnacelle_reference.so exports.
//
// They are those of libnvinfer, and those of its companions that NVIDIA's Python bindings need at import, so that the
// bindings can load this library in their place. Any thread may call them.
#ifndef NACELLE_REFERENCE_ENTRY_POINTS_H_
#define NACELLE_REFERENCE_ENTRY_POINTS_H_

#include <cstdint>

#pragma GCC visibility push(default)

// Returns a new IRuntime of the presented release (presented.h), which the caller owns. Returns null if `logger` (an
// ILogger) is null, `version` is of another major release, or NACELLE_REFERENCE_RELEASE names no known release; the
// reason goes to the logger, or to stderr if there is none.
extern "C" void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept;

// Returns the presented release: major * 1000 + minor * 100 + patch before 10, major * 10000 + minor * 100 + patch from
// 10 on; 0 if NACELLE_REFERENCE_RELEASE names no known release.
extern "C" int32_t getInferLibVersion() noexcept;
extern "C" int32_t getInferLibMajorVersion() noexcept;
extern "C" int32_t getInferLibMinorVersion() noexcept;
extern "C" int32_t getInferLibPatchVersion() noexcept;
extern "C" int32_t getInferLibBuildVersion() noexcept;

// Returns the newest plan format that the library reads. No other library has this function.
extern "C" int32_t nacelle_reference_version() noexcept;

#pragma GCC visibility pop

#endif  // NACELLE_REFERENCE_ENTRY_POINTS_H_
