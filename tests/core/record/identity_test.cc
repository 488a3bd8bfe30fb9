#include "core/record/identity.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/record/record.h"
#include "tests/core/record/golden.h"

namespace nacelle::record {
namespace {

constexpr const char* kPlan = "the plan";

std::string Of(const Record& record) { return IdentityOf(record, kPlan); }

TEST(Identity, IsTheSameForTheSameRecord) {
  EXPECT_EQ(Of(golden::Expected(10)), Of(golden::Expected(10)));
  EXPECT_EQ(Of(golden::Expected(10)), IdentityOf(golden::Expected(10), std::string(kPlan)));
}

TEST(Identity, DiffersIfAnyFieldDoes) {
  std::set<std::string> identities;
  size_t count = 0;
  const auto add = [&](auto change) {
    Record record = golden::Expected(10);
    change(record);
    identities.insert(Of(record));
    ++count;
  };
  add([](Record&) {});
  add([](Record& record) { record.name += 'x'; });
  add([](Record& record) { record.device.name += 'x'; });
  add([](Record& record) { record.device.id += 1; });
  add([](Record& record) { record.input_names.push_back("x"); });
  add([](Record& record) { record.output_names.push_back("x"); });
  add([](Record& record) { record.hardware_compatible = !record.hardware_compatible; });
  add([](Record& record) { record.metadata += 'x'; });
  add([](Record& record) { record.target_platform = TargetPlatform::kWindowsX8664; });
  add([](Record& record) { record.requires_output_allocator = !record.requires_output_allocator; });
  add([](Record& record) {
    const bool dynamic = record.resource_allocation == ResourceAllocation::kDynamic;
    record.resource_allocation = dynamic ? ResourceAllocation::kStatic : ResourceAllocation::kDynamic;
  });
  add([](Record& record) { record.requires_native_multi_device = !record.requires_native_multi_device; });
  add([](Record& record) { record.aliased_io.clear(); });
  EXPECT_EQ(identities.size(), count);
}

TEST(Identity, DiffersIfThePlanOrTheVersionDoes) {
  const Record record = golden::Expected(4);
  EXPECT_NE(IdentityOf(record, "a plan"), IdentityOf(record, "b plan"));
  EXPECT_NE(IdentityOf(record, ""), IdentityOf(record, std::string_view("\0", 1)));
  Record later = record;
  later.version = 5;
  EXPECT_NE(Of(record), Of(later));
}

TEST(Identity, DiffersIfTextMovesFromOneFieldToTheNext) {
  Record first = golden::Expected(4);
  Record second = first;
  first.input_names = {"a1:b"};
  first.output_names = {"c"};
  second.input_names = {"a"};
  second.output_names = {"b1:c"};
  EXPECT_NE(Of(first), Of(second));
}

TEST(Identity, IsShort) {
  Record record = golden::Expected(10);
  record.name = std::string(1000, 'x');
  EXPECT_LT(Of(record).size(), 150);
  EXPECT_NE(Of(record).find("xxxx"), std::string::npos);
  Record longer = record;
  longer.name += 'y';
  EXPECT_NE(Of(record), Of(longer));
}

TEST(Identity, IsComputedOnceForManyThreads) {
  const Record record = golden::Expected(10);
  const std::string plan(1 << 20, 'p');
  const std::string expected = IdentityOf(record, plan);
  Identity identity;
  std::vector<std::string> found(8);
  std::vector<const std::string*> places(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] {
      places[i] = &identity.Get(record, plan);
      found[i] = *places[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, std::vector<std::string>(found.size(), expected));
  EXPECT_EQ(std::set<const std::string*>(places.begin(), places.end()).size(), 1);
}

TEST(Identity, ARecordThatCannotBeWrittenHasNone) {
  Record record = golden::Expected(4);
  record.input_names = {"a%b"};
  Identity identity;
  EXPECT_THROW(identity.Get(record, kPlan), RecordError);
  EXPECT_THROW(identity.Get(record, kPlan), RecordError);
}

}  // namespace
}  // namespace nacelle::record
