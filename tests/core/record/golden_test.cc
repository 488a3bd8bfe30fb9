// The golden records: programs saved with any version load as they did, for ever.
#include "tests/core/record/golden.h"

#include <gtest/gtest.h>

#include <iterator>
#include <tuple>

#include "core/record/record.h"

namespace nacelle::record {
namespace {

constexpr int kEveryVersion[] = {3, 4, 5, 6, 7, 8, 9, 10};

TEST(Golden, ThereIsOneForEveryVersion) {
  EXPECT_EQ(std::size(kEveryVersion), static_cast<size_t>(kNewestVersion - kOldestVersion + 1));
  EXPECT_EQ(kDefaultVersion, 3);
  constexpr size_t kCounts[] = {4, 6, 7, 9, 10, 11, 12, 13};
  for (size_t i = 0; i < std::size(kCounts); ++i) {
    EXPECT_EQ(FieldCount(kEveryVersion[i]), kCounts[i]);
    EXPECT_EQ(golden::Read(kEveryVersion[i]).size(), kCounts[i]);
  }
}

class GoldenTest : public testing::TestWithParam<int> {};

TEST_P(GoldenTest, ParsesToWhatWasWritten) { EXPECT_EQ(Parse(golden::Read(GetParam())), golden::Expected(GetParam())); }

TEST_P(GoldenTest, WritesTheSameBytes) {
  const golden::Fields fields = golden::Read(GetParam());
  const Record record = Parse(fields);
  EXPECT_EQ(Write(record), fields);
  EXPECT_EQ(Write(Record(record)), fields);  // the form that moves
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenTest, testing::ValuesIn(kEveryVersion));

class GoldenConvertTest : public testing::TestWithParam<std::tuple<int, int>> {};

// The part of a golden record that stays in another version: the fields that both have.
Record Common(int from, int to) {
  Record wanted = golden::Expected(from);
  wanted.version = to;
  if (to < 4) wanted.input_names = wanted.output_names = {};
  if (to < 5) wanted.hardware_compatible = false;
  if (to < 6) wanted.metadata = "";
  if (to < 6) wanted.target_platform = TargetPlatform::kUnknown;
  if (to < 7) wanted.requires_output_allocator = false;
  if (to < 8) wanted.resource_allocation = ResourceAllocation::kStatic;
  if (to < 9) wanted.requires_native_multi_device = false;
  if (to < 10) wanted.aliased_io = {};
  return wanted;
}

TEST_P(GoldenConvertTest, KeepsWhatBothVersionsHave) {
  const auto [from, to] = GetParam();
  const Record converted = Convert(Parse(golden::Read(from)), to, golden::Droppable());
  EXPECT_EQ(converted, Common(from, to));
  EXPECT_EQ(Write(converted).size(), FieldCount(to));
  EXPECT_EQ(Parse(Write(converted)), converted);
}

TEST_P(GoldenConvertTest, ThereAndBackIsTheSameWhereNothingIsLost) {
  const auto [from, to] = GetParam();
  if (to < from) return;
  const golden::Fields fields = golden::Read(from);
  EXPECT_EQ(Write(Convert(Convert(Parse(fields), to), from)), fields);
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenConvertTest,
                         testing::Combine(testing::ValuesIn(kEveryVersion), testing::ValuesIn(kEveryVersion)));

}  // namespace
}  // namespace nacelle::record
