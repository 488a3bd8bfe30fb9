// Fuzzes what reads engines in programs of unknown origin: any bytes are read as a plan's header and as a record.
//
// Nothing may crash or throw anything but our own errors, whose messages stay short; what is accepted is written back
// to the very same strings, and converts to other versions without loss unless an error says so. With the environment
// variable ABI_FUZZ_ACCEPT a record that is refused is a failure too: for seeds.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"

namespace nacelle::record {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

void CheckMessage(const Error& error) {
  const std::string_view message = error.what();
  Require(!message.empty() && message.size() < 2000, "a message is neither empty nor a flood");
}

void CheckPlan(std::string_view plan) {
  try {
    Require(!plan::ParsePlanHeader(plan).Describe().empty(), "a header has a description");
  } catch (const PlanError& error) {
    CheckMessage(error);
  }
}

void CheckConversions(const Record& record) {
  for (int version = kOldestVersion; version <= kNewestVersion; ++version) {
    Record converted;
    try {
      converted = Convert(record, version);
    } catch (const RecordError& error) {
      CheckMessage(error);
      Require(version < record.version, "only an older version may lack a field");
      continue;
    }
    Require(Parse(Write(converted)) == converted, "a converted record comes back");
  }
}

void CheckRecord(const std::vector<std::string>& fields) {
  Record record;
  try {
    record = Parse(fields);
  } catch (const RecordError& error) {
    Require(std::getenv("ABI_FUZZ_ACCEPT") == nullptr, error.what());
    return CheckMessage(error);
  }
  Require(Write(record) == fields, "a record is written as it was read");
  CheckConversions(record);
  CheckPlan(record.plan);
  Require(Write(std::move(record)) == fields, "a record that may be used up is written as it was read");
}

}  // namespace
}  // namespace nacelle::record

// A record's fields follow one another; a backslash and any character but a backslash end a field, and two backslashes
// are one (seeds.py writes this form).
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nacelle::record::CheckPlan({reinterpret_cast<const char*>(data), size});
  FuzzedDataProvider bytes(data, size);
  std::vector<std::string> fields;
  while (bytes.remaining_bytes() > 0) fields.push_back(bytes.ConsumeRandomLengthString());
  nacelle::record::CheckRecord(fields);
  return 0;
}
