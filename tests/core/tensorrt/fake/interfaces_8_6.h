// The classes that TensorRT 8.6.1.5, 9.1.0.4 and 9.2.0.5 implement, as far as the tests call them. The compiler lays
// them out.
#ifndef NACELLE_TESTS_CORE_TENSORRT_FAKE_INTERFACES_8_6_H_
#define NACELLE_TESTS_CORE_TENSORRT_FAKE_INTERFACES_8_6_H_

#include "tests/core/tensorrt/fake/types.h"

namespace fake {

class VHostMemory {
 public:
  virtual ~VHostMemory() = default;
  virtual void* data() const = 0;
  virtual size_t size() const = 0;
  virtual DataType type() const = 0;
};

class VRuntime {
 public:
  virtual ~VRuntime() = default;
  virtual ICudaEngine* deserializeCudaEngine(const void*, size_t, void*) = 0;
  virtual void setDLACore(int32_t) = 0;
  virtual void getDLACore() { Unexpected(__func__); }
  virtual int32_t getNbDLACores() const = 0;
  virtual void setGpuAllocator() { Unexpected(__func__); }
  virtual void setErrorRecorder(IErrorRecorder*) = 0;
  virtual void getErrorRecorder() { Unexpected(__func__); }
  virtual void getLogger() { Unexpected(__func__); }
  virtual bool setMaxThreads(int32_t) = 0;
  virtual void getMaxThreads() { Unexpected(__func__); }
  virtual void setTemporaryDirectory(const char*) = 0;
  virtual void getTemporaryDirectory() { Unexpected(__func__); }
  virtual void setTempfileControlFlags() { Unexpected(__func__); }
  virtual void getTempfileControlFlags() { Unexpected(__func__); }
  virtual void getPImpl() { Unexpected(__func__); }
  virtual void getPluginRegistry() { Unexpected(__func__); }
  virtual void setPluginRegistryParent() { Unexpected(__func__); }
  virtual void loadRuntime() { Unexpected(__func__); }
  virtual void setEngineHostCodeAllowed(bool) = 0;
  virtual bool getEngineHostCodeAllowed() const = 0;
};

class VEngineInspector {
 public:
  virtual ~VEngineInspector() = default;
  virtual bool setExecutionContext(const IExecutionContext*) = 0;
  virtual void getExecutionContext() { Unexpected(__func__); }
  virtual const char* getLayerInformation(int32_t, LayerInformationFormat) const = 0;
  virtual const char* getEngineInformation(LayerInformationFormat) const = 0;
};

class VCudaEngine {
 public:
  virtual ~VCudaEngine() = default;
  virtual void getNbBindings() { Unexpected(__func__); }
  virtual int32_t getBindingIndex(const char*) const = 0;
  virtual void getBindingName() { Unexpected(__func__); }
  virtual void bindingIsInput() { Unexpected(__func__); }
  virtual void getBindingDimensions() { Unexpected(__func__); }
  virtual void getBindingDataType() { Unexpected(__func__); }
  virtual void getMaxBatchSize() { Unexpected(__func__); }
  virtual int32_t getNbLayers() const = 0;
  virtual IHostMemory* serialize() const = 0;
  virtual IExecutionContext* createExecutionContext() = 0;
  virtual void getLocation() { Unexpected(__func__); }
  virtual IExecutionContext* createExecutionContextWithoutDeviceMemory() = 0;
  virtual size_t getDeviceMemorySize() const = 0;
  virtual bool isRefittable() const = 0;
  virtual void getBindingBytesPerComponent() { Unexpected(__func__); }
  virtual void getBindingComponentsPerElement() { Unexpected(__func__); }
  virtual void getBindingFormat() { Unexpected(__func__); }
  virtual void getBindingFormatDesc() { Unexpected(__func__); }
  virtual void getBindingVectorizedDim() { Unexpected(__func__); }
  virtual const char* getName() const = 0;
  virtual int32_t getNbOptimizationProfiles() const = 0;
  virtual void getProfileDimensions() { Unexpected(__func__); }
  virtual const int32_t* getProfileShapeValues(int32_t, int32_t, OptProfileSelector) const = 0;
  virtual void isShapeBinding() { Unexpected(__func__); }
  virtual void isExecutionBinding() { Unexpected(__func__); }
  virtual EngineCapability getEngineCapability() const = 0;
  virtual void setErrorRecorder(IErrorRecorder*) = 0;
  virtual void getErrorRecorder() { Unexpected(__func__); }
  virtual void hasImplicitBatchDimension() { Unexpected(__func__); }
  virtual void getTacticSources() { Unexpected(__func__); }
  virtual ProfilingVerbosity getProfilingVerbosity() const = 0;
  virtual IEngineInspector* createEngineInspector() const = 0;
  virtual Dims getTensorShape(const char*) const = 0;
  virtual DataType getTensorDataType(const char*) const = 0;
  virtual TensorLocation getTensorLocation(const char*) const = 0;
  virtual bool isShapeInferenceIO(const char*) const = 0;
  virtual TensorIOMode getTensorIOMode(const char*) const = 0;
  virtual int32_t getTensorBytesPerComponent(const char*) const = 0;
  virtual int32_t getTensorComponentsPerElement(const char*) const = 0;
  virtual TensorFormat getTensorFormat(const char*) const = 0;
  virtual const char* getTensorFormatDesc(const char*) const = 0;
  virtual int32_t getTensorVectorizedDim(const char*) const = 0;
  virtual Dims getProfileShape(const char*, int32_t, OptProfileSelector) const = 0;
  virtual int32_t getNbIOTensors() const = 0;
  virtual const char* getIOTensorName(int32_t) const = 0;
  virtual HardwareCompatibilityLevel getHardwareCompatibilityLevel() const = 0;
  virtual void getPImpl() { Unexpected(__func__); }
  virtual int32_t getNbAuxStreams() const = 0;
  virtual int32_t getTensorBytesPerComponentV2(const char*, int32_t) const = 0;
  virtual int32_t getTensorComponentsPerElementV2(const char*, int32_t) const = 0;
  virtual TensorFormat getTensorFormatV2(const char*, int32_t) const = 0;
  virtual const char* getTensorFormatDescV2(const char*, int32_t) const = 0;
  virtual int32_t getTensorVectorizedDimV2(const char*, int32_t) const = 0;
#if FAKE_VERSION >= 9200
  virtual void createSerializationConfig() { Unexpected(__func__); }
  virtual void serializeWithConfig() { Unexpected(__func__); }
#endif
};

class VExecutionContext {
 public:
  virtual ~VExecutionContext() = default;
  virtual void execute() { Unexpected(__func__); }
  virtual void enqueue() { Unexpected(__func__); }
  virtual void setDebugSync() { Unexpected(__func__); }
  virtual void getDebugSync() { Unexpected(__func__); }
  virtual void setProfiler(IProfiler*) = 0;
  virtual void getProfiler() { Unexpected(__func__); }
  virtual void getEngine() { Unexpected(__func__); }
  virtual void setName(const char*) = 0;
  virtual const char* getName() const = 0;
  virtual void setDeviceMemory(void*) = 0;
  virtual void getStrides() { Unexpected(__func__); }
  virtual void setOptimizationProfile() { Unexpected(__func__); }
  virtual int32_t getOptimizationProfile() const = 0;
  virtual void setBindingDimensions() { Unexpected(__func__); }
  virtual void getBindingDimensions() { Unexpected(__func__); }
  virtual void setInputShapeBinding() { Unexpected(__func__); }
  virtual void getShapeBinding() { Unexpected(__func__); }
  virtual bool allInputDimensionsSpecified() const = 0;
  virtual void allInputShapesSpecified() { Unexpected(__func__); }
  virtual void setErrorRecorder(IErrorRecorder*) = 0;
  virtual void getErrorRecorder() { Unexpected(__func__); }
  virtual void executeV2() { Unexpected(__func__); }
  virtual void enqueueV2() { Unexpected(__func__); }
  virtual bool setOptimizationProfileAsync(int32_t, void*) = 0;
  virtual void setEnqueueEmitsProfile(bool) = 0;
  virtual void getEnqueueEmitsProfile() { Unexpected(__func__); }
  virtual bool reportToProfiler() const = 0;
  virtual bool setInputShape(const char*, const Dims&) = 0;
  virtual Dims getTensorShape(const char*) const = 0;
  virtual Dims getTensorStrides(const char*) const = 0;
  virtual bool setTensorAddress(const char*, void*) = 0;
  virtual void getTensorAddress() { Unexpected(__func__); }
  virtual bool setInputTensorAddress(const char*, const void*) = 0;
  virtual int32_t inferShapes(int32_t, const char**) = 0;
  virtual bool setInputConsumedEvent(void*) = 0;
  virtual void getInputConsumedEvent() { Unexpected(__func__); }
  virtual void* getOutputTensorAddress(const char*) const = 0;
  virtual bool setOutputAllocator(const char*, IOutputAllocator*) = 0;
  virtual void getOutputAllocator() { Unexpected(__func__); }
  virtual int64_t getMaxOutputSize(const char*) const = 0;
  virtual void setTemporaryStorageAllocator() { Unexpected(__func__); }
  virtual void getTemporaryStorageAllocator() { Unexpected(__func__); }
  virtual bool enqueueV3(void*) = 0;
  virtual void setPersistentCacheLimit() { Unexpected(__func__); }
  virtual void getPersistentCacheLimit() { Unexpected(__func__); }
  virtual bool setNvtxVerbosity(ProfilingVerbosity) = 0;
  virtual void getNvtxVerbosity() { Unexpected(__func__); }
  virtual void getPImpl() { Unexpected(__func__); }
  virtual void setAuxStreams(void**, int32_t) = 0;
};

}  // namespace fake

#endif  // NACELLE_TESTS_CORE_TENSORRT_FAKE_INTERFACES_8_6_H_
