// Headers for the test of make_slot_table.py: classes with bases, overloads, destructors in the middle, overriding
// functions, inline and versioned namespaces. Not TensorRT's: the names are what the tool looks for, the rest is made
// up.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "NvInferVersion.h"

namespace nvinfer1 {

enum class DataType : int32_t { kFLOAT = 0, kHALF = 1, kINT64 = 8 };
enum class ErrorCode : int32_t { kSUCCESS, kOTHER = 5, kNEXT };
enum class NotLookedFor : int32_t { kNONE };

class Dims64 {
 public:
  static constexpr int32_t MAX_DIMS{8};
  int32_t nbDims;
  int64_t d[MAX_DIMS];
};
using Dims = Dims64;

struct Weights {
  DataType type;
  void const* values;
  int64_t count;
};

struct InterfaceInfo {
  char const* kind;
  int32_t major;
  int32_t minor;
};

class IVersionedInterface {
 public:
  virtual bool isFirst() const noexcept { return true; }
  virtual InterfaceInfo getInterfaceInfo() const noexcept = 0;
  virtual ~IVersionedInterface() noexcept = default;  // in the middle: two slots

 protected:
  IVersionedInterface() = default;
};

namespace v_1_0 {

// A base, an override, an enum inside, overloads.
class ILogger : public IVersionedInterface {
 public:
  enum class Severity : int32_t { kINTERNAL_ERROR = 0, kERROR = 1 };

  InterfaceInfo getInterfaceInfo() const noexcept override { return {"ILogger", 1, 0}; }
  virtual void log(Severity severity, char const* message) noexcept = 0;
  virtual void log(char const* message) noexcept { log(Severity::kERROR, message); }
  void helper() noexcept {}  // not virtual
};

// No destructor of its own, none in a base: no slots for one.
class IProfiler {
 public:
  virtual void reportLayerTime(char const* layerName, float ms) noexcept = 0;
};

}  // namespace v_1_0

using ILogger = v_1_0::ILogger;
using IProfiler = v_1_0::IProfiler;

// An inline namespace is part of the name, as clang gives it.
inline namespace stable {
class IErrorRecorder : public IVersionedInterface {
 public:
  virtual ~IErrorRecorder() noexcept = default;  // overrides the base's, keeps its slots
  virtual bool reportError(ErrorCode val, char const* desc) noexcept = 0;
  bool isFirst() const noexcept override { return false; }
};
}  // namespace stable

class IHostMemory;
class IExecutionContext;

namespace apiv {

class VRoot {
 public:
  virtual ~VRoot() noexcept = default;
};

class VHostMemory : public VRoot {
 public:
  virtual void* data() const noexcept = 0;
  virtual std::size_t size() const noexcept = 0;
};

class VExecutionContext : public VRoot {
 public:
  virtual bool setInputShape(char const* tensorName, Dims const& dims) noexcept = 0;
  virtual Dims getTensorShape(char const* tensorName) const noexcept = 0;
  virtual Dims getTensorShape(char const* tensorName) noexcept = 0;  // differs in const alone
  virtual int32_t inferShapes(int32_t nbMaxNames, char const** tensorNames) noexcept = 0;
  virtual bool enqueueV3(cudaStream_t stream) noexcept = 0;
  virtual bool setInputConsumedEvent(cudaEvent_t event) noexcept = 0;
};

// Not looked for.
class VUnknown : public VRoot {
 public:
  virtual void unknown() noexcept = 0;
};

}  // namespace apiv

// Declared and not defined: not in the table.
class ICudaEngine;

class INoCopy {
 protected:
  INoCopy() = default;
  virtual ~INoCopy() = default;
};

// A base without virtual functions first, so that the second one's table is shared.
struct Plain {
  int32_t number;
};

class IRuntime : public Plain, public INoCopy {
 public:
  virtual ~IRuntime() noexcept = default;
  virtual bool late(uint64_t const size) noexcept { return size != 0; }
  virtual void* allocate(uint64_t size, uint32_t* const flags) noexcept = 0;

 protected:
  apiv::VRoot* mImpl;
};

// Overrides functions of a base with parameters that differ in a const that callers do not see.
class IBuilder : public IRuntime {
 public:
  virtual int32_t own() const noexcept = 0;
  void* allocate(uint64_t const size, uint32_t* flags) noexcept override { return size == *flags ? this : nullptr; }
  bool late(uint64_t size) noexcept override { return size == 1; }
};

// Looked for, but without virtual functions: not in the table.
class IGpuAllocator {
 public:
  void nothing() noexcept {}
};

}  // namespace nvinfer1
