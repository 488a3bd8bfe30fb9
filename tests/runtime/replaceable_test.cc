#include "runtime/replaceable.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/core/in_child.h"

namespace nacelle::runtime {
namespace {

std::atomic<int> alive = 0;

// A value that shows when it is used after its end.
struct Value {
  explicit Value(int number) : number(number), copy(std::make_unique<int>(number)) { ++alive; }
  ~Value() {
    number = -1;
    --alive;
  }
  bool whole() const { return copy != nullptr && *copy == number; }

  int number;
  std::unique_ptr<int> copy;
};

using Values = Replaceable<Value>;

TEST(Replaceable, HasNoValueAtFirst) {
  Values values;
  EXPECT_FALSE(values.has_value());
  values.Replace(std::make_unique<Value>(1));
  EXPECT_TRUE(values.has_value());
  EXPECT_EQ(values.use()->number, 1);
}

TEST(Replaceable, AFormerValueGoesAtOnceIfNobodyUsesIt) {
  Values values;
  values.Replace(std::make_unique<Value>(1));
  values.Replace(std::make_unique<Value>(2));
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(values.use()->number, 2);
}

TEST(Replaceable, AUseKeepsItsValue) {
  Values values;
  values.Replace(std::make_unique<Value>(1));
  {
    const Values::Use use = values.use();
    values.Replace(std::make_unique<Value>(2));
    EXPECT_EQ(use->number, 1);
    EXPECT_EQ(values.use()->number, 2);
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 1);
}

TEST(Replaceable, TheLastUseDestroysAllFormerValues) {
  Values values;
  values.Replace(std::make_unique<Value>(1));
  std::atomic<int> step = 0;
  std::thread other([&] {
    const Values::Use use = values.use();
    step = 1;
    while (step != 2) std::this_thread::yield();
    EXPECT_EQ(use->number, 1);
  });
  while (step != 1) std::this_thread::yield();
  values.Replace(std::make_unique<Value>(2));
  values.Replace(std::make_unique<Value>(3));
  EXPECT_EQ(alive, 3);
  step = 2;
  other.join();
  EXPECT_EQ(alive, 1);
}

TEST(Replaceable, UsesOfOneValueDoNotKeepThoseOfAnotherThatBeganLater) {
  Values one, other;
  one.Replace(std::make_unique<Value>(1));
  other.Replace(std::make_unique<Value>(2));
  other.Replace(std::make_unique<Value>(3));
  const Values::Use use = one.use();
  EXPECT_EQ(other.use()->number, 3);
  EXPECT_EQ(alive, 2);
}

TEST(Replaceable, ItsEndIsTheEndOfItsValues) {
  {
    Values values;
    values.Replace(std::make_unique<Value>(1));
  }
  EXPECT_EQ(alive, 0);
}

TEST(Replaceable, ManyThreadsUseWhileOthersReplace) {
  Values values;
  values.Replace(std::make_unique<Value>(0));
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      int last = 0;
      while (!done) {
        const Values::Use outer = values.use();
        const Values::Use inner = values.use();
        if (!outer->whole() || !inner->whole() || outer->number < last || inner->number < outer->number) ++wrong;
        last = outer->number;
      }
    });
  }
  std::vector<std::thread> writers;
  std::atomic<int> next = 0;
  std::mutex order;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&] {
      for (int k = 0; k < 2000; ++k) {
        const std::lock_guard lock(order);
        values.Replace(std::make_unique<Value>(++next));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(values.use()->number, 4000);
  EXPECT_EQ(alive, 1);
}

TEST(Replaceable, ThreadsThatComeAndGo) {
  Values values;
  values.Replace(std::make_unique<Value>(0));
  for (int i = 1; i <= 50; ++i) {
    std::thread user([&] { EXPECT_TRUE(values.use()->whole()); });
    values.Replace(std::make_unique<Value>(i));
    user.join();
  }
  EXPECT_EQ(values.use()->number, 50);
  EXPECT_EQ(alive, 1);
}

TEST(Replaceable, AChildThatAbandonsDestroysNothingAndStartsAnew) {
  Values values;
  values.Replace(std::make_unique<Value>(1));
  const Values::Use use = values.use();
  values.Replace(std::make_unique<Value>(2));
  EXPECT_EQ(testing_support::InChild([&] {
              values.Abandon();
              if (values.has_value() || alive != 2 || !use->whole()) return "destroyed";
              values.Replace(std::make_unique<Value>(3));
              values.Replace(std::make_unique<Value>(4));
              return values.use()->number == 4 && alive >= 3 ? "" : "not replaced";
            }),
            "");
  EXPECT_EQ(values.use()->number, 2);
}

}  // namespace
}  // namespace nacelle::runtime
