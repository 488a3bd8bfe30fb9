#include "runtime/program.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "runtime/embed.h"
#include "tests/runtime/tiny.h"

namespace nacelle::runtime {
namespace {

using testing::AffinePlan;
using ::testing::ElementsAre;
using testing::Embedded;

std::vector<std::string> Paths(const torch::jit::Module& module) {
  std::vector<std::string> paths;
  for (const EngineSite& site : FindEngines(module)) paths.push_back(site.path);
  return paths;
}

torch::jit::Module SavedAndLoaded(const torch::jit::Module& module) {
  std::stringstream file;
  module.save(file);
  return torch::jit::load(file);
}

c10::IValue EngineValue(const std::string& name) { return FindEngines(Embedded(AffinePlan(), name)).at(0).object; }

// A module that holds engines as an attribute, in a list, a dict, a tuple and an Optional.
torch::jit::Module Holder() {
  const c10::TypePtr type = c10::getCustomClassType<c10::intrusive_ptr<Engine>>();
  torch::jit::Module module("Holder");
  module.register_attribute("single", type, EngineValue("single"));
  c10::impl::GenericList list(type);
  list.push_back(EngineValue("first"));
  list.push_back(EngineValue("second"));
  module.register_attribute("several", c10::ListType::create(type), list);
  c10::impl::GenericDict dict(c10::StringType::get(), type);
  dict.insert("left", EngineValue("left"));
  module.register_attribute("by_name", c10::DictType::create(c10::StringType::get(), type), dict);
  module.register_attribute("pair", c10::TupleType::create({type, c10::IntType::get()}),
                            c10::ivalue::Tuple::create({EngineValue("paired"), 7}));
  module.register_attribute("maybe", c10::OptionalType::create(type), EngineValue("maybe"));
  return module;
}

TEST(Program, EnginesAreFoundWhereverValuesCanBe) {
  EXPECT_THAT(Paths(Holder()),
              ElementsAre("single", "several[0]", "several[1]", "by_name[\"left\"]", "pair[0]", "maybe"));
  torch::jit::Module outer("Outer");
  outer.register_module("inner", Embedded(AffinePlan(), "backbone"));
  EXPECT_THAT(Paths(outer), ElementsAre("inner.backbone_trt_engine"));
  EXPECT_THAT(Paths(torch::jit::Module("Empty")), ElementsAre());
}

TEST(Program, OneEngineIsFoundByItsPath) {
  const torch::jit::Module module = Holder();
  const std::vector<EngineSite> found = FindEngines(module, "several[1]");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].engine()->record().name, "second");
  EXPECT_EQ(FindEngines(module, std::nullopt).size(), 6u);
  try {
    FindEngines(module, "several[2]");
    FAIL() << "an engine was found";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("there is no engine \"several[2]\"; there are: single, several[0]"));
  }
}

TEST(Program, EnginesAreSavedWhereverValuesCanBe) {
  const torch::jit::Module module = Holder();
  const torch::jit::Module loaded = SavedAndLoaded(module);
  EXPECT_EQ(Paths(loaded), Paths(module));
  for (const EngineSite& site : FindEngines(loaded)) EXPECT_EQ(site.engine()->why_not_ready(), "") << site.path;
}

TEST(Program, ASavedRecordIsTheSameBytes) {
  for (int version = record::kOldestVersion; version <= record::kNewestVersion; ++version) {
    EmbedOptions options;
    options.abi_version = version;
    const torch::jit::Module module = EmbedEngine(AffinePlan(), options);
    const torch::jit::Module loaded = SavedAndLoaded(module);
    EXPECT_EQ(FindEngines(loaded).at(0).engine()->CompleteRecord(),
              FindEngines(module).at(0).engine()->CompleteRecord());
  }
}

TEST(Program, ADeepCopyHasEnginesOfItsOwn) {
  const torch::jit::Module module = Embedded(AffinePlan());
  torch::jit::Module copy = module.deepcopy();
  EXPECT_NE(FindEngines(copy).at(0).engine(), FindEngines(module).at(0).engine());
  const at::Tensor x = at::randn({1, 3});
  EXPECT_TRUE(copy.forward({x}).toTensor().equal(x * 2.0 + 1.0));
}

TEST(Program, AFrozenModuleRunsAndIsReadAndSaved) {
  torch::jit::Module outer("Outer");
  outer.register_module("inner", Embedded(AffinePlan()));
  outer.define("def forward(self, x: Tensor) -> Tensor:\n    return self.inner.forward(x) + 1.0\n");
  outer.eval();
  torch::jit::Module frozen = torch::jit::freeze_module(outer);
  const at::Tensor x = at::randn({1, 3});
  EXPECT_TRUE(frozen.forward({x}).toTensor().equal((x * 2.0 + 1.0) + 1.0));
  EXPECT_EQ(FindEngines(frozen).size(), 1U);
  torch::jit::Module loaded = SavedAndLoaded(frozen);
  EXPECT_TRUE(loaded.forward({x}).toTensor().equal((x * 2.0 + 1.0) + 1.0));
}

TEST(Program, AReplacementReachesEveryPlaceThatSharesTheObject) {
  torch::jit::Module module("Sharing");
  const c10::TypePtr type = c10::getCustomClassType<c10::intrusive_ptr<Engine>>();
  const c10::IValue engine = EngineValue("shared");
  module.register_attribute("a", type, engine);
  module.register_attribute("b", type, engine);
  int calls = 0;
  ReplaceEngines(module, [&](const EngineSite& site) {
    ++calls;
    return c10::make_intrusive<Engine>(record::Convert(site.engine()->CompleteRecord(), 7));
  });
  EXPECT_EQ(calls, 1);
  for (const EngineSite& site : FindEngines(module)) EXPECT_EQ(site.engine()->record().version, 7) << site.path;
}

TEST(Program, NothingIsReplacedWhereOneFails) {
  const torch::jit::Module module = Holder();
  int calls = 0;
  EXPECT_THROW(ReplaceEngines(module,
                              [&](const EngineSite& site) {
                                if (++calls == 3) throw std::runtime_error("no");
                                return c10::make_intrusive<Engine>(record::Convert(site.engine()->CompleteRecord(), 7));
                              }),
               std::runtime_error);
  for (const EngineSite& site : FindEngines(module)) EXPECT_EQ(site.engine()->record().version, 3) << site.path;
}

// The objects of an AOTInductor package: eleven engines, and a value that is none.
std::unordered_map<std::string, c10::IValue> PackageObjects() {
  std::unordered_map<std::string, c10::IValue> objects{{"_torchbind_obj11", c10::IValue("text")}};
  for (int i = 0; i < 11; ++i) {
    objects.emplace("_torchbind_obj" + std::to_string(i), EngineValue("engine" + std::to_string(i)));
  }
  return objects;
}

TEST(Package, EnginesAreFoundInTheOrderOfTheirNumbers) {
  std::vector<std::string> names;
  for (const EngineSite& site : FindEngines(PackageObjects())) names.push_back(site.engine()->record().name);
  EXPECT_THAT(names, ElementsAre("engine0", "engine1", "engine2", "engine3", "engine4", "engine5", "engine6", "engine7",
                                 "engine8", "engine9", "engine10"));
  EXPECT_EQ(FindEngines(PackageObjects(), "_torchbind_obj10").at(0).engine()->record().name, "engine10");
  EXPECT_THROW(FindEngines(PackageObjects(), "_torchbind_obj11"), InputError);
}

TEST(Package, EnginesAreMovedInPlace) {
  const std::unordered_map<std::string, c10::IValue> objects = PackageObjects();
  const c10::IValue held = objects.at("_torchbind_obj3");  // as the code of a package holds it
  const c10::intrusive_ptr<Engine> before = held.toCustomClass<Engine>();
  MoveEngines(objects, c10::kCPU);
  EXPECT_NE(held.toCustomClass<Engine>(), before);
  EXPECT_EQ(held.toCustomClass<Engine>()->CompleteRecord(), before->CompleteRecord());
}

TEST(ConfigureEngines, ChangesAllOrOne) {
  const std::unordered_map<std::string, c10::IValue> objects = PackageObjects();
  ConfigureEngines(objects, [](Settings& settings) { settings.max_contexts = 3; });
  ConfigureEngines(objects, [](Settings& settings) { settings.move_inputs = true; }, "_torchbind_obj1");
  for (const EngineSite& site : FindEngines(objects)) {
    EXPECT_EQ(site.engine()->settings().max_contexts, 3) << site.path;
    EXPECT_EQ(site.engine()->settings().move_inputs, site.path == "_torchbind_obj1") << site.path;
  }
  const torch::jit::Module module = Holder();
  ConfigureEngines(module, [](Settings& settings) { settings.max_contexts = 2; });
  for (const EngineSite& site : FindEngines(module)) EXPECT_EQ(site.engine()->settings().max_contexts, 2) << site.path;
  EXPECT_THROW(ConfigureEngines(module, [](Settings& settings) { settings.max_contexts = 0; }), InputError);
}

TEST(Program, LoadedForInspectionAnEngineIsSetUpWhenItIsCalled) {
  std::stringstream file;
  Embedded(AffinePlan()).save(file);
  torch::jit::Module module = [&] {
    const InspectOnly inspect;
    return torch::jit::load(file);
  }();
  const c10::intrusive_ptr<Engine> engine = FindEngines(module).at(0).engine();
  EXPECT_THAT(engine->Describe(), ::testing::HasSubstr("not set up"));
  EXPECT_TRUE(module.forward({at::zeros({1, 3})}).toTensor().equal(at::ones({1, 3})));
  EXPECT_THAT(engine->Describe(), ::testing::HasSubstr("runs on: cpu"));
}

}  // namespace
}  // namespace nacelle::runtime
