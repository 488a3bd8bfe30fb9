#include "core/tensorrt/slot_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "core/error.h"

namespace nacelle::tensorrt {
namespace {

std::string TableName(const Release& release) { return TableFor(release).release.ToString(); }

std::string Refusal(const Release& release) {
  try {
    TableFor(release);
  } catch (const LibraryError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SlotTables, AreAscendingAndComplete) {
  const std::span<const SlotTable> tables = SlotTables();
  ASSERT_EQ(tables.size(), 29U);
  for (size_t i = 1; i < tables.size(); ++i) EXPECT_LT(tables[i - 1].release, tables[i].release);
  for (const SlotTable& table : tables) {
    SCOPED_TRACE(table.release.ToString());
    EXPECT_EQ(table.slots.size(), kMethodCount);
    EXPECT_EQ(table.layouts.size(), kInterfaceCount);
    EXPECT_EQ(table.dims64, table.release.major >= 10);
    for (const Interface needed : {Interface::kRuntime, Interface::kCudaEngine, Interface::kExecutionContext,
                                   Interface::kHostMemory, Interface::kEngineInspector, Interface::kLogger,
                                   Interface::kOutputAllocator, Interface::kErrorRecorder, Interface::kProfiler}) {
      EXPECT_FALSE(table.layout(needed).empty()) << InterfaceName(needed);
    }
  }
}

TEST(SlotTables, SlotsAndLayoutsAgree) {
  for (const SlotTable& table : SlotTables()) {
    SCOPED_TRACE(table.release.ToString());
    size_t listed = 0;
    for (const std::span<const Method> layout : table.layouts) {
      for (size_t slot = 0; slot < layout.size(); ++slot) {
        EXPECT_EQ(table.slot(layout[slot]), static_cast<int>(slot)) << MethodName(layout[slot]);
      }
      listed += layout.size();
    }
    size_t there = 0;
    for (size_t m = 0; m < kMethodCount; ++m) there += table.has(static_cast<Method>(m)) ? 1 : 0;
    // Four methods of Tensor and seven of NetworkDefinition are known, and no layout of these classes.
    EXPECT_EQ(listed + 11, there);
  }
}

TEST(SlotTables, FlagsHaveTheNumbersOfTheRelease) {
  EXPECT_EQ(TableFor({8, 5, 3, 1}).bit(Flag::kBuilderFlag_TF32), 7);
  EXPECT_EQ(TableFor({10, 0, 1, 6}).bit(Flag::kBuilderFlag_TF32), 6);
  EXPECT_EQ(TableFor({9, 1, 0, 4}).bit(Flag::kBuilderFlag_BF16), 19);
  EXPECT_EQ(TableFor({9, 2, 0, 5}).bit(Flag::kBuilderFlag_BF16), -1) << "its NvInfer.h is not known";
  EXPECT_EQ(TableFor({8, 5, 3, 1}).bit(Flag::kBuilderFlag_BF16), -1);
  EXPECT_EQ(TableFor({11, 0, 0, 114}).bit(Flag::kBuilderFlag_VERSION_COMPATIBLE), 12);
  EXPECT_STREQ(FlagName(Flag::kBuilderFlag_TF32), "BuilderFlag::kTF32");
}

TEST(SlotTables, TensorRtRtxFollowsTensorRtButForAFew) {
  const SlotTable& rtx = RtxSlotTable();
  const SlotTable& base = TableFor({11, 1, 0, 106});
  EXPECT_EQ(RtxRelease(), (Release{1, 7, 1, 116}));
  EXPECT_EQ(rtx.release, base.release);
  EXPECT_EQ(rtx.slot(Method::kTensor_isShapeTensor), 11);
  EXPECT_EQ(base.slot(Method::kTensor_isShapeTensor), 15);
  EXPECT_EQ(rtx.layout(Interface::kOutputAllocator).size() + 1, base.layout(Interface::kOutputAllocator).size());
  EXPECT_EQ(rtx.slot(Method::kExecutionContext_enqueueV3), base.slot(Method::kExecutionContext_enqueueV3));
}

// Numbers read off the headers' tables by eye.
TEST(SlotTables, HaveTheSlotsOfTheHeaders) {
  const SlotTable& v8_5 = TableFor({8, 5, 3, 1});
  EXPECT_EQ(v8_5.slot(Method::kRuntime_deserializeCudaEngine), 2);
  EXPECT_EQ(v8_5.slot(Method::kCudaEngine_getTensorShape), 34);
  EXPECT_EQ(v8_5.slot(Method::kCudaEngine_getIOTensorName), 46);
  EXPECT_EQ(v8_5.slot(Method::kExecutionContext_setInputShape), 29);
  EXPECT_EQ(v8_5.slot(Method::kExecutionContext_enqueueV3), 44);
  EXPECT_EQ(v8_5.slot(Method::kLogger_log), 0);
  EXPECT_EQ(v8_5.slot(Method::kOutputAllocator_notifyShape), 2);
  EXPECT_FALSE(v8_5.has(Method::kCudaEngine_getNbAuxStreams));

  for (const Release& release : {Release{9, 1, 0, 4}, Release{9, 2, 0, 5}}) {
    const SlotTable& v9 = TableFor(release);
    EXPECT_EQ(v9.slot(Method::kRuntime_deserializeCudaEngine), 2);
    EXPECT_EQ(v9.slot(Method::kRuntime_setEngineHostCodeAllowed), 20);
    EXPECT_EQ(v9.slot(Method::kCudaEngine_getIOTensorName), 46);
    EXPECT_EQ(v9.slot(Method::kCudaEngine_getTensorVectorizedDimV2), 54);
    EXPECT_EQ(v9.slot(Method::kExecutionContext_enqueueV3), 44);
    EXPECT_EQ(v9.slot(Method::kExecutionContext_setAuxStreams), 50);
    EXPECT_EQ(v9.slot(Method::kErrorRecorder_getNbErrors), 2);
    EXPECT_EQ(v9.slot(Method::kOutputAllocator_notifyShape), 2);
    EXPECT_FALSE(v9.has(Method::kOutputAllocator_reallocateOutputAsync));
  }
  EXPECT_FALSE(TableFor({9, 1, 0, 4}).has(Method::kCudaEngine_createSerializationConfig));
  EXPECT_EQ(TableFor({9, 2, 0, 5}).slot(Method::kCudaEngine_createSerializationConfig), 55);
  EXPECT_EQ(TableFor({9, 1, 0, 4}).slot(Method::kProgressMonitor_phaseStart), 2);

  const SlotTable& v11_1 = TableFor({11, 1, 0, 106});
  EXPECT_EQ(v11_1.slot(Method::kRuntime_deserializeCudaEngine), 3);
  EXPECT_FALSE(v11_1.has(Method::kRuntime_deserializeCudaEngine_streamReader));
  EXPECT_EQ(v11_1.slot(Method::kCudaEngine_getTensorShape), 15);
  EXPECT_EQ(v11_1.slot(Method::kExecutionContext_enqueueV3), 36);
  EXPECT_EQ(v11_1.slot(Method::kLogger_log), 4);
  EXPECT_EQ(v11_1.slot(Method::kIRuntime_delete), 1);
  EXPECT_EQ(v11_1.slot(Method::kOutputAllocator_reallocateOutputAsync), 5);

  const SlotTable& v10_0 = TableFor({10, 0, 0, 6});
  EXPECT_EQ(v10_0.slot(Method::kRuntime_deserializeCudaEngine), 3);
  EXPECT_EQ(v10_0.slot(Method::kRuntime_deserializeCudaEngine_streamReader), 4);
  EXPECT_EQ(v10_0.slot(Method::kLogger_log), 0);
}

TEST(TableFor, TakesTheNewestThatIsNotNewer) {
  EXPECT_EQ(TableName({8, 5, 3, 1}), "8.5.3.1");
  EXPECT_EQ(TableName({8, 5, 3, 0}), "8.5.3.1") << "8.x libraries do not tell their build number";
  EXPECT_EQ(TableName({8, 6, 2, 3}), "8.6.1.5");
  EXPECT_EQ(TableName({9, 1, 0, 0}), "9.1.0.4");
  EXPECT_EQ(TableName({9, 2, 0, 0}), "9.2.0.5");
  EXPECT_EQ(TableName({9, 3, 0, 0}), "9.2.0.5");
  EXPECT_EQ(TableName({10, 13, 1, 9}), "10.13.0.35");
  EXPECT_EQ(TableName({10, 99, 0, 0}), "10.16.0.72");
  EXPECT_EQ(TableName({11, 4, 0, 106}), "11.1.0.106");
}

TEST(TableFor, RefusesOtherMajorReleases) {
  const std::string refusal = Refusal({12, 0, 0, 5});
  EXPECT_NE(refusal.find("TensorRT 12.0.0.5"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("8.5 to 8.6, 9.1 to 9.2, 10.0 to 10.16, 11.0 to 11.1"), std::string::npos) << refusal;
  for (const int major : {0, 1, 7}) EXPECT_NE(Refusal({major, 3, 0, 0}), "accepted") << major;
}

TEST(TableFor, RefusesReleasesOlderThanItsTables) {
  const std::string refusal = Refusal({8, 4, 3, 1});
  EXPECT_NE(refusal.find("8.4.3.1 is older than 8.5.1.7"), std::string::npos) << refusal;
  const std::string early = Refusal({9, 0, 1, 4});
  EXPECT_NE(early.find("9.0.1.4 is older than 9.1.0.4"), std::string::npos) << early;
}

TEST(RtxTableFor, IsForTheReleasesOfItsTableAlone) {
  for (const Release& release :
       {Release{1, 5, 0, 0}, Release{1, 6, 1, 120}, Release{1, 7, 1, 116}, Release{1, 9, 0, 0}}) {
    EXPECT_EQ(&RtxTableFor(release), &RtxSlotTable()) << release.ToString();
  }
  for (const Release& release : {Release{0, 9, 0, 0}, Release{1, 0, 0, 0}, Release{1, 4, 0, 76}, Release{1, 4, 99, 0},
                                 Release{2, 0, 0, 0}, Release{11, 1, 0, 106}}) {
    EXPECT_THROW(RtxTableFor(release), LibraryError) << release.ToString();
  }
}

TEST(Names, AreThoseOfTheHeaders) {
  EXPECT_STREQ(MethodName(Method::kCudaEngine_getIOTensorName), "CudaEngine::getIOTensorName");
  EXPECT_STREQ(MethodName(Method::kRuntime_deserializeCudaEngine_streamReader),
               "Runtime::deserializeCudaEngine_streamReader");
  EXPECT_STREQ(InterfaceName(Interface::kExecutionContext), "ExecutionContext");
  EXPECT_STREQ(InterfaceName(Interface::kIHostMemory), "IHostMemory");
}

TEST(Enums, HaveTheValuesOfTheHeaders) {
  EXPECT_EQ(static_cast<int>(DataType::kFLOAT), 0);
  EXPECT_EQ(static_cast<int>(DataType::kBF16), 7);
  EXPECT_EQ(static_cast<int>(DataType::kE8M0), 11);
  EXPECT_EQ(static_cast<int>(TensorIOMode::kOUTPUT), 2);
  EXPECT_EQ(static_cast<int>(Severity::kVERBOSE), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::kINVALID_STATE), 9);
}

TEST(SlotTable, MadeByHandMayBeShort) {
  const SlotTable none;
  EXPECT_FALSE(none.has(Method::kCudaEngine_getName));
  EXPECT_TRUE(none.layout(Interface::kLogger).empty());
}

}  // namespace
}  // namespace nacelle::tensorrt
