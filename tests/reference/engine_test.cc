// ICudaEngine, IRuntime, IHostMemory and IEngineInspector.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/data_type.h"
#include "reference/plan.h"
#include "tests/core/throws.h"
#include "tests/reference/engine_fixture.h"
#include "tests/reference/networks.h"

namespace nacelle::reference {
namespace {

using tensorrt::DataType;
using tensorrt::Dims;
using tensorrt::LayerInformationFormat;
using tensorrt::OptProfileSelector;
using tensorrt::TensorIOMode;
using testing_support::ExpectHas;
using testing_support::MessageOf;

TEST_F(EngineTest, PresentsTheReleaseAskedFor) {
  const char* wanted = std::getenv("NACELLE_REFERENCE_RELEASE");
  ASSERT_NE(wanted, nullptr) << "the test is told the release by its environment";
  const std::string release = ReferenceLibrary()->release().ToString();
  EXPECT_EQ(release.substr(0, std::strlen(wanted)), wanted);
  EXPECT_EQ(ReferenceLibrary()->kind(), tensorrt::LibraryKind::kReference);
}

TEST_F(EngineTest, TellsNamesModesShapesAndDtypes) {
  const auto engine = Load(TwoHeads());
  ASSERT_EQ(engine.NumIoTensors(), 3);
  EXPECT_STREQ(engine.IoTensorName(0), "x");
  EXPECT_STREQ(engine.IoTensorName(1), "sum");
  EXPECT_STREQ(engine.IoTensorName(2), "twice");
  EXPECT_EQ(engine.IoMode("x"), TensorIOMode::kINPUT);
  EXPECT_EQ(engine.IoMode("sum"), TensorIOMode::kOUTPUT);
  EXPECT_EQ(engine.IoMode("other"), TensorIOMode::kNONE);
  EXPECT_EQ(engine.Shape("x"), Dims({-1, 3}));
  EXPECT_EQ(engine.Shape("sum"), Dims({-1}));
  EXPECT_EQ(engine.Type("x"), DataType::kFLOAT);
  EXPECT_EQ(engine.Location("x"), tensorrt::TensorLocation::kDEVICE);
  EXPECT_EQ(TakeMessages(), "");
}

TEST_F(EngineTest, NamesAreFoundByTheirText) {
  const auto engine = Load(TwoHeads());
  const std::string copy = "twice";
  EXPECT_EQ(engine.Shape(copy.c_str()), Dims({-1, 3}));
}

TEST_F(EngineTest, SaysWhichNamesThereAre) {
  const auto engine = Load(TwoHeads());
  EXPECT_FALSE(engine.Shape("other").valid());
  EXPECT_EQ(TakeMessages().find("no tensor has the name \"other\"; the names are \"x\", \"sum\", \"twice\"") ==
                std::string::npos,
            false);
  EXPECT_FALSE(engine.Shape(nullptr).valid());
  ExpectHas(TakeMessages(), "(null)");
  EXPECT_EQ(engine.IoTensorName(3), nullptr);
  ExpectHas(TakeMessages(), "index 3; wanted 0 to 2");
  EXPECT_EQ(engine.IoTensorName(-1), nullptr);
}

TEST_F(EngineTest, TellsItsProfiles) {
  const auto engine = Load(TwoHeads(2));
  ASSERT_EQ(engine.NumProfiles(), 2);
  EXPECT_EQ(engine.ProfileShape("x", 0, OptProfileSelector::kMIN), Dims({1, 3}));
  EXPECT_EQ(engine.ProfileShape("x", 0, OptProfileSelector::kOPT), Dims({2, 3}));
  EXPECT_EQ(engine.ProfileShape("x", 1, OptProfileSelector::kMAX), Dims({32, 3}));
  EXPECT_FALSE(engine.ProfileShape("x", 2, OptProfileSelector::kMAX).valid());
  ExpectHas(TakeMessages(), "profile 2; wanted 0 to 1");
  EXPECT_FALSE(engine.ProfileShape("sum", 0, OptProfileSelector::kMAX).valid());
  ExpectHas(TakeMessages(), "\"sum\" is an output");
  EXPECT_FALSE(engine.ProfileShape("x", 0, static_cast<OptProfileSelector>(3)).valid());
}

TEST_F(EngineTest, AFixedInputHasItsShapeInEveryProfile) {
  const auto engine = Load(TwoHeadsFixed());
  EXPECT_EQ(engine.NumProfiles(), 1);
  EXPECT_EQ(engine.ProfileShape("x", 0, OptProfileSelector::kMIN), Dims({2, 3}));
  EXPECT_EQ(engine.ProfileShape("x", 0, OptProfileSelector::kMAX), Dims({2, 3}));
}

TEST_F(EngineTest, RefusesWhatIsNoPlan) {
  const std::string plan = TwoHeads();
  std::string damaged = plan;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  ExpectHas(MessageOf<PlanError>([&] { Load("ftrt and something"); }), "magic");
  ExpectHas(MessageOf<PlanError>([&] { Load(plan.substr(0, plan.size() - 1)); }), "plan size");
  ExpectHas(MessageOf<PlanError>([&] { Load(damaged); }), "damaged");
  EXPECT_THROW(Load(""), PlanError);
}

TEST_F(EngineTest, RefusesAPlanWhoseModuleTorchDoesNotRead) {
  Plan plan = ReadPlan(TwoHeads());
  plan.module = "no archive";
  ExpectHas(MessageOf<PlanError>([&] { Load(WritePlan(plan)); }), "does not end as a zip archive");
  plan = ReadPlan(TwoHeads());
  plan.inputs.push_back(Fixed("another", DataType::kFLOAT, {1}));
  ExpectHas(MessageOf<PlanError>([&] { Load(WritePlan(plan)); }), "forward takes 1 inputs; the plan lists 2");
}

TEST_F(EngineTest, RefusesDtypesThatTheReleaseLacks) {
  for (const tensorrt::DataTypeInfo& dtype : tensorrt::kDataTypes) {
    const std::string plan = Identity(dtype.type);
    if (ReferenceLibrary()->release() >= dtype.since) {
      EXPECT_EQ(Load(plan).Type("x"), dtype.type) << dtype.name;
    } else {
      ExpectHas(MessageOf<PlanError>([&] { Load(plan); }), std::string("tensor \"x\" is ") + dtype.name);
    }
  }
}

TEST_F(EngineTest, RefusesExtentsThatTheReleaseCannotExpress) {
  Plan plan = ReadPlan(TwoHeads());
  plan.inputs[0].profiles[0].max[0] = int64_t{1} << 31;
  const std::string bytes = WritePlan(plan);
  if (AtLeast(10, 0)) {
    EXPECT_EQ(Load(bytes).ProfileShape("x", 0, OptProfileSelector::kMAX), Dims({int64_t{1} << 31, 3}));
  } else {
    ExpectHas(MessageOf<PlanError>([&] { Load(bytes); }), "an extent above 2147483647");
  }
}

TEST_F(EngineTest, InspectorTellsLayersAndTensors) {
  const auto engine = Load(TwoHeads());
  auto inspector = engine.CreateInspector();
  const std::string json = inspector.EngineInformation(LayerInformationFormat::kJSON);
  ExpectHas(json, "\"LayerType\": \"aten::sum\"");
  ExpectHas(json, "\"Bindings\": [\"x\", \"sum\", \"twice\"]");
  ExpectHas(json, "\"Profiles\": [{\"Min\": [1, 3], \"Opt\": [2, 3], \"Max\": [16, 3]}]");
  ExpectHas(json, "\"Dimensions\": [-1]");
  ExpectHas(inspector.EngineInformation(LayerInformationFormat::kONELINE), "x: input float32 [-1, 3]");
  EXPECT_THROW(inspector.EngineInformation(static_cast<LayerInformationFormat>(9)), ExecutionError);
}

TEST_F(EngineTest, NamesAreEscapedInJson) {
  const auto engine =
      Load(PlanOf("def forward(self, x):\n    return x\n", {Fixed("a\"b\\c\n", DataType::kFLOAT, {1})}));
  ExpectHas(engine.CreateInspector().EngineInformation(LayerInformationFormat::kJSON), "a\\\"b\\\\c\\u000a");
}

}  // namespace
}  // namespace nacelle::reference
