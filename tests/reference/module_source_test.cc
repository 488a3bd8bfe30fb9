#include "reference/module_source.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "core/text.h"
#include "tests/core/throws.h"

namespace nacelle::reference {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

constexpr const char* kClass = "__torch__.ReferenceNetwork";
constexpr const char* kHead =
    "class ReferenceNetwork(Module):\n  __parameters__ = []\n  __buffers__ = []\n  weight : Tensor\n";
constexpr const char* kForward = "  def forward(self: __torch__.ReferenceNetwork,\n    x: Tensor) -> Tensor:\n";

std::string Refused(const std::string& name) { return name == "aten::save" ? "which writes" : ""; }

ModuleClass Read(const std::string& text) {
  const ModuleSource source{"code/__torch__.py", "__torch__", text};
  return CheckModuleSource(source, kClass, NamedTuples(source), Refused);
}

// A class whose forward has these lines.
ModuleClass ReadBody(const std::string& body) { return Read(Cat(kHead, kForward, body, "    return x\n")); }

void ExpectRefused(const std::string& text, const std::string& message) {
  ExpectHas(MessageOf<PlanError>([&] { Read(text); }), message);
}
void ExpectBodyRefused(const std::string& body, const std::string& message) {
  ExpectHas(MessageOf<PlanError>([&] { ReadBody(body); }), message);
}

std::string Times(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(ModuleSource, TellsAttributesAndConstants) {
  const ModuleClass found = ReadBody("    y = torch.add(self.weight, CONSTANTS.c11)\n");
  EXPECT_TRUE(found.has_forward);
  ASSERT_EQ(found.attributes.size(), 1u);
  EXPECT_EQ(found.attributes.at("weight").name, "Tensor");
  EXPECT_EQ(found.constants, 12u);
}

TEST(ModuleSource, ReadsWhatTorchWrites) {
  EXPECT_NO_THROW(ReadBody("    _0, _1, = torch.max(x, 1)\n    a, b = _0, _1\n"));
  EXPECT_NO_THROW(ReadBody("    _0 = torch.sum(x, dtype=6)\n    torch.append(annotate(List[int], []), -1)\n"));
  EXPECT_NO_THROW(ReadBody("    y: Optional[Tensor] = None\n    z = unchecked_cast(Tensor, y)\n"));
  EXPECT_NO_THROW(ReadBody("    if bool(torch.gt(x, 1.5e-07)):\n      y = x\n    else:\n      pass\n"));
  EXPECT_NO_THROW(
      ReadBody("    for i in range(int(x)):\n      y = (x)[-1]\n    c = True\n    while c:\n      c = False\n"));
  EXPECT_NO_THROW(ReadBody("    ops.prim.RaiseException(\"a \\\"b\\\" \\303\\274\\n\", \"builtins.ValueError\")\n"));
  EXPECT_NO_THROW(
      ReadBody("    d = {\"a\": [1, 2], \"b\": [-inf, nan]}\n    t = (x,)\n    u = ()\n    s = (t)[0:1]\n"));
  EXPECT_NO_THROW(ReadBody("    l = annotate(List[float], x.tolist())\n    b = isinstance(l, (int, List[int]))\n"));
  EXPECT_NO_THROW(Read(Cat(kHead, "  def forward(self: __torch__.ReferenceNetwork,\n    x: Tensor) -> __torch__.P:\n",
                           "    return __torch__.P(x, 1)\nclass P(NamedTuple):\n  a : Tensor\n  b : int\n")));
}

TEST(ModuleSource, TheModuleHasAnyName) {
  const std::string forward = "  def forward(s: __torch__.ReferenceNetwork,\n    x: Tensor) -> Tensor:\n";
  EXPECT_NO_THROW(Read(Cat(kHead, forward, "    return torch.add(x, s.weight)\n")));
  ExpectRefused(Cat(kHead, forward, "    s = x\n    return x\n"), "found an assignment to \"s\"");
  ExpectRefused(Cat(kHead, forward, "    return self.weight\n"), "found \"self\", which nothing before it sets");
}

TEST(ModuleSource, RefusesOtherClassesAndMethods) {
  const std::string good = Cat(kHead, kForward, "    return x\n");
  ExpectRefused(good + "  def __setstate__(self: __torch__.ReferenceNetwork) -> int:\n    return 1\n",
                "line 8: found the method \"__setstate__\"; wanted forward alone");
  ExpectRefused(good + kForward + "    return x\n", "found the method \"forward\"");
  ExpectRefused(good + "class Other(Module):\n", "found the class \"__torch__.Other\"");
  ExpectRefused(good + kHead, "found the class \"__torch__.ReferenceNetwork\"");
  ExpectRefused("class ReferenceNetwork(Interface):\n", "of another kind; wanted a Module");
  ExpectRefused(good + "class P(NamedTuple):\n  def f(self) -> int:\n", "of a named tuple; wanted fields");
  ExpectRefused(good + "def f(x: Tensor) -> Tensor:\n  return x\n", "found \"def f");
  ExpectRefused(kHead, "found no method forward");
  ExpectRefused(Cat(kHead, "  inner : __torch__.torch.classes.tensorrt.Engine\n"), "classes.tensorrt.Engine");
  ExpectRefused(Cat(kHead, "  __forward_hooks__ = [\"h\", ]\n"), "found \"__forward_hooks__\"");
}

TEST(ModuleSource, RefusesOtherStatements) {
  for (const char* const line : {"with x:", "def f():", "import os", "del x", "raise x", "assert x", "class A:"}) {
    ExpectBodyRefused(Cat("    ", line, "\n"), "forward has no such statement");
  }
  ExpectBodyRefused("    self.weight = x\n", "found \"= x\"");
  ExpectBodyRefused("    torch = x\n", "found an assignment to \"torch\"");
  ExpectBodyRefused("    a, self = x, x\n", "found an assignment to \"self\"");
  ExpectBodyRefused("    if bool(x):\n      y = x\n", "wanted \"else:");
  ExpectBodyRefused("    y = x  # note\n", "found \"# note\"");
}

TEST(ModuleSource, RefusesOtherNames) {
  ExpectBodyRefused("    torch.save(x, \"f\")\n", "forward calls aten::save, which writes");
  ExpectBodyRefused("    ops.aten.save(x, \"f\")\n", "forward calls aten::save, which writes");
  ExpectBodyRefused("    torch.autograd.grad(x)\n", "aten::autograd");
  ExpectBodyRefused("    y = x.data\n", "wanted no attribute");
  ExpectBodyRefused("    y = x.save(\"f\")\n", "wanted no attribute");
  ExpectBodyRefused("    y = self.other\n", "attribute \"other\", which the class lacks");
  ExpectBodyRefused("    y = z\n", "found \"z\", which nothing before it sets");
  ExpectBodyRefused("    y = fork(x)\n", "found a call of \"fork\"");
  ExpectBodyRefused("    y = __torch__.Other(x)\n", "wanted named tuples alone");
  ExpectBodyRefused("    y = CONSTANTS.other\n", "found \".other\"; wanted \".c\"");
}

TEST(ModuleSource, RefusesDepthBeforeItIsReached) {
  constexpr int kDeep = 200000;
  ExpectBodyRefused(Cat("    y = ", Times("(", kDeep), "x", Times(")", kDeep), "\n"), "more than 64 deep");
  ExpectBodyRefused(Cat("    y = ", Times("torch.neg(", kDeep), "x", Times(")", kDeep), "\n"), "more than 64 deep");
  ExpectBodyRefused(Cat("    y = ", Times("[", kDeep), Times("]", kDeep), "\n"), "more than 64 deep");
  ExpectBodyRefused(Cat("    y = ", Times("{1: ", kDeep), "\n"), "more than 64 deep");
  ExpectBodyRefused(Cat("    y = x", Times("[0]", kDeep), "\n"), "more than 64 indices");
  ExpectBodyRefused(Cat("    y = ", Times("-", kDeep), "1\n"), "wanted a number");
  ExpectRefused(Cat(kHead, "  a : ", Times("List[", kDeep), "int", Times("]", kDeep), "\n"), "at most 32 types");
  std::string blocks;
  for (int i = 0; i < 400; ++i) blocks += Cat(std::string(static_cast<size_t>(2 * i + 4), ' '), "if bool(x):\n");
  ExpectBodyRefused(blocks, "blocks more than 200 deep");
}

TEST(ModuleSource, RefusesValuesThatGrowWithoutBounds) {
  std::string texts = "    s0 = \"abcd\"\n", tuples = "    s0 = (x, x)\n";
  for (int i = 0; i < 40; ++i) {
    texts += Cat("    s", i + 1, " = torch.add(s", i, ", s", i, ")\n");
    tuples += Cat("    s", i + 1, " = (s", i, ", s", i, ")\n");
  }
  ExpectBodyRefused(texts, "more than 2^20 bytes");
  ExpectBodyRefused(tuples, "more than 2^20 times");
  // Tensors that are added to themselves do not grow, nor do tuples whose parts are taken in turn.
  std::string sums = "    s0 = x\n", turns = "    s0 = (x, x)\n";
  for (int i = 0; i < 100; ++i) {
    sums += Cat("    s", i + 1, " = torch.add(s", i, ", s", i, ")\n");
    turns += Cat("    s", i + 1, " = ((s", i, ")[1], (s", i, ")[0])\n");
  }
  EXPECT_NO_THROW(ReadBody(sums));
  EXPECT_NO_THROW(ReadBody(turns));
}

TEST(ModuleSource, NoEndIsRunOver) {
  const std::string whole = Cat(kHead, kForward, "    y = torch.add(x, [1, (2, \"a\\\"\")])\n    return x\n");
  for (size_t size = 0; size < whole.size(); ++size) {
    try {
      Read(whole.substr(0, size));
    } catch (const PlanError&) {
      // Cut off somewhere; what counts is that nothing behind the end is read.
    }
  }
}

}  // namespace
}  // namespace nacelle::reference
