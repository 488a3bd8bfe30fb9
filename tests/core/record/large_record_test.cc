// Records of more bytes than 31 and 32 bits count. Needs up to 11 GB of memory, and skips what does not fit.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/record/base64.h"
#include "core/record/record.h"
#include "core/text.h"
#include "tests/core/throws.h"

namespace nacelle::record {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

constexpr size_t kGiB = size_t{1} << 30;

// The word of a plan at `index`: no two places are alike, so one that was cut off or written twice is seen.
uint64_t WordAt(size_t index) { return (index + 1) * 0x9e3779b97f4a7c15; }

std::string MakePlan(size_t size) {
  std::string plan(size, 'p');
  for (size_t i = 0; (i + 1) * sizeof(uint64_t) <= size; ++i) {
    const uint64_t word = WordAt(i);
    std::memcpy(plan.data() + i * sizeof(word), &word, sizeof(word));
  }
  return plan;
}

bool IsPlan(const std::string& plan, size_t size) {
  if (plan.size() != size || plan.back() != 'p') return false;
  for (size_t i = 0; (i + 1) * sizeof(uint64_t) <= size; ++i) {
    uint64_t word = 0;
    std::memcpy(&word, plan.data() + i * sizeof(word), sizeof(word));
    if (word != WordAt(i)) return false;
  }
  return true;
}

// The number of kilobytes in the line of a file of /proc that begins with `name`, if the system has it.
std::optional<size_t> KilobytesOf(const char* path, std::string_view name) {
  std::ifstream lines(path);
  size_t kilobytes = 0;
  for (std::string first; lines >> first; std::getline(lines, first)) {
    if (first == name && lines >> kilobytes) return kilobytes;
  }
  return std::nullopt;
}

// Bytes that a process can still get without the system's swapping. Unlimited if the system does not tell.
size_t AvailableMemory() {
  const std::optional<size_t> kilobytes = KilobytesOf("/proc/meminfo", "MemAvailable:");
  return kilobytes ? *kilobytes * 1024 : std::numeric_limits<size_t>::max();
}

struct Size {
  int version;
  size_t plan;

  size_t field() const { return version < 4 ? plan : Base64Size(plan); }

  friend std::ostream& operator<<(std::ostream& out, const Size& size) {
    return out << "version " << size.version << ", " << size.plan << " bytes";
  }
};

class LargeRecord : public testing::TestWithParam<Size> {};

std::vector<std::string> Written(const Size& size) {
  Record record;
  record.version = size.version;
  record.name = "large";
  record.plan = MakePlan(size.plan);
  return Write(std::as_const(record));
}

// Makes PeakMemory begin again.
void ForgetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

// The most bytes of memory that this process had since ForgetPeakMemory.
size_t PeakMemory() { return KilobytesOf("/proc/self/status", "VmHWM:").value_or(0) * 1024; }

TEST_P(LargeRecord, IsWrittenAndRead) {
  const Size size = GetParam();
  const size_t needed = size.plan + size.field() + kGiB;
  if (AvailableMemory() < needed) GTEST_SKIP() << "needs " << needed << " bytes of memory";
  ForgetPeakMemory();
  std::vector<std::string> fields = Written(size);
  std::string& engine = fields[IndexOf(Field::kEngine)];
  ASSERT_EQ(engine.size(), size.field());
  const std::vector<std::string_view> views(fields.begin(), fields.end());
  EXPECT_TRUE(IsPlan(Parse(std::span(views)).plan, size.plan));
  EXPECT_GT(PeakMemory(), size.plan);
  EXPECT_LT(PeakMemory(), needed);  // the plan and its field, and neither of them twice
  if (size.version < 4) return;
  const size_t wrong = engine.size() - 10;
  engine[wrong] = '!';
  ExpectHas(MessageOf<RecordError>([&] { Parse(std::span(views)); }), Cat("\"!\" at position ", wrong));
}

INSTANTIATE_TEST_SUITE_P(Sizes, LargeRecord,
                         testing::Values(Size{3, 2 * kGiB + 7}, Size{3, 4 * kGiB + 7},
                                         Size{10, 2 * kGiB / 4 * 3 + 7},  // the text is over 2 GiB
                                         Size{10, 4 * kGiB + 7}));

}  // namespace
}  // namespace nacelle::record
