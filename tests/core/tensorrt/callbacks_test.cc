// The callbacks as a library sees them: through C++ interfaces that g++ lays out. Built once for each family of
// layouts (FAKE_INTERFACES is 8, 9, 10 or 11).
#include "core/tensorrt/callbacks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"
#include "tests/core/tensorrt/fake/types.h"

namespace nacelle::tensorrt {
namespace {

// Tables of the major release whose layouts types.h has; 8.5.1 and 8.5.2 differ in no slot that is called.
std::vector<const SlotTable*> Tables() {
  std::vector<const SlotTable*> tables;
  for (const SlotTable& table : SlotTables()) {
    if (table.release.major == FAKE_INTERFACES) tables.push_back(&table);
  }
  return tables;
}

const SlotTable& Newest() { return *Tables().back(); }

class Lines final : public LogSink {
 public:
  void Log(Severity severity, const char* text) override {
    if (std::strcmp(text, "throw") == 0) throw std::runtime_error("from the sink");
    lines.emplace_back(std::to_string(static_cast<int>(severity)) + text);
  }
  std::vector<std::string> lines;
};

// Memory that cannot be had, with a reason.
class NoMemory final : public OutputMemory {
 public:
  void* Reallocate(const char*, void*, uint64_t, uint64_t, void*) override {
    throw std::runtime_error("the device is full");
  }
  void NotifyShape(const char*, const Dims&) override { throw 42; }
};

class NoTimes final : public LayerTimes {
 public:
  void Report(const char*, float) override { throw std::runtime_error("no time"); }
};

TEST(Logger, GetsMessagesInEveryRelease) {
  for (const SlotTable* table : Tables()) {
    Lines lines;
    Logger logger(*table, lines);
    auto& seen = *static_cast<fake::ILogger*>(logger.object());
    seen.log(2, "odd");
    seen.log(4, "chatty");
    EXPECT_EQ(lines.lines, (std::vector<std::string>{"2odd", "4chatty"})) << table->release.ToString();
  }
}

TEST(Logger, KeepsExceptionsIn) {
  Lines lines;
  Logger logger(Newest(), lines);
  auto& seen = *static_cast<fake::ILogger*>(logger.object());
  seen.log(1, "throw");
  seen.log(1, nullptr);
  EXPECT_TRUE(lines.lines.empty());
}

TEST(Logger, AnswersWhenAskedForAnotherType) {
  Lines lines;
  Logger logger(Newest(), lines);
  auto* seen = static_cast<fake::ILogger*>(logger.object());
  EXPECT_EQ(dynamic_cast<fake::IErrorRecorder*>(seen), nullptr);
}

TEST(Logger, SurvivesDeletion) {
  Lines lines;
  Logger logger(Newest(), lines);
  auto* seen = static_cast<fake::ILogger*>(logger.object());
  delete seen;
  seen->~ILogger();
  seen->log(0, "still here");
  EXPECT_EQ(lines.lines.size(), 1U);
}

TEST(OutputAllocator, TurnsExceptionsIntoMessages) {
  NoMemory memory;
  OutputAllocator allocator(Newest(), memory);
  auto& seen = *static_cast<fake::IOutputAllocator*>(allocator.object());
  {
    const MessageScope messages;
    EXPECT_EQ(seen.reallocateOutput("y", nullptr, 64, 256), nullptr);
    EXPECT_EQ(messages.Text(), "[E] the allocation of an output failed: the device is full");
  }
  const MessageScope messages;
  seen.notifyShape("y", fake::Dims{1, {3}});
  EXPECT_EQ(messages.Text(), "[E] the notification of an output's shape failed");
}

TEST(Profiler, TurnsExceptionsIntoMessages) {
  NoTimes times;
  Profiler profiler(Newest(), times);
  const MessageScope messages;
  static_cast<fake::IProfiler*>(profiler.object())->reportLayerTime("conv", 1.0F);
  EXPECT_EQ(messages.Text(), "[E] the report of a layer's time failed: no time");
}

class Steps final : public BuildProgress {
 public:
  void PhaseStarted(const char* phase, const char* parent, int32_t steps) override {
    said += Cat(phase, " in ", parent == nullptr ? "nothing" : parent, " of ", steps, "; ");
  }
  bool StepDone(const char* phase, int32_t step) override {
    if (step == 9) throw std::runtime_error("no step 9");
    said += Cat(phase, " ", step, "; ");
    return step < 1;
  }
  void PhaseDone(const char* phase) override { said += Cat(phase, " done"); }

  std::string said;
};

TEST(ProgressMonitor, TellsPhasesAndSteps) {
  for (const SlotTable* table : Tables()) {
    Steps steps;
    // The header that declares it is known for 9.1, not for 9.2.
    if (table->release.major == 8 || table->release == Release{9, 2, 0, 5}) {
      EXPECT_THROW(ProgressMonitor(*table, steps), LibraryError) << "the table has none";
      continue;
    }
    ProgressMonitor monitor(*table, steps);
    auto& seen = *static_cast<fake::IProgressMonitor*>(monitor.object());
    seen.phaseStart("build", nullptr, 2);
    EXPECT_TRUE(seen.stepComplete("build", 0));
    EXPECT_FALSE(seen.stepComplete("build", 1));
    EXPECT_FALSE(seen.stepComplete("build", 9)) << "what the target throws gives the build up";
    seen.phaseFinish("build");
    EXPECT_EQ(steps.said, "build in nothing of 2; build 0; build 1; build done");
  }
}

TEST(Callback, RefusesAMethodThatItDoesNotHave) {
  // A release that calls something new on its logger.
  const Method layout[] = {Method::kLogger_log, Method::kProfiler_reportLayerTime};
  std::vector<std::span<const Method>> layouts(kInterfaceCount);
  layouts[static_cast<size_t>(Interface::kLogger)] = layout;
  const SlotTable table = {{11, 9, 0, 1}, true, {}, layouts, {}};
  Lines lines;
  try {
    Logger logger(table, lines);
    ADD_FAILURE();
  } catch (const LibraryError& error) {
    EXPECT_NE(std::string(error.what()).find("TensorRT 11.9.0.1 calls Profiler::reportLayerTime"), std::string::npos)
        << error.what();
  }
  NoTimes times;
  EXPECT_THROW(Profiler(table, times), LibraryError) << "the table lacks it altogether";
}

}  // namespace
}  // namespace nacelle::tensorrt
