// The pool of contexts and threads, with contexts that only count. Meant for --config=tsan too.
#include "runtime/context_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/runtime/context_pool/context.h"

namespace nacelle::runtime {
namespace {

constexpr int kThreads = 8;
constexpr int kCalls = 2000;

template <typename Work>
void InThreads(int count, const Work& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

class ContextPoolTest : public testing::Test {
 protected:
  // Makes contexts while fewer than `most` are alive, and fails otherwise.
  ContextPool::Maker MakerOf(int most) {
    return [this, most](int) {
      if (alive_ >= most) throw std::runtime_error("no more");
      ++made_;
      return std::make_unique<Context>(alive_);
    };
  }

  std::atomic<int> alive_ = 0;
  std::atomic<int> made_ = 0;
};

TEST_F(ContextPoolTest, TheLastOneReturnedIsTakenNext) {
  ContextPool pool(1, MakerOf(10));
  auto first = pool.Acquire(0);
  auto second = pool.Acquire(0);
  EXPECT_NE(&*first, &*second);
  EXPECT_EQ(pool.size(), 2);
  Context* const address = &*first;
  second.Return();
  first.Return();
  EXPECT_EQ(&*pool.Acquire(0), address);  // and it is not given back
  EXPECT_EQ(pool.size(), 1);
  EXPECT_EQ(alive_, 1);
}

TEST_F(ContextPoolTest, ProfilesHaveTheirOwn) {
  ContextPool pool(2, MakerOf(10));
  pool.Acquire(0).Return();
  pool.Acquire(1).Return();
  EXPECT_EQ(made_, 2);
}

TEST_F(ContextPoolTest, TheMakersErrorIsTheCallersWhereThereIsNoContext) {
  ContextPool pool(1, MakerOf(0));
  EXPECT_THROW(pool.Acquire(0), std::runtime_error);
  EXPECT_EQ(pool.size(), 0);
}

// As many threads as like: each context is one thread's at a time, and none is lost.
TEST_F(ContextPoolTest, ThreadsShare) {
  ContextPool pool(2, MakerOf(100));
  std::atomic<int> calls = 0;
  InThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kCalls; ++i) {
      auto lease = pool.Acquire((thread + i) % 2);
      ++lease->calls;
      ++calls;
      lease.Return();
    }
  });
  EXPECT_EQ(calls, kThreads * kCalls);
  EXPECT_LE(pool.size(), 2 * kThreads);
  EXPECT_EQ(pool.size(), alive_);
}

// TensorRT 8.5 allows one context: the others wait for it.
TEST_F(ContextPoolTest, ThreadsWaitWhereOnlyOneCanBeMade) {
  ContextPool pool(1, MakerOf(1));
  int calls = 0;  // guarded by the one context
  InThreads(kThreads, [&](int) {
    for (int i = 0; i < kCalls; ++i) {
      auto lease = pool.Acquire(0);
      ++calls;
      lease.Return();
    }
  });
  EXPECT_EQ(calls, kThreads * kCalls);
  EXPECT_EQ(pool.size(), 1);
}

// Failing calls take their context with them; who waits makes a new one.
TEST_F(ContextPoolTest, ThreadsGoOnWhereContextsAreLost) {
  ContextPool pool(1, MakerOf(1));
  std::atomic<int> calls = 0;
  InThreads(kThreads, [&](int thread) {
    for (int i = 0; i < kCalls; ++i) {
      auto lease = pool.Acquire(0);
      ++lease->calls;
      ++calls;
      if ((thread + i) % 3 != 0) lease.Return();
    }
  });
  EXPECT_EQ(calls, kThreads * kCalls);
  EXPECT_GT(made_, 1);
  EXPECT_LE(pool.size(), 1);
}

// More threads than contexts may be made.
TEST_F(ContextPoolTest, NoMoreAreMadeThanTheLimit) {
  ContextPool pool(1, MakerOf(1000));
  std::atomic<int> holding = 0;
  InThreads(ContextPool::kMaxPerProfile + 4, [&](int) {
    auto lease = pool.Acquire(0);
    if (++holding < ContextPool::kMaxPerProfile) {
      while (holding < ContextPool::kMaxPerProfile) std::this_thread::yield();
    }
    lease.Return();
  });
  EXPECT_LE(made_, ContextPool::kMaxPerProfile);
}

}  // namespace
}  // namespace nacelle::runtime
