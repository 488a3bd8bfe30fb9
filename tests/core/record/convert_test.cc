#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/error.h"
#include "core/record/record.h"
#include "tests/core/record/golden.h"
#include "tests/core/throws.h"

namespace nacelle::record {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

std::string ConvertMessage(const Record& record, int version, const FieldSet& drop = {}) {
  return MessageOf<RecordError>([&] { Convert(record, version, drop); });
}

// A record of `version` with neutral values.
Record Plain(int version) {
  Record record;
  record.version = version;
  record.device = {0, 9, 0, device::Type::kGpu, "NVIDIA H100"};
  record.plan = "plan";
  return record;
}

TEST(Convert, UpGivesNeutralValues) {
  const std::vector<std::string> fields = Write(Convert(Parse(golden::Read(3)), 10));
  const std::vector<std::string> added(fields.begin() + 4, fields.end());
  EXPECT_EQ(added, (std::vector<std::string>{"", "", "0", "", "unknown", "0", "0", "0", ""}));
}

TEST(Convert, UpKeepsWhatTheCallerSet) {
  Record record = Parse(golden::Read(3));
  record.target_platform = TargetPlatform::kLinuxX8664;
  EXPECT_EQ(Write(Convert(record, 6))[8], "linux_x86_64");
}

TEST(Convert, ThePlatformThatIsAssumedAgainNeedNotBeKept) {
  Record record = Plain(9);
  record.plan = "ftrt and more";
  record.target_platform = AssumedPlatform(record.plan);
  EXPECT_EQ(record.target_platform, CurrentPlatform());
  EXPECT_EQ(Convert(record, 5).target_platform, TargetPlatform::kUnknown);
  record.target_platform = TargetPlatform::kWindowsArm64;
  ExpectHas(ConvertMessage(record, 5), "target_platform = windows_arm64");
}

TEST(Convert, NoPlatformIsAssumedForWhatIsNoPlan) {
  EXPECT_EQ(AssumedPlatform("plan"), TargetPlatform::kUnknown);
  EXPECT_EQ(AssumedPlatform(""), TargetPlatform::kUnknown);
  for (const char* plan : {"ftrt", "ptrt", "vtrt", "nref"}) EXPECT_EQ(AssumedPlatform(plan), CurrentPlatform()) << plan;
}

TEST(Convert, DownNamesEveryFieldThatIsLostWithItsValue) {
  const std::string message = ConvertMessage(Parse(golden::Read(10)), 3);
  ExpectHas(message, "ABI version 10 cannot become version 3");
  for (const char* part :
       {"input_names = \"tokens, cache.1\"", "output_names = \"logits, cache_out, scores\"", "hardware_compatible = 1",
        "metadata = \"gASV", "target_platform = linux_aarch64", "requires_output_allocator = 1",
        "resource_allocation = 1 (dynamic)", "requires_native_multi_device = 1",
        "aliased_io = \"cache_out is cache.1, kv_cache_update; scores is tokens, in_place\""}) {
    ExpectHas(message, part);
  }
  // To version 9 only one field is lost.
  EXPECT_EQ(ConvertMessage(Parse(golden::Read(10)), 9).find("metadata"), std::string::npos);
}

TEST(Convert, EachLostFieldMustBeDropped) {
  const Record record = Parse(golden::Read(10));
  for (const Field missing : golden::Droppable()) {
    FieldSet drop = golden::Droppable();
    drop.erase(missing);
    const std::string message = ConvertMessage(record, 3, drop);
    ExpectHas(message, std::string(InfoOf(missing).name) + " = ");
    for (const Field field : drop) {
      EXPECT_EQ(message.find(std::string(InfoOf(field).name) + " = "), std::string::npos) << message;
    }
  }
}

TEST(Convert, DropLeavesFieldsThatTheVersionHas) {
  const Record record = Parse(golden::Read(10));
  const Record converted = Convert(record, 9, golden::Droppable());
  EXPECT_EQ(converted.metadata, record.metadata);
  EXPECT_EQ(converted.input_names, record.input_names);
  EXPECT_EQ(Convert(record, 10, golden::Droppable()), record);
}

TEST(Convert, NeutralFieldsGoWithoutDrop) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    EXPECT_EQ(Convert(Plain(kNewestVersion), version), Plain(version));
  }
}

TEST(Convert, NamesInTheOrderOfTheirNumbersNeedNoList) {
  Record record = Plain(4);
  record.input_names = {"input_0", "input_1", "input_10"};
  record.output_names = {"y"};
  EXPECT_EQ(Convert(record, 3), Plain(3));
}

TEST(Convert, OtherOrdersOfNamesAreALoss) {
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"input_1", "input_0"}, {"image", "mask"}, {"a_1", "b_1"}}) {
    Record record = Plain(4);
    record.input_names = names;
    const std::string inputs = ConvertMessage(record, 3);
    ExpectHas(inputs, "input_names = \"" + names[0] + ", " + names[1] + "\"");
    EXPECT_EQ(inputs.find("output_names"), std::string::npos) << inputs;
    EXPECT_EQ(Convert(record, 3, {Field::kInputNames}), Plain(3));
    std::swap(record.input_names, record.output_names);
    ExpectHas(ConvertMessage(record, 3), "output_names = ");
  }
}

TEST(Convert, RefusesVersionsThatAreNotKnown) {
  for (const int version : {2, 11}) {
    ExpectHas(ConvertMessage(Plain(3), version), "ABI version " + std::to_string(version) + " is not known");
    ExpectHas(ConvertMessage(Plain(version), 3), "ABI version " + std::to_string(version) + " is not known");
  }
}

TEST(Convert, RefusesToDropWhatEveryVersionHas) {
  for (const Field field : {Field::kAbiVersion, Field::kName, Field::kDevice, Field::kEngine}) {
    const std::string message = MessageOf<InputError>([&] { Convert(Plain(4), 3, {field}); });
    ExpectHas(message, std::string(InfoOf(field).name) + " cannot be dropped");
  }
}

}  // namespace
}  // namespace nacelle::record
