// Every golden record, damaged in every field: each result is either refused with a RecordError or read and written
// back to the same bytes. Run under the address and undefined-behaviour sanitizers this also shows that nothing is read
// that is not there.
#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "tests/core/record/golden.h"

namespace nacelle::record {
namespace {

struct Tally {
  size_t accepted = 0;
  size_t refused = 0;
};

// Converts to every version, and back to what Parse reads.
void CheckConversions(const Record& record) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    try {
      const Record converted = Convert(record, version);
      ASSERT_EQ(Parse(Write(converted)), converted);
    } catch (const RecordError&) {
      ASSERT_LT(version, record.version) << "only a step down may lose something";
    }
  }
}

// True if an error is about the value of field `i`. Aliases are looked up among the names, so damaged names may make
// them wrong; what is wrong with a version may be that the number of fields is another's.
bool IsAbout(const std::string& message, size_t i) {
  const auto has = [&](const std::string& part) { return message.find(part) != std::string::npos; };
  const Field field = kFields[i].field;
  if (has("field " + std::to_string(i) + " (" + std::string(kFields[i].name) + "): ")) return true;
  if (field == Field::kAbiVersion) return has("record of ABI version ");
  return (field == Field::kInputNames || field == Field::kOutputNames) && has("(aliased_io): alias names the ");
}

// `fields` are those of a good record with field `damaged` replaced.
void Check(const golden::Fields& fields, size_t damaged, Tally& tally) {
  Record record;
  try {
    record = Parse(fields);
  } catch (const RecordError& error) {
    ASSERT_PRED2(IsAbout, error.what(), damaged);
    ++tally.refused;
    return;
  }
  ++tally.accepted;
  ASSERT_EQ(Write(record), fields);
  CheckConversions(record);
  try {
    plan::ParsePlanHeader(record.plan);
  } catch (const PlanError&) {
  }
}

// True if `text` is to be damaged at `at`: everywhere in a short text, and near both ends of a long one, whose middle
// is alike all over, with samples between.
bool IsOfInterest(const std::string& text, size_t at) {
  constexpr size_t kEnds = 40;
  return at < kEnds || at + kEnds > text.size() || at % 13 == 0;
}

// Calls check(text) for truncations of `text` at both ends, and with bytes replaced, removed and preceded by bytes that
// mean something to one field or another.
void Mutate(const std::string& text, const std::function<void(const std::string&)>& check) {
  const std::string bytes("\0\xff%@=0127A_. \n-+", 16);
  for (size_t i = 0; i <= text.size(); ++i) {
    if (!IsOfInterest(text, i)) continue;
    check(text.substr(0, i));
    check(text.substr(i));
    for (const char byte : bytes) check(std::string(text).insert(i, 1, byte));
    if (i == text.size()) break;
    check(std::string(text).erase(i, 1));
    for (const char byte : bytes) {
      std::string changed = text;
      changed[i] = byte;
      check(changed);
    }
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x20);
    check(flipped);
  }
  check(text + text);
  check(std::string(1000, '%'));
  check(std::string(1000, '9'));
}

class MutationTest : public testing::TestWithParam<int> {};

TEST_P(MutationTest, EveryField) {
  const golden::Fields good = golden::Read(GetParam());
  Tally tally;
  for (size_t i = 0; i < good.size(); ++i) {
    Mutate(good[i], [&](const std::string& text) {
      golden::Fields fields = good;
      fields[i] = text;
      Check(fields, i, tally);
    });
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(tally.accepted, 100u);
  EXPECT_GT(tally.refused, 100u);
}

TEST_P(MutationTest, OrderOfFields) {
  const golden::Fields good = golden::Read(GetParam());
  size_t refused = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      golden::Fields swapped = good;
      std::swap(swapped[i], swapped[j]);
      try {
        ASSERT_EQ(Write(Parse(swapped)), swapped);
      } catch (const RecordError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, good.size());
}

TEST_P(MutationTest, EveryOtherVersionNumber) {
  for (int version = 0; version < 200; ++version) {
    golden::Fields fields = golden::Read(GetParam());
    fields[0] = std::to_string(version);
    Tally tally;
    Check(fields, IndexOf(Field::kAbiVersion), tally);
    EXPECT_EQ(tally.accepted, version == GetParam() ? 1u : 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, MutationTest, testing::Range(kOldestVersion, kNewestVersion + 1));

}  // namespace
}  // namespace nacelle::record
