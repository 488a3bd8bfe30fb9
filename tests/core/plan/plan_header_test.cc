#include "core/plan/plan_header.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "core/error.h"
#include "tests/core/throws.h"

namespace nacelle::plan {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// A header of `magic` with the four numbers in a row at offset 24; 0x55 elsewhere.
std::string Plan(const std::string& magic, const std::string& numbers) {
  std::string plan(64, 'U');
  plan.replace(0, magic.size(), magic);
  return plan.replace(24, numbers.size(), numbers);
}

TEST(PlanHeader, PlansOfTensorRt8531) {
  for (const char* name : {"two_heads.trt8.5.3.1.sm90.plan", "two_heads.batch1.trt8.5.3.1.sm90.plan",
                           "two_heads.8profiles.trt8.5.3.1.sm90.plan"}) {
    const PlanHeader header = ParsePlanHeader(ReadFile(std::string("tests/data/two_heads/") + name));
    EXPECT_EQ(header, (PlanHeader{PlanKind::kTensorRT, {8, 5, 3, 1}})) << name;
  }
}

TEST(PlanHeader, LaterTensorRt) {
  EXPECT_EQ(ParsePlanHeader(Plan("ftrt", "\x08\x06\x01\x06")), (PlanHeader{PlanKind::kTensorRT, {8, 6, 1, 6}}));
  EXPECT_EQ(ParsePlanHeader(Plan("ftrt", "\x0a\x0d\x03\x09")), (PlanHeader{PlanKind::kTensorRT, {10, 13, 3, 9}}));
  // Bytes are unsigned.
  EXPECT_EQ(ParsePlanHeader(Plan("ftrt", "\x0b\x01\x02\xea")), (PlanHeader{PlanKind::kTensorRT, {11, 1, 2, 234}}));
}

TEST(PlanHeader, TensorRt85HasItsNumbersApart) {
  std::string plan(64, 'U');
  plan.replace(0, 4, "ptrt");
  plan[28] = 8;
  plan[33] = 5;
  plan[38] = 1;
  plan[43] = 7;
  EXPECT_EQ(ParsePlanHeader(plan), (PlanHeader{PlanKind::kTensorRT, {8, 5, 1, 7}}));
}

TEST(PlanHeader, TensorRtRtx) {
  EXPECT_EQ(ParsePlanHeader(Plan("vtrt", "\x01\x07\x01\x74")), (PlanHeader{PlanKind::kTensorRTRtx, {1, 7, 1, 116}}));
}

TEST(PlanHeader, Reference) {
  EXPECT_EQ(ParsePlanHeader(std::string("nref\1\0\0\0", 8)), (PlanHeader{PlanKind::kReference, {1, 0, 0, 0}}));
  EXPECT_EQ(ParsePlanHeader(std::string("nref\2\1\0\0rest", 12)), (PlanHeader{PlanKind::kReference, {258, 0, 0, 0}}));
  ExpectHas(MessageOf<PlanError>([] { ParsePlanHeader(std::string("nref\0\0\0\0", 8)); }), "format version 0");
  ExpectHas(MessageOf<PlanError>([] { ParsePlanHeader("nref\xff\xff\xff\xff"); }), "format version 4294967295");
}

TEST(PlanHeader, UnknownMagicNamesTheBytesAndTheKnownKinds) {
  const std::string message = MessageOf<PlanError>([] { ParsePlanHeader("PK\3\4 and more"); });
  ExpectHas(message, "50 4b 03 04");
  ExpectHas(message, "13 bytes");
  for (const char* magic : {"ftrt", "ptrt", "vtrt", "nref"}) ExpectHas(message, magic);
  ExpectHas(MessageOf<PlanError>([] { ParsePlanHeader(""); }), "no bytes");
  ExpectHas(MessageOf<PlanError>([] { ParsePlanHeader("ftr"); }), "66 74 72");
}

// A plan cut anywhere before the end of its header is refused, and one of exactly that length is read.
TEST(PlanHeader, CutOff) {
  const std::pair<std::string, size_t> kinds[] = {{"ftrt", 28}, {"vtrt", 28}, {"ptrt", 44}, {"nref", 8}};
  for (const auto& [magic, length] : kinds) {
    const std::string plan = magic + std::string(60, '\1');
    for (size_t cut = 0; cut < length; ++cut) {
      const std::string message = MessageOf<PlanError>([&] { ParsePlanHeader(std::string_view(plan).substr(0, cut)); });
      ExpectHas(message, std::to_string(cut) + " bytes");
    }
    EXPECT_NO_THROW(ParsePlanHeader(std::string_view(plan).substr(0, length))) << magic;
  }
}

// Plans of releases that no library can run here, and of some that one may.
TEST(PlanHeader, APlanThatCanNeverRunSaysSo) {
  const auto why = [](PlanKind kind, const Release& release) { return PlanHeader{kind, release}.WhyItCannotRun(); };
  for (const Release& release : {Release{7, 1, 3, 4}, Release{7, 2, 3, 4}, Release{8, 0, 1, 6}, Release{8, 4, 3, 1},
                                 Release{12, 0, 0, 1}, Release{0, 0, 0, 0}}) {
    const std::string message = why(PlanKind::kTensorRT, release);
    ExpectHas(message, "the plan was built by TensorRT " + release.ToString() + ", and Nacelle calls TensorRT 8.5 to");
    ExpectHas(message, "build the engine again with one of these releases");
    ExpectHas((PlanHeader{PlanKind::kTensorRT, release}).Describe(),
              "TensorRT " + release.ToString() + " (cannot run here: Nacelle calls 8.5 to ");
  }
  // A plan of 9.0 may be a version-compatible one, which later releases of 9.x take.
  for (const Release& release :
       {Release{8, 5, 1, 7}, Release{8, 6, 1, 6}, Release{9, 0, 1, 4}, Release{9, 1, 0, 4}, Release{9, 2, 0, 5},
        Release{9, 3, 0, 1}, Release{10, 99, 0, 0}, Release{11, 0, 0, 114}}) {
    EXPECT_EQ(why(PlanKind::kTensorRT, release), "") << release.ToString();
  }
  EXPECT_EQ(why(PlanKind::kTensorRTRtx, {1, 4, 0, 76}), "");  // a later library may take it
  ExpectHas(why(PlanKind::kTensorRTRtx, {2, 0, 0, 1}), "Nacelle calls TensorRT-RTX 1.5 to 1.7");
  EXPECT_EQ(why(PlanKind::kReference, {12, 0, 0, 0}), "");
}

TEST(PlanHeader, Describe) {
  EXPECT_EQ((PlanHeader{PlanKind::kTensorRT, {8, 5, 3, 1}}).Describe(), "TensorRT 8.5.3.1");
  EXPECT_EQ((PlanHeader{PlanKind::kTensorRTRtx, {1, 7, 1, 116}}).Describe(), "TensorRT-RTX 1.7.1.116");
  EXPECT_EQ((PlanHeader{PlanKind::kReference, {1, 0, 0, 0}}).Describe(), "reference engine, plan format 1");
}

}  // namespace
}  // namespace nacelle::plan
