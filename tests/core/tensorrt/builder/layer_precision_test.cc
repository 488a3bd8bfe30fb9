#include "core/tensorrt/builder/layer_precision.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/slot_table.h"
#include "tests/core/throws.h"

namespace nacelle::tensorrt {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

// The layout of a library's interface objects.
struct Interface {
  const void* table = nullptr;
  void* implementation = nullptr;
};

// A class with a virtual table of N functions that must not be called; a derived one replaces some by its own.
template <typename Self>
struct Faked {
  using Function = void (*)();
  static constexpr int kSlots = 60;

  Faked() {
    for (Function& slot : slots) slot = [] { FAIL() << "a function that nobody should call"; };
  }

  template <typename R, typename... Args>
  void Put(int slot, R (*function)(Self*, Args...)) {
    slots[slot] = reinterpret_cast<Function>(function);
  }

  Function* vptr = slots;  // comes first, as a virtual table's address does
  Function slots[kSlots];
};

const SlotTable& Table() {
  for (const SlotTable& table : SlotTables()) {
    if (table.release == Release{8, 5, 3, 1}) return table;
  }
  throw LibraryError("there is no table of 8.5.3.1");
}

struct FakeTensor : Faked<FakeTensor> {
  explicit FakeTensor(DataType type_) : type(type_) {
    Put(Table().slot(Method::kTensor_getType), +[](FakeTensor* self) { return self->type; });
  }
  DataType type;
  Interface interface = {nullptr, this};
};

// The slots are those of the headers, counted here by hand: two destructors, then the functions in their order.
struct FakeLayer : Faked<FakeLayer> {
  FakeLayer(std::string name_, int32_t inputs_, const std::vector<DataType>& types)
      : name(std::move(name_)), inputs(inputs_), output_types(types.size(), "as it was") {
    for (const DataType type : types) outputs.emplace_back(type);
    Put(4, +[](FakeLayer* self) { return self->name.c_str(); });
    Put(5, +[](FakeLayer* self) { return self->inputs; });
    Put(7, +[](FakeLayer* self) { return static_cast<int32_t>(self->outputs.size()); });
    Put(8, +[](FakeLayer* self, int32_t i) { return &self->outputs[i].interface; });
    Put(10, +[](FakeLayer* self, DataType type) { self->precision = type == DataType::kFLOAT ? "float" : "other"; });
    Put(
        14, +[](FakeLayer* self, int32_t i, DataType type) {
          self->output_types[i] = type == DataType::kFLOAT ? "float" : "other";
        });
  }
  std::string name;
  int32_t inputs;
  std::deque<FakeTensor> outputs;
  std::string precision = "as it was";
  std::vector<std::string> output_types;
  Interface interface = {nullptr, this};
};

struct FakeNetwork : Faked<FakeNetwork> {
  FakeNetwork() {
    Put(
        Table().slot(Method::kNetworkDefinition_getNbLayers),
        +[](FakeNetwork* self) { return static_cast<int32_t>(self->layers.size()); });
    Put(
        Table().slot(Method::kNetworkDefinition_getLayer),
        +[](FakeNetwork* self, int32_t i) { return &self->layers[i].interface; });
  }

  void Add(const char* name, int32_t inputs, const std::vector<DataType>& outputs) {
    layers.emplace_back(name, inputs, outputs);
  }

  std::vector<std::string> InFloat() const {
    std::vector<std::string> names;
    for (const FakeLayer& layer : layers) {
      if (layer.precision == "as it was") continue;
      EXPECT_EQ(layer.precision, "float") << layer.name;
      for (const std::string& type : layer.output_types) EXPECT_EQ(type, "float") << layer.name;
      names.push_back(layer.name);
    }
    return names;
  }

  std::deque<FakeLayer> layers;
};

using Names = std::vector<std::string>;

class LayerPrecision : public testing::Test {
 protected:
  LayerPrecision() {
    network.Add("/backbone/conv1/Conv", 1, {DataType::kFLOAT});
    network.Add("/head/weights", 0, {DataType::kFLOAT});
    network.Add("/head/boxes/Conv", 1, {DataType::kFLOAT});
    network.Add("/head/Shape", 1, {DataType::kINT32});
    network.Add("/head/TopK", 1, {DataType::kFLOAT, DataType::kINT32});
    network.Add("/head/scores/Split", 1, {DataType::kHALF, DataType::kHALF});
  }

  void Keep(const Names& patterns) { KeepInFloat32(&network, Table(), patterns); }

  FakeNetwork network;
};

TEST_F(LayerPrecision, LayersAreChosenByName) {
  Keep({"/head/*"});
  EXPECT_EQ(network.InFloat(), (Names{"/head/boxes/Conv", "/head/scores/Split"}))
      << "constants, shapes and indices stay as they are";
}

TEST_F(LayerPrecision, PatternsAndWholeNames) {
  Keep({"/backbone/conv?/Conv", "/head/boxes/Conv"});
  EXPECT_EQ(network.InFloat(), (Names{"/backbone/conv1/Conv", "/head/boxes/Conv"}));
}

TEST_F(LayerPrecision, NamesWithBracketsMatchThemselves) {
  network.Add("(Unnamed Layer* 6) [Shuffle]", 1, {DataType::kFLOAT});
  Keep({"(Unnamed Layer* 6) [Shuffle]"});
  EXPECT_EQ(network.InFloat(), (Names{"(Unnamed Layer* 6) [Shuffle]"}));
}

TEST_F(LayerPrecision, APatternThatMatchesNothingIsRefused) {
  for (const char* pattern : {"/neck/*", "/head/Shape", "Conv"}) {
    const std::string message = MessageOf<InputError>([&] { Keep({pattern}); });
    ExpectHas(message, pattern);
    ExpectHas(message, "none of the 3 layers that compute in floating point has such a name");
    EXPECT_TRUE(message.ends_with(R"(: "/backbone/conv1/Conv", "/head/boxes/Conv", "/head/scores/Split")")) << message;
  }
}

TEST_F(LayerPrecision, LongListsOfNamesAreCut) {
  for (int i = 0; i < 20; ++i) network.Add("/more", 1, {DataType::kFLOAT});
  const std::string message = MessageOf<InputError>([&] { Keep({"x"}); });
  ExpectHas(message, "none of the 23 layers");
  EXPECT_TRUE(message.ends_with(R"("/more", …)")) << message;
}

}  // namespace
}  // namespace nacelle::tensorrt
