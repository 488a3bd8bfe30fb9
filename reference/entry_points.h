// The C functions that libnacelle_reference.so exports: those of libnvinfer, and those of its companions that NVIDIA's
// Python bindings need at import, so that these can be pointed at this library.
#ifndef NACELLE_REFERENCE_ENTRY_POINTS_H_
#define NACELLE_REFERENCE_ENTRY_POINTS_H_

#include <cstdint>

#pragma GCC visibility push(default)

// A new IRuntime of the presented release (presented.h), which belongs to the caller; nullptr, said why through
// `logger` (an ILogger) and on stderr where there is none, for no logger, a `version` of another major release than
// the presented one, or where NACELLE_REFERENCE_RELEASE names no known release.
extern "C" void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept;

// The presented release: major * 1000 + minor * 100 + patch before 10, major * 10000 + minor * 100 + patch from 10 on;
// 0 where NACELLE_REFERENCE_RELEASE names no known one.
extern "C" int32_t getInferLibVersion() noexcept;
extern "C" int32_t getInferLibMajorVersion() noexcept;
extern "C" int32_t getInferLibMinorVersion() noexcept;
extern "C" int32_t getInferLibPatchVersion() noexcept;
extern "C" int32_t getInferLibBuildVersion() noexcept;

// The newest plan format that the library reads. No other library has this function.
extern "C" int32_t nacelle_reference_version() noexcept;

#pragma GCC visibility pop

#endif  // NACELLE_REFERENCE_ENTRY_POINTS_H_
