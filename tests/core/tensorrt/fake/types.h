// Declarations that the fake TensorRT libraries share: small types, and the interfaces that their callers implement.
//
// Nothing here comes from core/tensorrt: the fakes are the other side of the binding, and g++ decides their layouts.
// FAKE_VERSION is the release that getInferLibVersion() reports. FAKE_INTERFACES (8, 9, 10 or 11) is the major release
// whose callbacks the library calls.
#ifndef NACELLE_TESTS_CORE_TENSORRT_FAKE_TYPES_H_
#define NACELLE_TESTS_CORE_TENSORRT_FAKE_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace fake {

using APILanguage = int32_t;
using DataType = int32_t;
using EngineCapability = int32_t;
using ErrorCode = int32_t;
using ExecutionContextAllocationStrategy = int32_t;
using HardwareCompatibilityLevel = int32_t;
using LayerInformationFormat = int32_t;
using OptProfileSelector = int32_t;
using ProfilingVerbosity = int32_t;
using Severity = int32_t;
using TensorFormat = int32_t;
using TensorIOMode = int32_t;
using TensorLocation = int32_t;

#if FAKE_INTERFACES < 10
using Extent = int32_t;
#else
using Extent = int64_t;
#endif

struct Dims {
  int32_t nbDims;
  Extent d[8];
};

struct InterfaceInfo {
  const char* kind;
  int32_t major;
  int32_t minor;
};

// Ends the process: the binding called a function that these tests never call, so it used a wrong slot.
inline void Unexpected(const char* function) {
  std::fprintf(stderr, "the fake TensorRT's %s was called\n", function);
  std::abort();
}

// Interfaces that callers implement.

class IVersionedInterface {
 public:
  virtual APILanguage getAPILanguage() const = 0;
  virtual InterfaceInfo getInterfaceInfo() const = 0;
  virtual ~IVersionedInterface() = default;
};

class Unversioned {};

#if FAKE_INTERFACES < 10
using CallbackBase = Unversioned;
#else
using CallbackBase = IVersionedInterface;
#endif

#if FAKE_INTERFACES == 11
using LateCallbackBase = IVersionedInterface;
#else
using LateCallbackBase = Unversioned;
#endif

class ILogger : public LateCallbackBase {
 public:
  virtual void log(Severity severity, const char* message) = 0;
  virtual ~ILogger() = default;
};

class IProfiler : public LateCallbackBase {
 public:
  virtual void reportLayerTime(const char* layer, float milliseconds) = 0;
  virtual ~IProfiler() = default;
};

// 9.1 and later.
class IProgressMonitor : public CallbackBase {
 public:
  virtual ~IProgressMonitor() = default;
  virtual void phaseStart(const char* phase, const char* parent, int32_t steps) = 0;
  virtual bool stepComplete(const char* phase, int32_t step) = 0;
  virtual void phaseFinish(const char* phase) = 0;
};

class IErrorRecorder : public CallbackBase {
 public:
  virtual ~IErrorRecorder() = default;
  virtual int32_t getNbErrors() const = 0;
  virtual ErrorCode getErrorCode(int32_t index) const = 0;
  virtual const char* getErrorDesc(int32_t index) const = 0;
  virtual bool hasOverflowed() const = 0;
  virtual void clear() = 0;
  virtual bool reportError(ErrorCode code, const char* description) = 0;
  virtual int32_t incRefCount() = 0;
  virtual int32_t decRefCount() = 0;
};

#if FAKE_INTERFACES < 10
class IOutputAllocator {
 public:
  virtual int32_t getInterfaceVersion() const = 0;
  virtual void* reallocateOutput(const char* tensor, void* current, size_t size, size_t alignment) = 0;
  virtual void notifyShape(const char* tensor, const Dims& dims) = 0;
  virtual ~IOutputAllocator() = default;
};
#else
class IOutputAllocator : public IVersionedInterface {
 public:
  virtual void* reallocateOutput(const char* tensor, void* current, size_t size, size_t alignment) = 0;
  virtual void* reallocateOutputAsync(const char* tensor, void* current, size_t size, size_t alignment,
                                      void* stream) = 0;
  virtual void notifyShape(const char* tensor, const Dims& dims) = 0;
};
#endif

// Objects that callers delete: {vptr, pointer to the implementation}.

template <typename Implementation>
class InterfaceObject {
 public:
  virtual ~InterfaceObject() = default;

 protected:
  explicit InterfaceObject(Implementation* implementation) : mImpl(implementation) {}
  Implementation* mImpl;
};

using IRuntime = InterfaceObject<class VRuntime>;
using ICudaEngine = InterfaceObject<class VCudaEngine>;
using IExecutionContext = InterfaceObject<class VExecutionContext>;
using IEngineInspector = InterfaceObject<class VEngineInspector>;
using IHostMemory = InterfaceObject<class VHostMemory>;

}  // namespace fake

#endif  // NACELLE_TESTS_CORE_TENSORRT_FAKE_TYPES_H_
