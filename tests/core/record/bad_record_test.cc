// Records that are wrong in one thing, in every version: the error names the field, what it holds and what was wanted.
// mutation_test.cc damages records at every place; here each kind of damage meets its own words.
#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/base64.h"
#include "core/record/record.h"
#include "core/text.h"
#include "tests/core/record/golden.h"
#include "tests/core/throws.h"

namespace nacelle::record {
namespace {

using golden::Fields;
using testing_support::ExpectHas;
using testing_support::MessageOf;

constexpr size_t kLongestMessage = 1000;  // so that a damaged record cannot flood a terminal

std::string ParseMessage(Fields fields) {
  const std::string message = MessageOf<RecordError>([&] { Parse(std::move(fields)); });
  EXPECT_LT(message.size(), kLongestMessage);
  return message;
}

// A plain record of `version`; its names are a, b -> c, d.
Fields Plain(int version) {
  Fields fields = {"10", "engine", "0%9%0%0%NVIDIA H100", "UExBTg==", "a%b", "c%d", "0", "", "unknown", "0", "0",
                   "0",  ""};
  fields.resize(FieldCount(version));
  fields[IndexOf(Field::kAbiVersion)] = std::to_string(version);
  if (version == 3) fields[IndexOf(Field::kEngine)] = "PLAN";
  return fields;
}

Fields With(int version, Field field, std::string text) {
  Fields fields = Plain(version);
  fields[IndexOf(field)] = std::move(text);
  return fields;
}

std::string Place(int version, Field field) {
  return "record of ABI version " + std::to_string(version) + ", field " + std::to_string(IndexOf(field)) + " (" +
         std::string(InfoOf(field).name) + "): ";
}

// The version.

TEST(BadVersion, IsFoundBeforeAnythingElse) {
  ExpectHas(ParseMessage({}), "no fields; wanted an ABI version (3 to 10)");
  // The second field is wrong as well; the version is what the message is about.
  ExpectHas(ParseMessage({"2", ""}), "ABI version 2; versions 3 to 10 can be read: compile the program again");
  ExpectHas(ParseMessage({"11", ""}), "ABI version 11; versions 3 to 10 can be read: update Nacelle");
  ExpectHas(ParseMessage({"-3"}), "ABI version -3");
}

TEST(BadVersion, IsNoNumberOfThisForm) {
  for (const std::string& text :
       {std::string(), std::string("03"), std::string(" 3"), std::string("3 "), std::string("+3"), std::string("3.0"),
        std::string("-3x"), std::string("three"), std::string("0x3"), std::string("3\0", 2),
        std::string("99999999999999999999"), std::string(1 << 20, '3')}) {
    const std::string message = ParseMessage({text, "n", "0%8%6%0%x", "plan"});
    ExpectHas(message, "record field 0 (abi_version): " + Quote(text, 24) + " is not a version; wanted 3 to 10");
  }
}

// Each version.

class BadRecordTest : public testing::TestWithParam<int> {
 protected:
  void ExpectCountError(const Fields& fields) const {
    const std::string message = ParseMessage(fields);
    ExpectHas(message, "record of ABI version " + std::to_string(GetParam()) + " has " + std::to_string(fields.size()) +
                           " fields; wanted " + std::to_string(FieldCount(GetParam())));
    for (size_t i = 0; i < FieldCount(GetParam()); ++i) ExpectHas(message, std::string(kFields[i].name));
  }
};

TEST_P(BadRecordTest, ThePlainOneIsGood) { EXPECT_EQ(Write(Parse(Plain(GetParam()))), Plain(GetParam())); }

TEST_P(BadRecordTest, AFieldIsMissing) {
  for (size_t i = 1; i < FieldCount(GetParam()); ++i) {
    Fields fields = Plain(GetParam());
    fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(i));
    ExpectCountError(fields);
  }
  Fields headless = Plain(GetParam());
  headless.erase(headless.begin());
  ExpectHas(ParseMessage(headless), "record field 0 (abi_version): \"engine\" is not a version");
}

TEST_P(BadRecordTest, ThereAreOnlySomeFields) {
  for (size_t count = 1; count < FieldCount(GetParam()); ++count) {
    Fields fields = Plain(GetParam());
    fields.resize(count);
    ExpectCountError(fields);
  }
}

TEST_P(BadRecordTest, ThereIsAFieldTooMany) {
  for (size_t i = 1; i <= FieldCount(GetParam()); ++i) {
    for (const char* text : {"", "0", "10"}) {
      Fields fields = Plain(GetParam());
      fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(i), text);
      ExpectCountError(fields);
    }
  }
  Fields many = Plain(GetParam());
  many.resize(1 << 18);
  ExpectCountError(many);
}

// With the fields of another version behind it, a version's number is refused: no two have the same count.
TEST_P(BadRecordTest, TheVersionIsAnothers) {
  for (int other = kOldestVersion; other <= kNewestVersion; ++other) {
    if (other == GetParam()) continue;
    Fields fields = Plain(other);
    fields[0] = std::to_string(GetParam());
    ExpectCountError(fields);
  }
}

TEST_P(BadRecordTest, APlanIsGarbage) {
  for (const std::string& plan : {std::string("garbage"), std::string(1 << 16, '\0'), std::string("ftrt"),
                                  std::string("ptrt") + std::string(39, '\1'), std::string("nref\0\0\0\0", 8)}) {
    const std::string text = GetParam() == 3 ? plan : Base64Encode(plan);
    const Record record = Parse(With(GetParam(), Field::kEngine, text));  // the record does not check a plan's contents
    EXPECT_EQ(record.plan, plan);
    const std::string message = MessageOf<PlanError>([&] { plan::ParsePlanHeader(record.plan); });
    EXPECT_LT(message.size(), kLongestMessage);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, BadRecordTest, testing::Range(kOldestVersion, kNewestVersion + 1));

// Each field, in each version that has it.

struct BadField {
  Field field;
  std::string text;
  std::string message;  // the value, and the fault in it
};

class BadFieldTest : public testing::TestWithParam<BadField> {};

TEST_P(BadFieldTest, NamesTheFieldWhatItHoldsAndWhatIsWanted) {
  const auto& [field, text, part] = GetParam();
  const bool base64 = field == Field::kEngine && !text.empty();
  for (int version = base64 ? 4 : InfoOf(field).since; version <= kNewestVersion; ++version) {
    const std::string message = ParseMessage(With(version, field, text));
    ExpectHas(message, Place(version, field));
    ExpectHas(message, part);
    ExpectHas(message, "; wanted ");
  }
}

const std::string& Huge() {
  static const auto* const text = new std::string(4 << 20, 'h');
  return *text;
}

// Every field whose text has a form; the name and the metadata may be any text.
const std::vector<BadField>& BadFields() {
  static const auto* const fields = new std::vector<BadField>{
      {Field::kDevice, "", "device \"\" has 1 parts"},
      {Field::kDevice, "cuda:0", "device \"cuda:0\" has 1 parts"},
      {Field::kDevice, "0%8%6%0", "\"0%8%6%0\" has 4 parts"},
      {Field::kDevice, "0%8%6%0%x%y", "has 6 parts"},
      {Field::kDevice, "0%8%6%2%x", "is of type 2, neither 0 (GPU) nor 1 (DLA)"},
      {Field::kDevice, "0%08%6%0%x", "\"08\" as its major compute capability"},
      {Field::kDevice, "0%8%-6%0%x", "\"-6\" as its minor compute capability"},
      {Field::kDevice, "99999999999%8%6%0%x", "\"99999999999\" as its id"},
      {Field::kDevice, "0%8%6%%x", "\"\" as its type"},
      {Field::kDevice, Huge(), "has 1 parts"},
      {Field::kDevice, std::string(1 << 20, '%'), "has 1048577 parts"},
      {Field::kEngine, "", "the plan is empty"},
      {Field::kEngine, "UExBTg=", "of 7 characters"},
      {Field::kEngine, "UEx TgAA", "\" \" at position 3"},
      {Field::kEngine, "UExB\nTg==", "of 9 characters"},
      {Field::kEngine, "UExBTg==\n===", "padding at position 6"},
      {Field::kEngine, "UExBT-==", "\"-\" at position 5"},
      {Field::kEngine, "====", "padding at position 0"},
      {Field::kEngine, "UExBTh==", "\"h\" at position 5"},
      {Field::kEngine, std::string(1 << 20, '='), "padding at position 0"},
      {Field::kEngine, Huge() + "!!!!", "\"!\" at position 4194304"},
      {Field::kInputNames, "%", "name 0 of 2 is empty"},
      {Field::kInputNames, "a%", "name 1 of 2 is empty"},
      {Field::kInputNames, "a%b%a", "name 2 of 3, \"a\", is there twice"},
      {Field::kInputNames, Huge() + "%" + Huge(), "name 1 of 2, \"hhhh"},
      {Field::kOutputNames, "%a", "name 0 of 2 is empty"},
      {Field::kOutputNames, "a%%b", "name 1 of 3 is empty"},
      {Field::kOutputNames, std::string(1 << 20, '%'), "name 0 of 1048577 is empty"},
      {Field::kHardwareCompatible, "", "flag is \"\""},
      {Field::kHardwareCompatible, "2", "flag is \"2\""},
      {Field::kHardwareCompatible, Huge(), "flag is \"hhhh"},
      {Field::kRequiresOutputAllocator, "true", "flag is \"true\"; wanted 0 or 1"},
      {Field::kRequiresOutputAllocator, "0 ", "flag is \"0 \""},
      {Field::kRequiresNativeMultiDevice, "01", "flag is \"01\""},
      {Field::kRequiresNativeMultiDevice, std::string("1\0", 2), "flag is \"1\\x00\""},
      {Field::kResourceAllocation, "", "strategy is \"\""},
      {Field::kResourceAllocation, "static", "strategy is \"static\"; wanted 0 (static) or 1 (dynamic)"},
      {Field::kResourceAllocation, Huge(), "strategy is \"hhhh"},
      {Field::kTargetPlatform, "", "platform is \"\"; wanted one of linux_x86_64, linux_aarch64"},
      {Field::kTargetPlatform, "LINUX_X86_64", "platform is \"LINUX_X86_64\""},
      {Field::kTargetPlatform, "linux_x86_6", "platform is \"linux_x86_6\""},
      {Field::kTargetPlatform, Huge(), "platform is \"hhhh"},
      {Field::kAliasedIo, "c@a", "\"c@a\" has 2 parts"},
      {Field::kAliasedIo, "c@a@k@x", "has 4 parts"},
      {Field::kAliasedIo, "c@a@", "\"c@a@\" has an empty part"},
      {Field::kAliasedIo, "@a@k", "\"@a@k\" has an empty part"},
      {Field::kAliasedIo, "c@@k", "\"c@@k\" has an empty part"},
      {Field::kAliasedIo, "c@a@k%", "has 0 parts"},
      {Field::kAliasedIo, "c@a@k%c@b@k", "output \"c\" is aliased twice"},
      {Field::kAliasedIo, "x@a@k", "the output \"x\"; wanted one of the output names: \"c, d\""},
      {Field::kAliasedIo, "c@x@k", "the input \"x\"; wanted one of the input names: \"a, b\""},
      {Field::kAliasedIo, "a@c@k", "the output \"a\""},  // the wrong way round
      {Field::kAliasedIo, Huge() + "@a@k", "the output \"hhhh"},
      {Field::kAliasedIo, std::string(1 << 20, '@'), "has 1048577 parts"},
  };
  return *fields;
}

INSTANTIATE_TEST_SUITE_P(Fields, BadFieldTest, testing::ValuesIn(BadFields()),
                         [](const testing::TestParamInfo<BadField>& info) {
                           return std::string(InfoOf(info.param.field).name) + "_" + std::to_string(info.index);
                         });

TEST(BadFields, AreOfEveryFieldThatHasAForm) {
  std::set<Field> fields = {Field::kAbiVersion, Field::kName, Field::kMetadata};
  for (const BadField& bad : BadFields()) fields.insert(bad.field);
  EXPECT_EQ(fields.size(), kFields.size());
}

// Large records that are good.

TEST(HugeRecord, IsReadAndWrittenBack) {
  constexpr size_t kNames = 100000;  // were each alias looked for in the whole list, this would take minutes
  std::vector<std::string> inputs, outputs, aliases;
  for (size_t i = 0; i < kNames; ++i) {
    inputs.push_back("in" + std::to_string(i));
    outputs.push_back("out" + std::to_string(i));
    aliases.push_back(outputs[i] + "@" + inputs[i] + "@k");
  }
  Fields fields = Plain(kNewestVersion);
  fields[IndexOf(Field::kName)] = fields[IndexOf(Field::kMetadata)] = Huge();
  fields[IndexOf(Field::kEngine)] = Base64Encode(Huge());
  fields[IndexOf(Field::kInputNames)] = Join(inputs, "%");
  fields[IndexOf(Field::kOutputNames)] = Join(outputs, "%");
  fields[IndexOf(Field::kAliasedIo)] = Join(aliases, "%");
  EXPECT_EQ(Write(Parse(fields)), fields);
}

}  // namespace
}  // namespace nacelle::record
