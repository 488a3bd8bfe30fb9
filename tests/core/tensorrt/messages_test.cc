#include "core/tensorrt/messages.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace nacelle::tensorrt {
namespace {

class Collect final : public LogSink {
 public:
  void Log(Severity severity, const char* text) override { lines.emplace_back(std::to_string(int(severity)) + text); }
  std::vector<std::string> lines;
};

class Throws final : public LogSink {
 public:
  void Log(Severity, const char*) override { throw std::runtime_error("a bad sink"); }
};

class MessagesTest : public testing::Test {
 protected:
  void TearDown() override { SetLogSink(nullptr); }
};

TEST_F(MessagesTest, KeepsWarningsAndWorse) {
  const MessageScope scope;
  EXPECT_EQ(scope.Said("TensorRT"), "");
  RecordMessage(Severity::kVERBOSE, "verbose");
  RecordMessage(Severity::kINFO, "info");
  EXPECT_TRUE(scope.empty());
  RecordMessage(Severity::kINTERNAL_ERROR, "broken\n");
  RecordMessage(Severity::kERROR, "bad\r\n");
  RecordMessage(Severity::kWARNING, "odd");
  EXPECT_EQ(scope.Text(), "[F] broken; [E] bad; [W] odd");
  EXPECT_EQ(scope.Said("TensorRT 8.5.3.1"), " TensorRT 8.5.3.1 said: [F] broken; [E] bad; [W] odd");
}

TEST_F(MessagesTest, KeepsTheFirstAndCountsTheRest) {
  const MessageScope scope;
  for (int i = 0; i < 20; ++i) RecordMessage(Severity::kERROR, std::to_string(i).c_str());
  const std::string text = scope.Text();
  EXPECT_EQ(text.substr(0, 5), "[E] 0");
  EXPECT_NE(text.find("[E] 15; and 4 more"), std::string::npos) << text;
}

TEST_F(MessagesTest, CutsLongMessagesBetweenCharacters) {
  const MessageScope scope;
  std::string text(MessageScope::kMaxMessageBytes - 1, 'a');
  text += "\xc3\xa9\xc3\xa9";  // two-byte characters across the limit
  RecordMessage(Severity::kERROR, text.c_str());
  EXPECT_EQ(scope.Text(), "[E] " + std::string(MessageScope::kMaxMessageBytes - 1, 'a'));
}

TEST_F(MessagesTest, SaysTheSameThingOnce) {
  const MessageScope scope;
  RecordMessage(Severity::kERROR, "bad");
  RecordMessage(Severity::kERROR, "bad\n");
  RecordMessage(Severity::kERROR, nullptr);
  EXPECT_EQ(scope.Text(), "[E] bad");
}

TEST_F(MessagesTest, ScopesNest) {
  const MessageScope outer;
  RecordMessage(Severity::kERROR, "one");
  {
    const MessageScope inner;
    RecordMessage(Severity::kERROR, "two");
    EXPECT_EQ(inner.Text(), "[E] two");
  }
  RecordMessage(Severity::kERROR, "three");
  EXPECT_EQ(outer.Text(), "[E] one; [E] two; [E] three");
}

TEST_F(MessagesTest, ThreadsKeepApart) {
  const MessageScope here;
  std::thread([] {
    const MessageScope there;
    RecordMessage(Severity::kERROR, "there");
    EXPECT_EQ(there.Text(), "[E] there");
  }).join();
  EXPECT_TRUE(here.empty());
}

TEST_F(MessagesTest, SinkGetsWhatItAsksFor) {
  const auto sink = std::make_shared<Collect>();
  SetLogSink(sink, Severity::kINFO);
  RecordMessage(Severity::kVERBOSE, "a");
  RecordMessage(Severity::kINFO, "b");
  RecordMessage(Severity::kINTERNAL_ERROR, "c");
  EXPECT_EQ(sink->lines, (std::vector<std::string>{"3b", "0c"}));
  SetLogSink(nullptr, Severity::kVERBOSE);
  RecordMessage(Severity::kERROR, "d");
  EXPECT_EQ(sink->lines.size(), 2U);
  EXPECT_EQ(sink.use_count(), 1);
}

TEST_F(MessagesTest, SinkThatThrowsLosesNothingElse) {
  SetLogSink(std::make_shared<Throws>(), Severity::kVERBOSE);
  const MessageScope scope;
  RecordMessage(Severity::kERROR, "still here");
  EXPECT_EQ(scope.Text(), "[E] still here");
}

TEST_F(MessagesTest, SinkMayBeChangedWhileThreadsLog) {
  class Count final : public LogSink {
   public:
    void Log(Severity, const char*) override { ++count; }
    std::atomic<int> count = 0;
  };
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&stop] {
      while (!stop) RecordMessage(Severity::kINFO, "x");
    });
  }
  for (int i = 0; i < 50; ++i) {
    const auto sink = std::make_shared<Count>();
    SetLogSink(sink, Severity::kINFO);
    while (sink->count == 0) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nacelle::tensorrt
