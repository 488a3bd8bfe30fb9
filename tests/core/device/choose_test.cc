#include "core/device/choose.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/core/throws.h"

namespace nacelle::device {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

Device Gpu(int id, int major, int minor, const std::string& name) { return {id, major, minor, Type::kGpu, name}; }
Device Dla(int id, const std::string& name) { return {id, 8, 7, Type::kDla, name}; }

const Device kT4 = Gpu(0, 7, 5, "T4");
const Device kA100 = Gpu(1, 8, 0, "A100");
const Device kA10 = Gpu(2, 8, 6, "A10");
const Device kA40 = Gpu(3, 8, 6, "A40");
const Device kSecondA10 = Gpu(4, 8, 6, "A10");
const Device kH100 = Gpu(5, 9, 0, "H100");
const std::vector<Device> kMixed = {kT4, kA100, kA10, kA40, kSecondA10, kH100};
constexpr std::nullopt_t kNoCurrent = std::nullopt;

struct Case {
  std::string what;
  Device recorded;
  bool hardware_compatible;
  std::vector<Device> devices;
  std::optional<int> current;
  Device wanted;
};

class ChooseTest : public testing::TestWithParam<Case> {};

TEST_P(ChooseTest, Picks) {
  const Case& c = GetParam();
  EXPECT_EQ(Choose(c.recorded, c.hardware_compatible, {c.devices, c.current, ""}), c.wanted) << c.what;
}

INSTANTIATE_TEST_SUITE_P(
    SameCapability, ChooseTest,
    testing::Values(
        Case{"the one that there is", Gpu(0, 8, 0, "A100"), false, kMixed, kNoCurrent, kA100},
        Case{"the current one, before the recorded id and name", Gpu(2, 8, 6, "A10"), false, kMixed, 3, kA40},
        Case{"the current one, whatever was recorded", Gpu(7, 8, 6, "RTX"), false, kMixed, 4, kSecondA10},
        Case{"a current one of another capability does not count", Gpu(4, 8, 6, "A10"), false, kMixed, 5, kSecondA10},
        Case{"the recorded id with the recorded name", Gpu(4, 8, 6, "A10"), false, kMixed, kNoCurrent, kSecondA10},
        Case{"the recorded id has another name: the first of the name", Gpu(3, 8, 6, "A10"), false, kMixed, kNoCurrent,
             kA10},
        Case{"the recorded id is of another capability", Gpu(0, 8, 6, "A40"), false, kMixed, kNoCurrent, kA40},
        Case{"no such id: the first of the name", Gpu(9, 8, 6, "A10"), false, kMixed, kNoCurrent, kA10},
        Case{"no such name: the first of the capability", Gpu(3, 8, 6, "RTX"), false, kMixed, kNoCurrent, kA10},
        Case{"a name of another capability does not count", Gpu(1, 8, 6, "A100"), false, kMixed, kNoCurrent, kA10},
        Case{"a current one that is not listed", Gpu(2, 8, 6, "A10"), false, kMixed, 12, kA10}));

INSTANTIATE_TEST_SUITE_P(
    HardwareCompatible, ChooseTest,
    testing::Values(
        Case{"8.0 is new enough", Gpu(0, 9, 0, "H200"), true, {kT4, kA100}, kNoCurrent, kA100},
        Case{"the current one", Gpu(1, 8, 0, "A100"), true, kMixed, 5, kH100},
        Case{"a current one that is too old does not count", Gpu(5, 9, 0, "H100"), true, kMixed, 0, kH100},
        Case{"the recorded id with the recorded name", Gpu(4, 8, 6, "A10"), true, kMixed, kNoCurrent, kSecondA10},
        Case{"the first of the name", Gpu(0, 9, 0, "H100"), true, kMixed, kNoCurrent, kH100},
        Case{"the first that is new enough", Gpu(0, 12, 0, "RTX 5090"), true, kMixed, kNoCurrent, kA100},
        Case{"a newer major", Gpu(0, 8, 0, "A100"), true, {Gpu(0, 12, 0, "RTX")}, kNoCurrent, Gpu(0, 12, 0, "RTX")}));

INSTANTIATE_TEST_SUITE_P(
    Others, ChooseTest,
    testing::Values(
        Case{"a DLA", Dla(1, "Orin"), false, {Gpu(0, 8, 7, "Orin"), Dla(0, "Orin"), Dla(1, "Orin")}, 0, Dla(1, "Orin")},
        Case{"a GPU beside DLAs",
             Gpu(0, 8, 7, "Orin"),
             false,
             {Dla(0, "Orin"), Gpu(0, 8, 7, "Orin")},
             kNoCurrent,
             Gpu(0, 8, 7, "Orin")},
        Case{"the current GPU says nothing about DLAs",
             Dla(1, "Orin"),
             false,
             {Dla(0, "Orin"), Dla(1, "Orin")},
             0,
             Dla(1, "Orin")},
        Case{"the CPU needs no device", Device::Cpu(), false, {}, kNoCurrent, Device::Cpu()},
        Case{"the CPU beside GPUs", Device::Cpu(), false, kMixed, 1, Device::Cpu()}));

std::string ChooseMessage(const Device& recorded, bool hardware_compatible, const Inventory& here) {
  return MessageOf<DeviceError>([&] { Choose(recorded, hardware_compatible, here); });
}

TEST(ChooseErrors, NameTheRequirementAndEveryDevice) {
  const std::string message = ChooseMessage(Gpu(0, 8, 9, "L40S"), false, {kMixed, 1, ""});
  ExpectHas(message, "; wanted a GPU of compute capability 8.9");
  ExpectHas(message, "GPU 0 \"L40S\" (compute capability 8.9)");
  for (const Device& device : kMixed) ExpectHas(message, device.Describe());
}

TEST(ChooseErrors, HardwareCompatible) {
  const std::string message = ChooseMessage(Gpu(0, 8, 0, "A100"), true, {{kT4}, 0, ""});
  ExpectHas(message,
            "a GPU of compute capability 8.0 or newer (the engine is hardware compatible, built on GPU 0 "
            "\"A100\" (compute capability 8.0))");
  ExpectHas(message, "no device can run this engine; found GPU 0 \"T4\" (compute capability 7.5); wanted ");
}

TEST(ChooseErrors, SayWhyThereIsNoDevice) {
  const std::string reason = "libcuda.so.1: cannot open shared object file: No such file or directory";
  const std::string message = ChooseMessage(Gpu(0, 9, 0, "H100"), false, {{}, kNoCurrent, reason});
  ExpectHas(message, "a GPU of compute capability 9.0 (the engine was built on GPU 0 \"H100\"");
  ExpectHas(message, "no device can run this engine; found none: " + reason + "; wanted ");
  ExpectHas(ChooseMessage(Gpu(0, 9, 0, "H100"), false, {}), "no device can run this engine; found none; wanted ");
}

TEST(ChooseErrors, DlaIsRefusedByName) {
  const std::string message = ChooseMessage(Dla(1, "Orin"), false, {{Gpu(0, 8, 7, "Orin")}, 0, ""});
  ExpectHas(message, "a DLA of compute capability 8.7 (the engine was built on DLA 1 \"Orin\"");
  ExpectHas(message, "this machine has no DLA");
  ExpectHas(message, "GPU 0 \"Orin\"");
  // Hardware compatibility is about GPUs: no GPU stands in for a DLA.
  ExpectHas(ChooseMessage(Dla(1, "Orin"), true, {{kH100}, 5, ""}), "this machine has no DLA");
}

}  // namespace
}  // namespace nacelle::device
