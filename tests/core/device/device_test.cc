#include "core/device/device.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "tests/core/throws.h"

namespace nacelle::device {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

TEST(Device, ParsesItsParts) {
  EXPECT_EQ(Device::Parse("0%8%0%0%NVIDIA A100-PCIE-40GB"), (Device{0, 8, 0, Type::kGpu, "NVIDIA A100-PCIE-40GB"}));
  EXPECT_EQ(Device::Parse("1%8%7%1%Orin"), (Device{1, 8, 7, Type::kDla, "Orin"}));
  EXPECT_EQ(Device::Parse("2147483647%10%3%0%"), (Device{2147483647, 10, 3, Type::kGpu, ""}));
}

TEST(Device, ToStringIsTheOpposite) {
  for (const char* text : {"0%8%0%0%NVIDIA A100-PCIE-40GB", "0%12%0%0%NVIDIA GeForce RTX 5090", "1%8%7%1%Orin",
                           "15%9%0%0% \xff\n", "0%0%0%0%"}) {
    EXPECT_EQ(Device::Parse(text).ToString(), text);
  }
}

TEST(Device, Cpu) {
  EXPECT_EQ(Device::Cpu().ToString(), "0%0%0%0%cpu");
  EXPECT_TRUE(Device::Parse("0%0%0%0%cpu").IsCpu());
  for (const char* text : {"0%0%0%0%CPU", "1%0%0%0%cpu", "0%0%0%1%cpu", "0%8%0%0%cpu", "0%0%0%0%"}) {
    EXPECT_FALSE(Device::Parse(text).IsCpu()) << text;
  }
}

struct BadCase {
  std::string text;
  std::string message;
};

class DeviceBadTest : public testing::TestWithParam<BadCase> {};

TEST_P(DeviceBadTest, IsRefused) {
  const std::string message = MessageOf<RecordError>([] { Device::Parse(GetParam().text); });
  ExpectHas(message, GetParam().message);
  ExpectHas(message, "wanted id%major%minor%type%name");
}

INSTANTIATE_TEST_SUITE_P(Parts, DeviceBadTest,
                         testing::Values(BadCase{"", "has 1 parts"}, BadCase{"0", "has 1 parts"},
                                         BadCase{"0%8%6%0", "has 4 parts"}, BadCase{"0%8%6%0%a%b", "has 6 parts"},
                                         BadCase{"0%8%6%0%a%", "has 6 parts"}));
INSTANTIATE_TEST_SUITE_P(Numbers, DeviceBadTest,
                         testing::Values(BadCase{"%8%6%0%x", "\"\" as its id"},
                                         BadCase{"-1%8%6%0%x", "\"-1\" as its id"},
                                         BadCase{"+1%8%6%0%x", "\"+1\" as its id"},
                                         BadCase{" 1%8%6%0%x", "\" 1\" as its id"},
                                         BadCase{"00%8%6%0%x", "\"00\" as its id"}, BadCase{"0x1%8%6%0%x", "as its id"},
                                         BadCase{"2147483648%8%6%0%x", "\"2147483648\" as its id"},
                                         BadCase{"0%8.6%6%0%x", "\"8.6\" as its major compute capability"},
                                         BadCase{"0%8%%0%x", "\"\" as its minor compute capability"},
                                         BadCase{"0%8%6%gpu%x", "\"gpu\" as its type"},
                                         BadCase{"0%8%6%2%x", "is of type 2, neither 0 (GPU) nor 1 (DLA)"}));

TEST(Device, WhatCannotBeWritten) {
  ExpectHas(MessageOf<RecordError>([] { (Device{0, 8, 6, Type::kGpu, "a%b"}).ToString(); }), "must not hold '%'");
  ExpectHas(MessageOf<RecordError>([] { (Device{-1, 8, 6, Type::kGpu, "a"}).ToString(); }), "must not be negative");
}

TEST(Device, Describe) {
  EXPECT_EQ((Device{1, 8, 6, Type::kGpu, "NVIDIA A10"}).Describe(), "GPU 1 \"NVIDIA A10\" (compute capability 8.6)");
  EXPECT_EQ((Device{0, 8, 7, Type::kDla, "Orin"}).Describe(), "DLA 0 \"Orin\" (compute capability 8.7)");
  EXPECT_EQ(Device::Cpu().Describe(), "the CPU");
}

}  // namespace
}  // namespace nacelle::device
