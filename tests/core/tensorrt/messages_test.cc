#include "core/tensorrt/messages.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace nacelle::tensorrt {
namespace {

TEST(MessagesTest, KeepsWarningsAndWorse) {
  const MessageScope scope;
  EXPECT_EQ(scope.ErrorSuffix("TensorRT"), "");
  RecordMessage(Severity::kVERBOSE, "verbose");
  RecordMessage(Severity::kINFO, "info");
  EXPECT_TRUE(scope.empty());
  RecordMessage(Severity::kINTERNAL_ERROR, "broken\n");
  RecordMessage(Severity::kERROR, "bad\r\n");
  RecordMessage(Severity::kWARNING, "odd");
  EXPECT_EQ(scope.Text(), "[F] broken; [E] bad; [W] odd");
  EXPECT_EQ(scope.ErrorSuffix("TensorRT 8.5.3.1"), "; TensorRT 8.5.3.1 said: [F] broken; [E] bad; [W] odd");
}

TEST(MessagesTest, KeepsTheFirstAndCountsTheRest) {
  const MessageScope scope;
  for (int i = 0; i < 20; ++i) RecordMessage(Severity::kERROR, std::to_string(i).c_str());
  const std::string text = scope.Text();
  EXPECT_EQ(text.substr(0, 5), "[E] 0");
  EXPECT_NE(text.find("[E] 15; and 4 more"), std::string::npos) << text;
}

TEST(MessagesTest, CutsLongMessagesBetweenCharacters) {
  const MessageScope scope;
  std::string text(MessageScope::kMaxMessageBytes - 1, 'a');
  text += "\xc3\xa9\xc3\xa9";  // two-byte characters across the limit
  RecordMessage(Severity::kERROR, text.c_str());
  EXPECT_EQ(scope.Text(), "[E] " + std::string(MessageScope::kMaxMessageBytes - 1, 'a'));
}

TEST(MessagesTest, SaysTheSameThingOnce) {
  const MessageScope scope;
  RecordMessage(Severity::kERROR, "bad");
  RecordMessage(Severity::kERROR, "bad\n");
  RecordMessage(Severity::kERROR, nullptr);
  EXPECT_EQ(scope.Text(), "[E] bad");
}

TEST(MessagesTest, ScopesNest) {
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

TEST(MessagesTest, ThreadsKeepApart) {
  const MessageScope here;
  std::thread([] {
    const MessageScope there;
    RecordMessage(Severity::kERROR, "there");
    EXPECT_EQ(there.Text(), "[E] there");
  }).join();
  EXPECT_TRUE(here.empty());
}

}  // namespace
}  // namespace nacelle::tensorrt
