#include "core/record/record.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/base64.h"
#include "tests/core/record/golden.h"
#include "tests/core/throws.h"

namespace nacelle::record {
namespace {

using golden::Fields;
using testing_support::ExpectHas;
using testing_support::MessageOf;

std::string WriteMessage(const Record& record) {
  return MessageOf<RecordError>([&] { Write(record); });
}

// A record of version 10 with neutral values, and one field of it replaced.
Fields With(Field field, const std::string& text) {
  Fields fields = {"10", "engine", "0%9%0%0%NVIDIA H100", "UExBTg==", "a%b", "c%d", "0", "", "unknown", "0", "0",
                   "0",  ""};
  fields[IndexOf(field)] = text;
  return fields;
}

TEST(Parse, NeutralRecord) {
  const Record record = Parse(With(Field::kName, "n"));
  Record wanted;
  wanted.version = 10;
  wanted.name = "n";
  wanted.device = {0, 9, 0, device::Type::kGpu, "NVIDIA H100"};
  wanted.plan = "PLAN";
  wanted.input_names = {"a", "b"};
  wanted.output_names = {"c", "d"};
  EXPECT_EQ(record, wanted);
}

TEST(Parse, AcceptsAndKeeps) {
  const std::pair<Field, std::string> good[] = {
      {Field::kName, ""},
      {Field::kName, std::string("a\0b%@\xff", 6)},
      {Field::kDevice, "0%0%0%0%cpu"},
      {Field::kDevice, "12%10%3%1%"},
      {Field::kInputNames, ""},
      {Field::kInputNames, "x"},
      {Field::kInputNames, "a@b%c.d/e:f"},
      {Field::kHardwareCompatible, "1"},
      {Field::kMetadata, std::string("\0\x80%", 3)},
      {Field::kTargetPlatform, "windows_x86_64"},
      {Field::kResourceAllocation, "1"},
      {Field::kAliasedIo, "c@a@kind"},
      {Field::kAliasedIo, "d@a@kind%c@a@other kind"},
  };
  for (const auto& [field, text] : good) {
    const Fields fields = With(field, text);
    EXPECT_EQ(Write(Parse(fields)), fields) << kFields[IndexOf(field)].name << " " << text;
  }
}

TEST(Parse, AliasesAreNotCheckedAgainstNamesThatAreNotGiven) {
  Fields fields = With(Field::kAliasedIo, "y@x@k");
  fields[IndexOf(Field::kInputNames)] = fields[IndexOf(Field::kOutputNames)] = "";
  EXPECT_EQ(Write(Parse(fields)), fields);
}

TEST(Parse, MovesTheVersion3Plan) {
  Fields fields = {"3", "n", "0%8%6%0%x", std::string(1 << 16, 'p')};
  const char* const bytes = fields[3].data();
  Record record = Parse(std::move(fields));
  EXPECT_EQ(record.plan.data(), bytes);
  EXPECT_EQ(Write(std::move(record))[3].data(), bytes);
}

// Write.

Record Newest() {
  Record record = Parse(With(Field::kName, "n"));
  record.aliased_io = {{"c", "a", "k"}};
  return record;
}

TEST(Write, RefusesVersionsThatAreNotKnown) {
  for (const int version : {-1, 0, 2, 11}) {
    Record record = Newest();
    record.version = version;
    ExpectHas(WriteMessage(record), "ABI version " + std::to_string(version) + " is not known; versions 3 to 10 are");
  }
}

TEST(Write, RefusesWhatCouldNotBeReadBack) {
  const std::pair<void (*)(Record&), const char*> changes[] = {
      {[](Record& r) { r.plan.clear(); }, "(engine): the plan is empty"},
      {[](Record& r) { r.device.name = "a%b"; }, "(device): device GPU 0 \"a%b\""},
      {[](Record& r) { r.device.id = -1; }, "(device): device GPU -1"},
      {[](Record& r) { r.input_names = {"a", "x%y"}; }, "(input_names): name 1 is \"x%y\""},
      {[](Record& r) { r.input_names = {""}; }, "(input_names): name 0 of 1 is empty"},
      {[](Record& r) { r.output_names = {"c", "c"}; }, "(output_names): name 1 of 2, \"c\", is there twice"},
      {[](Record& r) { r.aliased_io[0].kind = ""; }, "(aliased_io): alias \"c@a@\" has an empty part"},
      {[](Record& r) { r.aliased_io[0].kind = "k@"; }, "(aliased_io): alias part \"k@\""},
      {[](Record& r) { r.aliased_io[0].kind = "k%"; }, "(aliased_io): alias part \"k%\""},
      {[](Record& r) { r.aliased_io[0].input = "z"; }, "(aliased_io): alias names the input \"z\""},
      {[](Record& r) { r.input_names = {"a@b"}, r.aliased_io[0].input = "a@b"; }, "(aliased_io): alias part \"a@b\""},
  };
  EXPECT_NO_THROW(Write(Newest()));
  for (const auto& [change, part] : changes) {
    Record record = Newest();
    change(record);
    ExpectHas(WriteMessage(record), part);
    ExpectHas(MessageOf<RecordError>([&] { Write(Record(record)); }), part);
  }
}

TEST(Write, RefusesFieldsThatTheVersionLacks) {
  const std::pair<void (*)(Record&), Field> changes[] = {
      {[](Record& r) { r.input_names = {"a"}; }, Field::kInputNames},
      {[](Record& r) { r.input_names = {""}; }, Field::kInputNames},
      {[](Record& r) { r.output_names = {"a"}; }, Field::kOutputNames},
      {[](Record& r) { r.hardware_compatible = true; }, Field::kHardwareCompatible},
      {[](Record& r) { r.metadata = "m"; }, Field::kMetadata},
      {[](Record& r) { r.target_platform = TargetPlatform::kLinuxX8664; }, Field::kTargetPlatform},
      {[](Record& r) { r.requires_output_allocator = true; }, Field::kRequiresOutputAllocator},
      {[](Record& r) { r.resource_allocation = ResourceAllocation::kDynamic; }, Field::kResourceAllocation},
      {[](Record& r) { r.requires_native_multi_device = true; }, Field::kRequiresNativeMultiDevice},
      {[](Record& r) { r.aliased_io = {{"c", "a", "k"}}; }, Field::kAliasedIo},
  };
  for (const auto& [change, field] : changes) {
    Record record;
    record.plan = "plan";
    record.version = InfoOf(field).since - 1;
    EXPECT_NO_THROW(Write(record));
    change(record);
    ExpectHas(WriteMessage(record), "(" + std::string(InfoOf(field).name) + "): holds ");
    ExpectHas(WriteMessage(record), "only version " + std::to_string(InfoOf(field).since) + " and later");
  }
}

TEST(FieldFromName, KnowsEveryNameAndListsThem) {
  for (const FieldInfo& info : kFields) EXPECT_EQ(FieldFromName(info.name), info.field);
  const std::string message = MessageOf<InputError>([] { FieldFromName("platform"); });
  ExpectHas(message, "no field \"platform\"");
  ExpectHas(message, "target_platform");
}

TEST(TargetPlatform, NamesComeBack) {
  for (const char* name : {"linux_x86_64", "linux_aarch64", "windows_x86_64", "windows_arm64", "unknown"}) {
    EXPECT_EQ(TargetPlatformName(TargetPlatformFromName(name)), name);
  }
#if defined(__linux__) && defined(__x86_64__)
  EXPECT_EQ(CurrentPlatform(), TargetPlatform::kLinuxX8664);
#endif
}

TEST(Record, APlanInRawBytesIsReadIfItIsAskedFor) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    std::vector<std::string> fields = golden::Read(version);
    const Record expected = Parse(fields);
    EXPECT_EQ(Parse(fields, PlanForm::kAny), expected);
    fields[IndexOf(Field::kEngine)] = expected.plan;
    EXPECT_EQ(Parse(fields, PlanForm::kAny), expected);
    if (version > kOldestVersion) {
      EXPECT_THROW(Parse(fields), RecordError);
    }
  }
}

TEST(Record, APlanThatIsElsewhereIsNotLookedAt) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    std::vector<std::string> fields = golden::Read(version);
    Record expected = Parse(fields);
    expected.plan.clear();
    for (const char* text : {"", "not base64", "="}) {
      fields[IndexOf(Field::kEngine)] = text;
      EXPECT_EQ(Parse(fields, PlanForm::kElsewhere), expected);
    }
    fields[IndexOf(Field::kDevice)] = "none";
    EXPECT_THROW(Parse(fields, PlanForm::kElsewhere), RecordError);
  }
}

TEST(Record, TheVersionIsReadByTheFirstFieldAndTheirNumber) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    EXPECT_EQ(ReadVersion(std::to_string(version), FieldCount(version)), version);
    EXPECT_EQ(HoldsBase64(version), version != 3);
    EXPECT_THROW(ReadVersion(std::to_string(version), FieldCount(version) + 1), RecordError);
  }
  for (const std::string text : {"", "03", "+3", " 3", "3 ", "2", "11", "-3"}) {
    EXPECT_THROW(ReadVersion(text, 4), RecordError) << text;
  }
  EXPECT_THROW(ReadVersion(std::string(5000, '9'), 4), RecordError);
  EXPECT_THROW(ReadVersion("3", 0), RecordError);
}

TEST(Record, Base64ThatBeginsLikeNoPlanIsDecoded) {
  std::vector<std::string> fields = golden::Read(4);
  for (const char* magic : {"ftrt", "ptrt", "vtrt", "nref"}) {
    const std::string plan = std::string(magic) + "\x01\x02";
    fields[IndexOf(Field::kEngine)] = Base64Encode(plan);
    EXPECT_FALSE(plan::HasPlanMagic(fields[IndexOf(Field::kEngine)]));
    EXPECT_EQ(Parse(fields, PlanForm::kAny).plan, plan);
  }
  fields[IndexOf(Field::kEngine)] = "not base64";
  EXPECT_THROW(Parse(fields, PlanForm::kAny), RecordError);
}

}  // namespace
}  // namespace nacelle::record
