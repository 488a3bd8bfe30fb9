// Methods by their slots: those of one release alone, those that are refused, and misuse of them.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensorrt/dims.h"
#include "core/text.h"
#include "tests/core/throws.h"
#include "tests/reference/engine_fixture.h"
#include "tests/reference/networks.h"

namespace nacelle::reference {
namespace {

using tensorrt::Dims32;
using tensorrt::Method;
using testing_support::ExpectHas;

class SlotsTest : public EngineTest {
 protected:
  const Raw raw_runtime_ = RawRuntime();
};

TEST_F(SlotsTest, ObjectsAreTheirOwnPImpl) {
  if (!AtLeast(8, 6)) return;
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  const Raw context = RawContext(engine);
  EXPECT_EQ(raw_runtime_.Call<void*>(Method::kRuntime_getPImpl), raw_runtime_.object());
  EXPECT_EQ(engine.Call<void*>(Method::kCudaEngine_getPImpl), engine.object());
  EXPECT_EQ(context.Call<void*>(Method::kExecutionContext_getPImpl), context.object());
  EXPECT_EQ(context.Call<void*>(Method::kExecutionContext_getEngine), engine.object());
}

TEST_F(SlotsTest, MethodsThatTakeTheIndexOfABindingAreRefused) {
  if (!Raw::Has(Method::kCudaEngine_getNbBindings)) return;
  const Raw engine = RawEngine(raw_runtime_, TwoHeads(2));
  const Raw context = RawContext(engine);
  EXPECT_EQ(engine.Call<int32_t>(Method::kCudaEngine_getNbBindings), 0);
  ExpectHas(TakeMessages(), "does not support CudaEngine::getNbBindings");
  for (const Method method : {Method::kCudaEngine_getBindingDimensions, Method::kCudaEngine_getProfileDimensions}) {
    EXPECT_EQ(engine.Call<Dims32>(method, 0, 0, 0).nb, -1);
    ExpectHas(TakeMessages(), "use the one that takes a tensor's name");
  }
  for (const Method method : {Method::kExecutionContext_getBindingDimensions, Method::kExecutionContext_getStrides}) {
    EXPECT_EQ(context.Call<Dims32>(method, 0).nb, -1);
    ExpectHas(TakeMessages(), "use the one that takes a tensor's name");
  }
}

TEST_F(SlotsTest, ExecuteTakesTheTensorsInTheirOrder) {
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  const Raw context = RawContext(engine);
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, sum(2), twice(6);
  void* addresses[3] = {x.data(), sum.data(), twice.data()};
  ASSERT_TRUE(context.Call<bool>(Method::kExecutionContext_executeV2, static_cast<void* const*>(addresses)));
  EXPECT_EQ(sum[1], 15);
  EXPECT_FALSE(context.Call<bool>(Method::kExecutionContext_executeV2, static_cast<void* const*>(nullptr)));
  ExpectHas(TakeMessages(), "no array of addresses");
}

TEST_F(SlotsTest, WhatIsNotSupportedSaysSo) {
  EXPECT_EQ(RawEngine(raw_runtime_, "").object(), nullptr);
  ExpectHas(TakeMessages(), "a plan of 0 bytes");
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  const Raw context = RawContext(engine);
  if (Raw::Has(Method::kExecutionContext_execute)) {
    EXPECT_FALSE(context.Call<bool>(Method::kExecutionContext_execute, 1, static_cast<void* const*>(nullptr)));
    ExpectHas(TakeMessages(), "does not support ExecutionContext::execute");
  }
  if (Raw::Has(Method::kRuntime_loadRuntime)) {
    EXPECT_EQ(raw_runtime_.Call<void*>(Method::kRuntime_loadRuntime, "libnvinfer_lean.so"), nullptr);
    ExpectHas(TakeMessages(), "does not support Runtime::loadRuntime");
  }
  if (Raw::Has(Method::kExecutionContext_setCommunicator)) {
    EXPECT_FALSE(context.Call<bool>(Method::kExecutionContext_setCommunicator, static_cast<void*>(nullptr)));
    ExpectHas(TakeMessages(), "setCommunicator");
  }
}

TEST_F(SlotsTest, SettingsAreKept) {
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  const Raw context = RawContext(engine);
  context.Call<void>(Method::kExecutionContext_setName, "first");
  EXPECT_STREQ(context.Call<const char*>(Method::kExecutionContext_getName), "first");
  context.Call<void>(Method::kExecutionContext_setName, static_cast<const char*>(nullptr));
  EXPECT_STREQ(context.Call<const char*>(Method::kExecutionContext_getName), "");
  context.Call<void>(Method::kExecutionContext_setDebugSync, true);
  EXPECT_TRUE(context.Call<bool>(Method::kExecutionContext_getDebugSync));
  context.Call<void>(Method::kExecutionContext_setPersistentCacheLimit, uint64_t{7});
  EXPECT_EQ(context.Call<uint64_t>(Method::kExecutionContext_getPersistentCacheLimit), 7u);
  EXPECT_TRUE(raw_runtime_.Call<bool>(Method::kRuntime_setMaxThreads, 4));
  EXPECT_EQ(raw_runtime_.Call<int32_t>(Method::kRuntime_getMaxThreads), 4);
  EXPECT_FALSE(raw_runtime_.Call<bool>(Method::kRuntime_setMaxThreads, 0));
  EXPECT_EQ(raw_runtime_.Call<int32_t>(Method::kRuntime_getNbDLACores), 0);
  EXPECT_NE(raw_runtime_.Call<void*>(Method::kRuntime_getLogger), nullptr);
}

TEST_F(SlotsTest, StrategiesOfScratchMemory) {
  if (!AtLeast(10, 0)) return;
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  EXPECT_TRUE(Raw(engine.Call<void*>(Method::kCudaEngine_createExecutionContext, 1)));
  EXPECT_FALSE(Raw(engine.Call<void*>(Method::kCudaEngine_createExecutionContext, 3)));
  ExpectHas(TakeMessages(), "strategy 3; wanted 0 to 2");
  EXPECT_GT(Raw(engine.Call<void*>(Method::kCudaEngine_createExecutionContext, 2))
                .Call<int64_t>(Method::kExecutionContext_updateDeviceMemorySizeForShapes),
            0);
}

TEST_F(SlotsTest, ContextsFromRuntimeConfigs) {
  if (!Raw::Has(Method::kCudaEngine_createRuntimeConfig)) return;
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  const Raw config(engine.Call<void*>(Method::kCudaEngine_createRuntimeConfig));
  ASSERT_TRUE(config);
  config.Call<void>(Method::kRuntimeConfig_setExecutionContextAllocationStrategy, 2);
  EXPECT_EQ(config.Call<int32_t>(Method::kRuntimeConfig_getExecutionContextAllocationStrategy), 2);
  const Raw context(engine.Call<void*>(Method::kCudaEngine_createExecutionContextWithRuntimeConfig, config.object()));
  ASSERT_TRUE(context);
  EXPECT_FALSE(context.Call<bool>(Method::kExecutionContext_enqueueV3, static_cast<void*>(nullptr)));
  const Raw told(context.Call<void*>(Method::kExecutionContext_getRuntimeConfig));  // the caller's to delete
  EXPECT_EQ(told.Call<int32_t>(Method::kRuntimeConfig_getExecutionContextAllocationStrategy), 2);
  config.Call<void>(Method::kRuntimeConfig_setExecutionContextAllocationStrategy, 3);
  EXPECT_EQ(config.Call<int32_t>(Method::kRuntimeConfig_getExecutionContextAllocationStrategy), 2);
  EXPECT_FALSE(Raw(
      engine.Call<void*>(Method::kCudaEngine_createExecutionContextWithRuntimeConfig, static_cast<void*>(nullptr))));
}

TEST_F(SlotsTest, SerializationConfigsAreKeptAndGiveTheVeryBytes) {
  if (!Raw::Has(Method::kCudaEngine_createSerializationConfig)) return;
  const std::string plan = TwoHeadsFixed();
  const Raw engine = RawEngine(raw_runtime_, plan);
  const Raw config(engine.Call<void*>(Method::kCudaEngine_createSerializationConfig));
  ASSERT_TRUE(config);
  EXPECT_TRUE(config.Call<bool>(Method::kSerializationConfig_setFlag, 1));
  EXPECT_TRUE(config.Call<bool>(Method::kSerializationConfig_getFlag, 1));
  EXPECT_EQ(config.Call<uint32_t>(Method::kSerializationConfig_getFlags), 2u);
  EXPECT_TRUE(config.Call<bool>(Method::kSerializationConfig_clearFlag, 1));
  EXPECT_FALSE(config.Call<bool>(Method::kSerializationConfig_setFlag, 32));
  const Raw memory(engine.Call<void*>(Method::kCudaEngine_serializeWithConfig, config.object()));
  ASSERT_TRUE(memory);
  EXPECT_EQ(std::string(static_cast<const char*>(memory.Call<void*>(Method::kHostMemory_data)),
                        memory.Call<uint64_t>(Method::kHostMemory_size)),
            plan);
}

// The C functions, of the library that the tests have opened.
template <typename Function>
Function* Entry(const char* name) {
  void* const library = dlopen(ReferenceLibrary()->path().c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const function = dlsym(library, name);
  EXPECT_NE(function, nullptr) << name;
  return reinterpret_cast<Function*>(function);
}

TEST_F(SlotsTest, EntryPointsThatARuntimeDoesNotHaveGiveNull) {
  void* const logger = raw_runtime_.Call<void*>(Method::kRuntime_getLogger);
  EXPECT_EQ(Entry<void*(void*, int32_t)>("createInferBuilder_INTERNAL")(logger, 0), nullptr);
  ExpectHas(TakeMessages(), "the reference engine has no builder");
  EXPECT_EQ(Entry<void*(void*, void*, int32_t)>("createInferRefitter_INTERNAL")(nullptr, logger, 0), nullptr);
  ExpectHas(TakeMessages(), "no refitter");
  EXPECT_EQ(Entry<void*(void*, void*, int32_t)>("createNvOnnxParser_INTERNAL")(nullptr, logger, 0), nullptr);
  ExpectHas(TakeMessages(), "no ONNX parser");
  EXPECT_TRUE(Entry<bool(void*, const char*)>("initLibNvInferPlugins")(logger, ""));
  EXPECT_EQ(Entry<void*()>("getLogger")(), logger);
  EXPECT_EQ(Entry<int32_t()>("nacelle_reference_version")(), 1);
}

// Calls `slot` of the table that `implementation` begins with.
template <typename R, typename... Args>
R CallNumber(void* implementation, size_t slot, Args... args) {
  void** const table = *static_cast<void***>(implementation);
  return reinterpret_cast<R (*)(void*, Args...)>(table[slot])(implementation, args...);
}

// The registry's functions are called as a library that links with TensorRT calls them, by their places in the headers.
TEST_F(SlotsTest, TheRegistryOfPluginsIsThereAndEmpty) {
  void* const global = Entry<void*()>("getPluginRegistry")();
  ASSERT_NE(global, nullptr);
  EXPECT_EQ(Entry<void*(int32_t)>("getBuilderPluginRegistry")(0), global);
  const bool first_kind = !AtLeast(11, 0);
  const size_t settings = first_kind ? 5 : 2;
  const size_t creators = first_kind ? 12 : 8;
  int32_t count = 7;
  if (first_kind) {
    EXPECT_FALSE(CallNumber<bool>(global, 0, static_cast<void*>(&count), ""));
    EXPECT_EQ(CallNumber<void*>(global, 1, &count), nullptr);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(CallNumber<void*>(global, 2, "Clip", "1", ""), nullptr);
  }
  EXPECT_EQ(CallNumber<void*>(global, settings + 1), nullptr);  // the error recorder
  EXPECT_FALSE(CallNumber<bool>(global, creators, static_cast<void*>(&count), ""));
  for (const size_t slot : {creators + 1, creators + 6}) {  // getAllCreators, getAllCreatorsRecursive
    count = 7;
    EXPECT_EQ(CallNumber<void*>(global, slot, &count), nullptr);
    EXPECT_EQ(count, 0);
  }
  EXPECT_EQ(CallNumber<void*>(global, creators + 2, "Clip", "1", ""), nullptr);
  EXPECT_EQ(CallNumber<void*>(global, creators + 4, "key", static_cast<void*>(nullptr)), nullptr);
  EXPECT_EQ(CallNumber<int32_t>(global, creators + 5, "key"), -1);
  EXPECT_EQ(CallNumber<uintptr_t>(global, 100), 0u);
  EXPECT_EQ(TakeMessages(), "");  // this registry has no logger
}

TEST_F(SlotsTest, ARuntimeHasARegistryOfPluginsOfItsOwn) {
  if (!Raw::Has(Method::kRuntime_getPluginRegistry)) return;
  void* const registry = raw_runtime_.Call<void*>(Method::kRuntime_getPluginRegistry);
  ASSERT_NE(registry, nullptr);
  EXPECT_NE(registry, Entry<void*()>("getPluginRegistry")());
  EXPECT_EQ(raw_runtime_.Call<void*>(Method::kRuntime_getPluginRegistry), registry);
  EXPECT_EQ(CallNumber<void*>(registry, AtLeast(11, 0) ? 6 : 10, "libplugins.so"), nullptr);
  ExpectHas(TakeMessages(), "IPluginRegistry::loadLibrary: \"libplugins.so\"; the reference engine runs no plugins");
  EXPECT_EQ(CallNumber<uintptr_t>(registry, 40), 0u);
  ExpectHas(TakeMessages(), "slot 40 of IPluginRegistry is not implemented by the reference engine");
}

// A client that was built for a newer release calls slots that the presented one lacks.
TEST_F(SlotsTest, SlotsBeyondTheReleaseSaySoAndAnswerNothing) {
  const Raw engine = RawEngine(raw_runtime_, TwoHeadsFixed());
  const Raw context = RawContext(engine);
  const Raw memory(engine.Call<void*>(Method::kCudaEngine_serialize));
  const Raw inspector(engine.Call<void*>(Method::kCudaEngine_createEngineInspector));
  const tensorrt::SlotTable& table = ReferenceLibrary()->table();
  const struct {
    const Raw& object;
    tensorrt::Interface interface;
    const char* name;
  } objects[] = {{raw_runtime_, tensorrt::Interface::kRuntime, "IRuntime"},
                 {engine, tensorrt::Interface::kCudaEngine, "ICudaEngine"},
                 {context, tensorrt::Interface::kExecutionContext, "IExecutionContext"},
                 {memory, tensorrt::Interface::kHostMemory, "IHostMemory"},
                 {inspector, tensorrt::Interface::kEngineInspector, "IEngineInspector"}};
  for (const auto& [object, interface, name] : objects) {
    void* const implementation = static_cast<void**>(object.object())[1];
    const size_t known = table.layout(interface).size();
    for (const size_t slot : {known, known + 1, known + 9, size_t{150}}) {
      EXPECT_EQ(CallNumber<uintptr_t>(implementation, slot, 3, name, nullptr), 0u);
      ExpectHas(TakeMessages(), Cat("slot ", slot, " of ", name, " is not implemented by the reference engine"));
    }
  }
}

TEST_F(SlotsTest, ACallerOfAnotherMajorReleaseGetsNoRuntime) {
  void* const logger = raw_runtime_.Call<void*>(Method::kRuntime_getLogger);
  const auto create = Entry<void*(void*, int32_t)>("createInferRuntime_INTERNAL");
  EXPECT_EQ(create(logger, AtLeast(10, 0) ? 8601 : 100001), nullptr);
  ExpectHas(TakeMessages(), "this library presents itself as");
  EXPECT_EQ(create(nullptr, Entry<int32_t()>("getInferLibVersion")()), nullptr);
}

TEST_F(SlotsTest, VersionNumbersAgree) {
  const Release release = ReferenceLibrary()->release();
  EXPECT_EQ(Entry<int32_t()>("getInferLibMajorVersion")(), release.major);
  EXPECT_EQ(Entry<int32_t()>("getInferLibMinorVersion")(), release.minor);
  EXPECT_EQ(Entry<int32_t()>("getInferLibPatchVersion")(), release.patch);
  EXPECT_EQ(Entry<int32_t()>("getInferLibBuildVersion")(), release.build);
}

}  // namespace
}  // namespace nacelle::reference
