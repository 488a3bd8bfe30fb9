#include "core/tensorrt/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/messages.h"
#include "tests/core/throws.h"

namespace nacelle::tensorrt {
namespace {

class Collect final : public LogSink {
 public:
  void Log(Severity severity, const char* text) override { lines.emplace_back(std::to_string(int(severity)) + text); }
  std::vector<std::string> lines;
};

class LogTest : public testing::Test {
 protected:
  void TearDown() override {
    SetLogSink(nullptr);
    SetLogLevel("off");
  }
};

TEST_F(LogTest, NothingIsSentAtTheStart) {
  EXPECT_STREQ(LogLevel(), "off");
  const auto sink = std::make_shared<Collect>();
  SetLogSink(sink);
  RecordMessage(Severity::kINTERNAL_ERROR, "a");
  EXPECT_TRUE(sink->lines.empty());
}

TEST_F(LogTest, TheLevelSaysWhatIsSent) {
  const auto sink = std::make_shared<Collect>();
  SetLogSink(sink);
  const auto sent = [&](const char* level) {
    SetLogLevel(level);
    EXPECT_STREQ(LogLevel(), level);
    sink->lines.clear();
    for (int severity = 0; severity <= 4; ++severity) RecordMessage(Severity{severity}, "x");
    return sink->lines.size();
  };
  EXPECT_EQ(sent("verbose"), 5U);
  EXPECT_EQ(sent("info"), 4U);
  EXPECT_EQ(sent("warning"), 3U);
  EXPECT_EQ(sent("error"), 2U);
  EXPECT_EQ(sink->lines, (std::vector<std::string>{"0x", "1x"}));
  EXPECT_EQ(sent("off"), 0U);
}

TEST_F(LogTest, AWrongLevelIsAnErrorAndChangesNothing) {
  SetLogLevel("info");
  EXPECT_EQ(testing_support::MessageOf<InputError>([] { SetLogLevel("loud"); }),
            "the log level is \"loud\"; wanted verbose, info, warning, error or off");
  EXPECT_STREQ(LogLevel(), "info");
}

TEST_F(LogTest, WithoutASinkLinesGoToStandardError) {
  SetLogLevel("info");
  testing::internal::CaptureStderr();
  RecordMessage(Severity::kINFO, "a line\r\n");
  RecordMessage(Severity::kERROR, "50% of it");
  RecordMessage(Severity::kVERBOSE, "too much");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "TensorRT [I] a line\nTensorRT [E] 50% of it\n");
}

TEST_F(LogTest, ASinkIsLetGo) {
  const auto sink = std::make_shared<Collect>();
  SetLogSink(sink);
  SetLogSink(nullptr);
  EXPECT_EQ(sink.use_count(), 1);
}

TEST_F(LogTest, ASinkThatThrowsLosesNothingElse) {
  class Throws final : public LogSink {
   public:
    void Log(Severity, const char*) override { throw std::runtime_error("a bad sink"); }
  };
  SetLogSink(std::make_shared<Throws>());
  SetLogLevel("verbose");
  const MessageScope scope;
  RecordMessage(Severity::kERROR, "still here");
  EXPECT_EQ(scope.Text(), "[E] still here");
}

TEST_F(LogTest, TheSinkMayBeChangedWhileThreadsLog) {
  class Count final : public LogSink {
   public:
    void Log(Severity, const char*) override { ++count; }
    std::atomic<int> count = 0;
  };
  SetLogSink(std::make_shared<Count>());
  SetLogLevel("info");
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&stop] {
      while (!stop) RecordMessage(Severity::kINFO, "x");
    });
  }
  for (int i = 0; i < 50; ++i) {
    const auto sink = std::make_shared<Count>();
    SetLogSink(sink);
    while (sink->count == 0) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// The environment is read once in a process: each of these is a process of its own.
using LogEnvironmentDeathTest = LogTest;

TEST_F(LogEnvironmentDeathTest, AWordIsTheLevelAtTheStart) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("NACELLE_LOG", "warning", 1);
  EXPECT_EXIT(
      {
        RecordMessage(Severity::kWARNING, "odd");
        RecordMessage(Severity::kINFO, "fine");
        std::_Exit(0);
      },
      testing::ExitedWithCode(0), "^TensorRT \\[W\\] odd\n$");
  unsetenv("NACELLE_LOG");
}

TEST_F(LogEnvironmentDeathTest, AWrongWordIsReportedOnceAndLeavesTheLogOff) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("NACELLE_LOG", "loud", 1);
  EXPECT_EXIT(
      {
        RecordMessage(Severity::kERROR, "bad");
        RecordMessage(Severity::kERROR, "bad");
        std::_Exit(0);
      },
      testing::ExitedWithCode(0),
      "^nacelle: the environment variable NACELLE_LOG is \"loud\"; wanted verbose, info, warning, error or off\n$");
  unsetenv("NACELLE_LOG");
}

}  // namespace
}  // namespace nacelle::tensorrt
