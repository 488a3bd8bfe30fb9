#include "core/abi/record.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/device/device.h"
#include "core/error.h"
#include "tests/core/abi/golden.h"
#include "tests/core/throws.h"

namespace nacelle::abi {
namespace {

using golden::Fields;
using testing_support::ExpectHas;
using testing_support::MessageOf;

std::string ParseMessage(Fields fields) {
  return MessageOf<AbiError>([&] { Parse(std::move(fields)); });
}

std::string WriteMessage(const Record& record) {
  return MessageOf<AbiError>([&] { Write(record); });
}

// A record of version 10 with neutral values, and one field of it replaced.
Fields With(Field field, const std::string& text) {
  Fields fields = {"10", "engine", "0%9%0%0%NVIDIA H100", "UExBTg==", "a%b", "c%d", "0", "", "unknown", "0", "0",
                   "0",  ""};
  fields[IndexOf(field)] = text;
  return fields;
}

TEST(ParseVersion, IsCheckedBeforeAnythingElse) {
  ExpectHas(ParseMessage({}), "no fields");
  // The second field is wrong as well; the version is what the message is about.
  ExpectHas(ParseMessage({"2", ""}), "ABI version 2; versions 3 to 10 can be read");
  ExpectHas(ParseMessage({"11", ""}), "ABI version 11; versions 3 to 10 can be read");
  ExpectHas(ParseMessage({"11", ""}), "update Nacelle");
  for (const char* text : {"", "03", " 3", "3 ", "+3", "3.0", "-3x", "three", "0x3", "99999999999999999999"}) {
    ExpectHas(ParseMessage({text, "n", "0%8%6%0%x", "plan"}), "is not a version; wanted 3 to 10");
  }
  ExpectHas(ParseMessage({"-3"}), "ABI version -3");
}

TEST(ParseCount, NamesVersionFoundAndWanted) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    const Fields good = golden::Read(version);
    Fields fewer = good;
    fewer.pop_back();
    Fields more = good;
    more.push_back("");
    for (const Fields& fields : {fewer, more, Fields{good[0]}}) {
      const std::string message = ParseMessage(fields);
      ExpectHas(message, "ABI version " + std::to_string(version) + " has " + std::to_string(fields.size()) +
                             " fields; wanted " + std::to_string(good.size()));
      ExpectHas(message, kFields[good.size() - 1].name.data());
    }
  }
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

struct BadField {
  Field field;
  std::string text;
  std::string message;
};

class ParseBadFieldTest : public testing::TestWithParam<BadField> {};

TEST_P(ParseBadFieldTest, NamesTheFieldAndWhatIsWrong) {
  const auto& [field, text, part] = GetParam();
  const std::string message = ParseMessage(With(field, text));
  ExpectHas(message, "record of ABI version 10, field " + std::to_string(IndexOf(field)) + " (" +
                         std::string(InfoOf(field).name) + "): ");
  ExpectHas(message, part);
}

INSTANTIATE_TEST_SUITE_P(
    Device, ParseBadFieldTest,
    testing::Values(BadField{Field::kDevice, "", "has 1 parts"}, BadField{Field::kDevice, "cuda:0", "has 1 parts"},
                    BadField{Field::kDevice, "0%8%6%0", "has 4 parts"},
                    BadField{Field::kDevice, "0%8%6%2%x", "neither 0 (GPU) nor 1 (DLA)"},
                    BadField{Field::kDevice, "0%08%6%0%x", "\"08\" as its major compute capability"}));
INSTANTIATE_TEST_SUITE_P(Engine, ParseBadFieldTest,
                         testing::Values(BadField{Field::kEngine, "", "the plan is empty"},
                                         BadField{Field::kEngine, "UExBTg=", "of 7 characters"},
                                         BadField{Field::kEngine, "UEx TgAA", "\" \" at position 3"},
                                         BadField{Field::kEngine, "UExBTh==", "\"h\" at position 5"}));
INSTANTIATE_TEST_SUITE_P(Names, ParseBadFieldTest,
                         testing::Values(BadField{Field::kInputNames, "%", "name 0 of 2 is empty"},
                                         BadField{Field::kInputNames, "a%", "name 1 of 2 is empty"},
                                         BadField{Field::kOutputNames, "%a", "name 0 of 2 is empty"},
                                         BadField{Field::kOutputNames, "a%%b", "name 1 of 3 is empty"},
                                         BadField{Field::kInputNames, "a%b%a", "name 2 of 3, \"a\", is there twice"}));
INSTANTIATE_TEST_SUITE_P(
    Flags, ParseBadFieldTest,
    testing::Values(BadField{Field::kHardwareCompatible, "", "wanted 0 or 1"},
                    BadField{Field::kHardwareCompatible, "2", "wanted 0 or 1"},
                    BadField{Field::kRequiresOutputAllocator, "true", "\"true\"; wanted 0 or 1"},
                    BadField{Field::kRequiresNativeMultiDevice, "01", "wanted 0 or 1"},
                    BadField{Field::kResourceAllocation, "static", "\"static\"; wanted 0 (static) or 1 (dynamic)"},
                    BadField{Field::kTargetPlatform, "", "wanted one of linux_x86_64, linux_aarch64"},
                    BadField{Field::kTargetPlatform, "LINUX_X86_64", "platform is \"LINUX_X86_64\""}));
INSTANTIATE_TEST_SUITE_P(
    AliasedIo, ParseBadFieldTest,
    testing::Values(
        BadField{Field::kAliasedIo, "c@a", "has 2 parts"}, BadField{Field::kAliasedIo, "c@a@k@x", "has 4 parts"},
        BadField{Field::kAliasedIo, "c@a@", "empty part"}, BadField{Field::kAliasedIo, "@a@k", "empty part"},
        BadField{Field::kAliasedIo, "c@@k", "empty part"}, BadField{Field::kAliasedIo, "c@a@k%", "has 0 parts"},
        BadField{Field::kAliasedIo, "c@a@k%c@b@k", "output \"c\" is aliased twice"},
        BadField{Field::kAliasedIo, "x@a@k", "the output \"x\", which is not among the output names: \"c, d\""},
        BadField{Field::kAliasedIo, "c@x@k", "the input \"x\", which is not among the input names"},
        BadField{Field::kAliasedIo, "a@c@k", "the output \"a\""}));  // the wrong way round

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

// --- Write ---

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
    ExpectHas(MessageOf<AbiError>([&] { Write(Record(record)); }), part);
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

}  // namespace
}  // namespace nacelle::abi
