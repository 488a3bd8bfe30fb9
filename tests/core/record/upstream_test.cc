// Records in programs that Torch-TensorRT itself saved. These programs are others' work and not part of this project:
// the environment variable NACELLE_UPSTREAM_DATA names their folder; without it the tests are skipped.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/device/device.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "tests/core/record/golden.h"

namespace nacelle::record {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

// The strings of the first list behind the first mention of torch's restore_type_tag in a program: the engine's record.
// A program is a zip whose files are not compressed, so its pickle can be read in place. Of pickle's instructions
// this knows the five that such a list is made of.
std::vector<std::string> ReadRecord(std::string_view program) {
  const size_t tag = program.find("restore_type_tag\n");
  size_t at = tag == std::string_view::npos ? tag : program.find(']', tag);
  if (at == std::string_view::npos) throw std::runtime_error("no record in the program");
  std::vector<std::string> fields;
  std::map<uint8_t, std::string> memo;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(program.at(i)); };
  for (++at;;) {
    switch (program.at(at)) {
      case 'X': {  // a string: its length in four bytes, and its text
        const size_t length = byte(at + 1) | byte(at + 2) << 8 | byte(at + 3) << 16 | size_t{byte(at + 4)} << 24;
        fields.emplace_back(program.substr(at + 5, length));
        at += 5 + length;
        break;
      }
      case 'q':  // remembers the last value; before the first string that is the list
        if (!fields.empty()) memo[byte(at + 1)] = fields.back();
        at += 2;
        break;
      case 'h':  // a value that was remembered
        fields.push_back(memo.at(byte(at + 1)));
        at += 2;
        break;
      case '(':  // the first item follows
        ++at;
        break;
      case 'e':  // the list is complete
        return fields;
      default:
        throw std::runtime_error("unexpected instruction in the pickle");
    }
  }
}

struct Program {
  std::string file;
  int version;
  std::string device;
  std::vector<std::string> inputs;
  plan::PlanHeader plan;
  TargetPlatform platform;
};

class UpstreamTest : public testing::TestWithParam<Program> {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("NACELLE_UPSTREAM_DATA");
    if (folder == nullptr || *folder == '\0') GTEST_SKIP() << "NACELLE_UPSTREAM_DATA does not name a folder";
    fields_ = ReadRecord(ReadFile(std::string(folder) + "/" + GetParam().file));
  }

  std::vector<std::string> fields_;
};

TEST_P(UpstreamTest, IsReadAndWrittenBack) {
  const Program& wanted = GetParam();
  const Record record = Parse(fields_);
  EXPECT_EQ(record.version, wanted.version);
  EXPECT_EQ(record.name, "_run_on_acc_0_engine");
  EXPECT_EQ(record.device, device::Device::Parse(wanted.device));
  EXPECT_EQ(record.input_names, wanted.inputs);
  EXPECT_EQ(record.output_names, (std::vector<std::string>{"output0"}));
  EXPECT_TRUE(record.hardware_compatible);
  EXPECT_EQ(record.target_platform, wanted.platform);
  EXPECT_EQ(record.metadata.empty(), wanted.version < 6);
  EXPECT_EQ(plan::ParsePlanHeader(record.plan), wanted.plan);
  EXPECT_EQ(Write(record), fields_);
}

TEST_P(UpstreamTest, ConvertsToEveryVersion) {
  const Record record = Parse(fields_);
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    const Record converted = Convert(record, version, golden::Droppable());
    EXPECT_EQ(Parse(Write(converted)), converted);
    EXPECT_EQ(converted.plan, record.plan);
    if (version < record.version) continue;
    EXPECT_EQ(Write(Convert(converted, record.version)), fields_);
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, UpstreamTest,
                         testing::Values(Program{"abi5_trt8.6.1_a100.ts",
                                                 5,
                                                 "0%8%0%0%NVIDIA A100-PCIE-40GB",
                                                 {"arg0_1"},
                                                 {plan::PlanKind::kTensorRT, {8, 6, 1, 6}},
                                                 TargetPlatform::kUnknown},
                                         Program{"abi9_trt11.0.0_rtx5090.ts",
                                                 9,
                                                 "0%12%0%0%NVIDIA GeForce RTX 5090",
                                                 {"x"},
                                                 {plan::PlanKind::kTensorRT, {11, 0, 0, 114}},
                                                 TargetPlatform::kLinuxX8664}));

}  // namespace
}  // namespace nacelle::record
