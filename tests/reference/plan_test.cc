#include "reference/plan.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/core/throws.h"

namespace nacelle::reference {
namespace {

using tensorrt::DataType;
using testing_support::ExpectHas;
using testing_support::MessageOf;

Plan Sample() {
  TensorSpec image;
  image.name = "image";
  image.dtype = DataType::kHALF;
  image.shape = {-1, 3, -1};
  image.profiles = {{{1, 3, 8}, {2, 3, 16}, {4, 3, 32}}, {{1, 3, 1}, {1, 3, 1}, {1, 3, 1}}};
  TensorSpec scale;
  scale.name = "scale";
  TensorSpec where;
  where.name = "where";
  where.dtype = DataType::kINT64;
  where.shape = {-1, 2};
  where.data_dependent = true;
  Plan plan;
  plan.name = "sample";
  plan.profile_count = 2;
  plan.inputs = {image, scale};
  plan.outputs = {where};
  plan.module = std::string("PK\x03\x04 and \0 more", 16);
  return plan;
}

void PutWord(std::string& bytes, size_t offset, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<char>(value >> (8 * i));
}

// Puts size and checksum right, as docs/reference/reference_engine.md describes them.
std::string Repaired(std::string bytes) {
  if (bytes.size() < 24) return bytes;
  PutWord(bytes, 8, bytes.size(), 8);
  uint64_t hash = 14695981039346656037u;
  for (size_t at = 24; at < bytes.size();) {
    uint64_t word = 0;
    const size_t step = bytes.size() - at >= 8 ? 8 : 1;
    for (size_t i = 0; i < step; ++i) word |= uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    hash = (hash ^ word) * 1099511628211u;
    at += step;
  }
  PutWord(bytes, 16, hash, 8);
  return bytes;
}

// Reads `bytes`; true if they are a plan, which then must survive being written and read again.
bool IsPlan(const std::string& bytes) {
  try {
    const Plan plan = ReadPlan(bytes);
    EXPECT_EQ(ReadPlan(WritePlan(plan)), plan);
    return true;
  } catch (const PlanError& error) {
    EXPECT_FALSE(std::string(error.what()).empty());
    return false;
  }
}

TEST(Plan, ComesBackAsItWasWritten) {
  const Plan plan = Sample();
  const std::string bytes = WritePlan(plan);
  EXPECT_EQ(ReadPlan(bytes), plan);
  EXPECT_EQ(WritePlan(ReadPlan(bytes)), bytes);
}

TEST(Plan, StartsAsPlanHeadersAreRead) {
  const std::string bytes = WritePlan(Sample());
  EXPECT_EQ(bytes.substr(0, 8), std::string("nref\x01\0\0\0", 8));
  EXPECT_EQ(Repaired(bytes), bytes);
}

TEST(Plan, HasTheDocumentedLayout) {
  Plan plan;
  plan.name = "e";
  TensorSpec y;
  y.name = "y";
  y.dtype = DataType::kINT32;
  y.shape = {-1};
  plan.outputs = {y};
  plan.module = "M";
  const std::string bytes = WritePlan(plan);
  const std::string payload(
      "\x01\0\0\0"  // profiles
      "\x01\0\0\0"
      "e"           // engine name
      "\0\0\0\0"    // inputs
      "\x01\0\0\0"  // outputs
      "\x01\0\0\0"
      "y"                                 // name
      "\x03\0\0\0"                        // kINT32
      "\0\0\0\0"                          // flags
      "\x01\0\0\0"                        // rank
      "\xff\xff\xff\xff\xff\xff\xff\xff"  // -1
      "\0\0\0\0"                          // profiles of the tensor
      "\x01\0\0\0\0\0\0\0"
      "M",  // module
      4 + 5 + 4 + 4 + 5 + 4 + 4 + 4 + 8 + 4 + 9);
  EXPECT_EQ(bytes.substr(24), payload);
}

TEST(Plan, NoPrefixIsAPlan) {
  const std::string bytes = WritePlan(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(IsPlan(bytes.substr(0, size))) << size;
    // With size and checksum put right, so that the fields themselves are cut off. A plan that ends within its module
    // would need the module's size put right as well.
    EXPECT_FALSE(IsPlan(Repaired(bytes.substr(0, size)))) << size;
  }
}

TEST(Plan, ChecksumNoticesEveryChangedByte) {
  const std::string bytes = WritePlan(Sample());
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string mutated = bytes;
      mutated[at] = static_cast<char>(mutated[at] ^ change);
      EXPECT_FALSE(IsPlan(mutated)) << at << " ^ " << change;
    }
  }
}

TEST(Plan, ChangedFieldsAreRefusedOrMakeAnotherPlan) {
  const std::string bytes = WritePlan(Sample());
  int plans = 0;
  for (size_t at = 24; at < bytes.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x02, 0x09, 0x7f, 0x80, 0xff, bytes[at] ^ 1}) {
      std::string mutated = bytes;
      mutated[at] = static_cast<char>(value);
      plans += IsPlan(Repaired(mutated)) ? 1 : 0;
    }
  }
  EXPECT_GT(plans, 0);  // a byte of a name or of the module may be another one
}

// Counts that the bytes after them would allow, and that would cost many times these bytes.
TEST(Plan, CountsAreCheckedBeforeAnythingIsAllocatedForThem) {
  Plan plan;
  TensorSpec x;
  x.name = "x";
  plan.inputs = {x};
  plan.outputs = {x};
  plan.outputs[0].name = "y";
  plan.module = std::string(100'000, 'M');
  const std::string bytes = WritePlan(plan);
  constexpr size_t kInputs = 24 + 4 + 4;                          // after the number of profiles and an empty name
  constexpr size_t kInputProfiles = kInputs + 4 + 5 + 4 + 4 + 4;  // after name, dtype, flags and rank
  std::string other = bytes;
  PutWord(other, kInputs, 4097, 4);
  ExpectHas(MessageOf<PlanError>([&] { ReadPlan(Repaired(other)); }), "number of inputs is 4097; wanted at most 4096");
  other = bytes;
  PutWord(other, kInputProfiles, 1024, 4);
  ExpectHas(MessageOf<PlanError>([&] { ReadPlan(Repaired(other)); }),
            "input 0 (\"x\") number of profiles is 1024; wanted 0 for a fixed shape");
}

TEST(Plan, CountsLargerThanThePlanAreRefusedBeforeAnythingIsAllocated) {
  const std::string bytes = WritePlan(Sample());
  for (size_t at = 24; at + 4 <= bytes.size(); ++at) {
    for (const uint64_t value : {uint64_t{0x7fffffff}, uint64_t{0xffffffff}}) {
      std::string mutated = bytes;
      PutWord(mutated, at, value, 4);
      IsPlan(Repaired(mutated));
    }
  }
}

TEST(Plan, MessagesNameFieldFoundAndWanted) {
  const std::string bytes = WritePlan(Sample());
  std::string other = bytes;
  other[4] = 7;
  const std::string version = MessageOf<PlanError>([&] { ReadPlan(other); });
  ExpectHas(version, "format version at byte 4 is 7; wanted 1");
  other = bytes;
  other[0] = 'f';
  ExpectHas(MessageOf<PlanError>([&] { ReadPlan(other); }), "magic at byte 0 is \"fref\"; wanted \"nref\"");
  ExpectHas(MessageOf<PlanError>([&] { ReadPlan(bytes + "x"); }), "plan size at byte 8");
  ExpectHas(MessageOf<PlanError>([&] { ReadPlan(bytes.substr(0, 2)); }),
            "magic at byte 0 is cut off: 2 bytes are left");
  other = bytes;
  other.back() = 'x';
  ExpectHas(MessageOf<PlanError>([&] { ReadPlan(other); }), "the plan is damaged");
}

// A change that makes the sample break a rule, and what the message says about it.
struct Broken {
  std::string message;
  std::function<void(Plan&)> change;
};

TEST(Plan, RulesAreKeptInWritingToo) {
  const std::vector<Broken> cases = {
      {"number of profiles is 0; wanted 1 to 1024", [](Plan& p) { p.profile_count = 0; }},
      {"number of profiles is 1025", [](Plan& p) { p.profile_count = 1025; }},
      {"number of profiles is 2; wanted 3, one per profile", [](Plan& p) { p.profile_count = 3; }},
      {"input 1 (\"\") name is empty", [](Plan& p) { p.inputs[1].name = ""; }},
      {"no zero byte in it", [](Plan& p) { p.inputs[1].name = std::string("a\0b", 3); }},
      {"at most 4096 bytes", [](Plan& p) { p.inputs[1].name = std::string(4097, 'a'); }},
      {"\"image\" twice", [](Plan& p) { p.outputs[0].name = "image"; }},
      {"dtype is 9; wanted one of 0 (float32)", [](Plan& p) { p.outputs[0].dtype = DataType::kINT4; }},
      {"rank is 9; wanted at most 8", [](Plan& p) { p.outputs[0].shape.assign(9, 1); }},
      {"dimension 1 is -2", [](Plan& p) { p.outputs[0].shape[1] = -2; }},
      {"data_dependent is true; wanted false for an input", [](Plan& p) { p.inputs[1].data_dependent = true; }},
      {"number of profiles is 1; wanted 0 for an output", [](Plan& p) { p.outputs[0].profiles.resize(1); }},
      {"number of profiles is 2; wanted 0 for a fixed shape", [](Plan& p) { p.inputs[1].profiles.resize(2); }},
      {"profile 1 opt is [1]; wanted 3 extents", [](Plan& p) { p.inputs[0].profiles[1].opt = {1}; }},
      {"dimension 0 is min 5, opt 2, max 4; wanted 0 <= min", [](Plan& p) { p.inputs[0].profiles[0].min[0] = 5; }},
      {"dimension 0 is min -1", [](Plan& p) { p.inputs[0].profiles[0].min[0] = -1; }},
      {"dimension 1 is min 2, opt 3, max 3; wanted 3", [](Plan& p) { p.inputs[0].profiles[0].min[1] = 2; }},
      {"at most 2^60 bytes", [](Plan& p) { p.inputs[0].profiles[0].max[0] = std::numeric_limits<int64_t>::max(); }},
      {"number of outputs is 0", [](Plan& p) { p.outputs.clear(); }},
      {"number of outputs is 4097; wanted at most 4096", [](Plan& p) { p.outputs.resize(4097, p.outputs[0]); }},
      {"module is empty", [](Plan& p) { p.module.clear(); }},
  };
  for (const Broken& broken : cases) {
    Plan plan = Sample();
    broken.change(plan);
    ExpectHas(MessageOf<PlanError>([&] { CheckPlan(plan); }), broken.message);
    EXPECT_THROW(WritePlan(plan), PlanError) << broken.message;
  }
}

TEST(Plan, InputsAreCheckedAlone) {
  Plan plan = Sample();
  EXPECT_NO_THROW(CheckInputs(plan.inputs, 2));
  EXPECT_THROW(CheckInputs(plan.inputs, 1), PlanError);
  EXPECT_NO_THROW(CheckInputs({}, 1));
}

TEST(Plan, ZeroExtentsAndRanksAreAllowed) {
  Plan plan = Sample();
  plan.inputs[0].profiles[0] = {{0, 3, 0}, {0, 3, 0}, {4, 3, 0}};
  plan.outputs[0].shape = {};
  EXPECT_EQ(ReadPlan(WritePlan(plan)), plan);
}

}  // namespace
}  // namespace nacelle::reference
