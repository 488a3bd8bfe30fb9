#include "reference/network.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "reference/archive.h"
#include "tests/core/throws.h"

namespace nacelle::reference {
namespace {

using tensorrt::DataType;
using testing_support::ExpectHas;
using testing_support::MessageOf;

std::unique_ptr<Network> NetworkOf(const std::string& forward, size_t inputs, size_t outputs) {
  torch::jit::Module module("Network");
  module.define(forward);
  return Network::Load(MakeArchive(module, inputs), inputs, outputs);
}

// Two by two floats, and a view of them.
struct Square {
  std::vector<float> values = {1, 2, 3, 4};
  Shape shape = {2, 2};
  std::vector<TensorView> views() { return {{DataType::kFLOAT, shape, values.data()}}; }
};

std::vector<float> Copied(const Workspace& workspace, size_t output) {
  std::vector<float> values(workspace.bytes(output) / sizeof(float));
  workspace.Copy(output, values.data());
  return values;
}

TEST(Network, RunsAndTellsWhatCameOut) {
  const auto network = NetworkOf("def forward(self, x):\n    return x.t(), x > 2\n", 1, 2);
  Workspace workspace(*network);
  Square square;
  workspace.Run(square.views());
  EXPECT_EQ(workspace.outputs(), 2u);
  EXPECT_EQ(workspace.dtype(0), DataType::kFLOAT);
  EXPECT_EQ(workspace.dtype(1), DataType::kBOOL);
  EXPECT_EQ(workspace.bytes(1), 4u);
  EXPECT_EQ(Copied(workspace, 0), std::vector<float>({1, 3, 2, 4}));
  workspace.Release();
  EXPECT_EQ(workspace.outputs(), 0u);
}

TEST(Network, AutocastOfTheCallerDoesNotReachIt) {
  const auto network = NetworkOf("def forward(self, x):\n    return x.mm(x)\n", 1, 1);
  Workspace workspace(*network);
  Square square;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  workspace.Run(square.views());
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_EQ(workspace.dtype(0), DataType::kFLOAT);
  EXPECT_EQ(Copied(workspace, 0), std::vector<float>({7, 10, 15, 22}));
}

TEST(Network, NegativeViewsAreCopiedAsTheyRead) {
  const auto network =
      NetworkOf("def forward(self, x):\n    return torch.imag(torch.view_as_complex(x).conj())\n", 1, 1);
  Workspace workspace(*network);
  Square square;
  workspace.Run(square.views());
  EXPECT_EQ(Copied(workspace, 0), std::vector<float>({-2, -4}));
}

TEST(Network, ErrorsAreTheModulesWithoutBacktrace) {
  const auto network = NetworkOf("def forward(self, x):\n    return x.view(7)\n", 1, 1);
  Workspace workspace(*network);
  Square square;
  const std::string message = MessageOf<ExecutionError>([&] { workspace.Run(square.views()); });
  ExpectHas(message, "the module failed: ");
  ExpectHas(message, "shape '[7]' is invalid for input of size 4");
  EXPECT_EQ(message.find("frame #"), std::string::npos);
  EXPECT_NO_THROW(workspace.Release());
}

TEST(Network, AWrongNumberOfOutputsIsAnError) {
  const auto network = NetworkOf("def forward(self, x):\n    return [x, x]\n", 1, 3);
  Workspace workspace(*network);
  Square square;
  ExpectHas(MessageOf<ExecutionError>([&] { workspace.Run(square.views()); }), "returned 2 tensors; wanted 3");
}

TEST(Network, InfersShapesOnOnesWhereZerosAreRefused) {
  const auto network = NetworkOf("def forward(self, x):\n    assert bool((x > 0).all())\n    return x.sum(1)\n", 1, 1);
  const std::vector<TensorType> types = {{DataType::kFLOAT, {5, 2}}};
  EXPECT_EQ(network->InferShapes(types), std::vector<Shape>({{5}}));
}

TEST(Network, LayersAreTheOperationsOfTheGraph) {
  const auto network = NetworkOf("def forward(self, x):\n    return torch.relu(x) * 2\n", 1, 1);
  ASSERT_EQ(network->layers().size(), 2u);
  EXPECT_EQ(network->layers()[0].type, "aten::relu");
  EXPECT_EQ(network->layers()[1].name, "aten::mul:1");
  EXPECT_EQ(network->layers()[1].inputs, network->layers()[0].outputs);
}

}  // namespace
}  // namespace nacelle::reference
