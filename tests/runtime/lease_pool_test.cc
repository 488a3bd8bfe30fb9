#include "runtime/internal/lease_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace nacelle::runtime {
namespace {

// Lanes: only their addresses matter.
const void* Lane(int number) {
  static const char lanes[16] = {};
  return &lanes[number];
}

struct Item {
  explicit Item(int index) : index(index) {}
  bool Finished() const {
    if (fails) throw std::runtime_error("the device is lost");
    return finished;
  }

  const int index;
  bool finished = true;
  bool fails = false;
  int uses = 0;  // not atomic: ThreadSanitizer sees two holders
};

using Pool = LeasePool<Item>;

// For tests in which every item is kept, either none comes back or one does for sure: no time is measured.
constexpr std::chrono::milliseconds kNone{0};
constexpr std::chrono::minutes kMuch{10};

Pool MakePool(int capacity, std::chrono::milliseconds patience = kNone) {
  return {capacity, [](int index) { return std::make_unique<Item>(index); }, patience};
}

int IndexFor(Pool& pool, const void* lane, bool finished = true) {
  Pool::Lease lease = pool.Acquire(lane);
  lease->finished = finished;
  const int index = lease->index;
  lease.Return(lane);
  return index;
}

TEST(LeasePool, OneAfterTheOtherNeedsOneItem) {
  Pool pool = MakePool(4);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(IndexFor(pool, Lane(0)), 0);
  EXPECT_EQ(pool.size(), 1);
}

TEST(LeasePool, AFinishedItemServesAnotherLane) {
  Pool pool = MakePool(4);
  EXPECT_EQ(IndexFor(pool, Lane(0)), 0);
  EXPECT_EQ(IndexFor(pool, Lane(1)), 0);
}

TEST(LeasePool, AnItemThatStillWorksIsLeftToItsLane) {
  Pool pool = MakePool(4);
  EXPECT_EQ(IndexFor(pool, Lane(0), false), 0);
  EXPECT_EQ(IndexFor(pool, Lane(1), false), 1);
  EXPECT_EQ(IndexFor(pool, Lane(0), false), 0);
  EXPECT_EQ(IndexFor(pool, Lane(1), false), 1);
  EXPECT_EQ(pool.size(), 2);
}

TEST(LeasePool, WhereNoMoreFitAnItemThatStillWorksIsTaken) {
  Pool pool = MakePool(1);
  EXPECT_EQ(IndexFor(pool, Lane(0), false), 0);
  EXPECT_EQ(IndexFor(pool, Lane(1), false), 0);
}

TEST(LeasePool, ALeaseThatIsNotReturnedDestroysItsItem) {
  Pool pool = MakePool(2);
  {
    const Pool::Lease lost = pool.Acquire(Lane(0));
  }
  EXPECT_EQ(pool.size(), 0);
  EXPECT_EQ(IndexFor(pool, Lane(0)), 0);
}

TEST(LeasePool, AnItemThatCannotBeAskedIsNotLost) {
  Pool pool = MakePool(2);
  Pool::Lease lease = pool.Acquire(Lane(0));
  lease->fails = true;
  lease.Return(Lane(0));
  for (int i = 0; i < 3; ++i) EXPECT_THROW(pool.Acquire(Lane(1)), std::runtime_error);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(pool.AcquireWhere([](Item&) -> bool { throw std::runtime_error("no"); }), std::runtime_error);
  }
  EXPECT_EQ(IndexFor(pool, Lane(0)), 0);
  EXPECT_EQ(pool.size(), 1);
}

TEST(LeasePool, TheFirstFailureOfTheMakerIsThrown) {
  int calls = 0;
  Pool pool(2, [&](int) -> std::unique_ptr<Item> {
    ++calls;
    throw std::runtime_error("no memory");
  });
  EXPECT_THROW(pool.Acquire(nullptr), std::runtime_error);
  EXPECT_THROW(pool.Acquire(nullptr), std::runtime_error);
  EXPECT_EQ(calls, 2);
}

TEST(LeasePool, WhereOneIsAllThatCanBeMadeOthersWaitForIt) {
  std::atomic<int> tries = 0;
  Pool pool(8, [&](int index) {
    if (++tries > 1) throw std::runtime_error("a profile belongs to one context");
    return std::make_unique<Item>(index);
  });
  Pool::Lease first = pool.Acquire(Lane(0));
  std::atomic<bool> done = false;
  std::thread other([&] {
    IndexFor(pool, Lane(1));
    done = true;
  });
  while (tries < 2) std::this_thread::yield();
  EXPECT_FALSE(done);
  first.Return(Lane(0));
  other.join();
  EXPECT_TRUE(done);
  EXPECT_EQ(tries, 2);  // it was remembered that there can be no second one
}

// Imitates an optimization profile that belongs to one context: the second context cannot be made because of the first,
// which is then destroyed.
TEST(LeasePool, AnItemThatGoesWhileAnotherFailsIsNoReasonToFail) {
  std::atomic<int> alive = 0;
  struct Counted : Item {
    Counted(int index, std::atomic<int>& alive) : Item(index), alive(alive) { ++alive; }
    ~Counted() { --alive; }
    std::atomic<int>& alive;
  };
  LeasePool<Counted> pool(8, [&](int index) {
    if (alive > 0) {
      while (alive > 0) std::this_thread::yield();
      throw std::runtime_error("a profile belongs to one context");
    }
    return std::make_unique<Counted>(index, alive);
  });
  for (int i = 0; i < 50; ++i) {
    std::atomic<bool> right = false;
    auto first = std::make_unique<LeasePool<Counted>::Lease>(pool.Acquire(Lane(0)));
    std::thread other([&] {
      const LeasePool<Counted>::Lease lost = pool.Acquire(Lane(1));
      right = true;
    });
    first.reset();
    other.join();
    EXPECT_TRUE(right);
  }
}

TEST(LeasePool, KeptItemsAreNobodyElses) {
  Pool pool = MakePool(2);
  pool.Acquire(Lane(0)).Keep();
  EXPECT_EQ(IndexFor(pool, Lane(0)), 1);
  pool.Acquire(Lane(0)).Keep();
  try {
    pool.Acquire(Lane(0));
    ADD_FAILURE() << "there was nothing to acquire";
  } catch (const AllKept& kept) {
    EXPECT_EQ(kept.count, 2);
    EXPECT_EQ(kept.failure, nullptr);
  }
}

TEST(LeasePool, WhyNoOtherCanBeMadeIsToldAndTriedAgain) {
  bool room = true;
  Pool pool(
      4,
      [&](int index) {
        if (!room) throw std::runtime_error("no memory");
        return std::make_unique<Item>(index);
      },
      kNone);
  pool.Acquire(Lane(0)).Keep();
  room = false;
  for (int i = 0; i < 2; ++i) {
    try {
      pool.Acquire(Lane(0));
      ADD_FAILURE() << "there was nothing to acquire";
    } catch (const AllKept& kept) {
      EXPECT_EQ(kept.count, 1);
      ASSERT_NE(kept.failure, nullptr);
      EXPECT_THROW(std::rethrow_exception(kept.failure), std::runtime_error);
    }
  }
  room = true;
  EXPECT_EQ(IndexFor(pool, Lane(0)), 1);
}

TEST(LeasePool, WhoWaitsIsToldWhenTheLastOneIsKept) {
  Pool pool = MakePool(1);
  Pool::Lease only = pool.Acquire(Lane(0));
  std::atomic<bool> thrown = false;
  std::thread other([&] {
    try {
      pool.Acquire(Lane(1));
    } catch (const AllKept&) {
      thrown = true;
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  only.Keep();
  other.join();
  EXPECT_TRUE(thrown);
}

TEST(LeasePool, AKeptItemComesBack) {
  Pool pool = MakePool(1);
  for (int i = 0; i < 3; ++i) {
    const Pool::Kept kept = pool.Acquire(Lane(0)).Keep();
    EXPECT_THROW(pool.Acquire(Lane(0)), AllKept);
    kept.Return();
    EXPECT_EQ(IndexFor(pool, Lane(1)), 0);
  }
}

TEST(LeasePool, WhoNeedsAKeptItemWaitsForItWithPatience) {
  Pool pool = MakePool(1, kMuch);
  const Pool::Kept kept = pool.Acquire(Lane(0)).Keep();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    kept.Return();
  });
  EXPECT_EQ(IndexFor(pool, Lane(0)), 0);
  other.join();
}

TEST(LeasePool, AKeptItemMayBeReturnedWhenThePoolIsGone) {
  std::unique_ptr<Pool> pool(new Pool(MakePool(1)));
  const Pool::Kept kept = pool->Acquire(Lane(0)).Keep();
  pool.reset();
  kept.Return();
}

TEST(LeasePool, ThreadsKeepAndReturnWhileOthersCall) {
  constexpr int kThreads = 4;
  Pool pool = MakePool(3, kMuch);
  std::atomic<int> uses = 0;
  const auto work = [&](int thread) {
    for (int i = 0; i < 500; ++i) {
      Pool::Lease lease = pool.Acquire(Lane(thread));
      ++lease->uses;
      ++uses;
      if (i % 4 != 0) {
        lease.Return(Lane(thread));
        continue;
      }
      std::thread([kept = lease.Keep()] { kept.Return(); }).join();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  int counted = 0;
  std::vector<Pool::Lease> all;
  for (int i = 0; i < pool.size(); ++i) all.push_back(pool.AcquireWhere([](const Item&) { return true; }));
  for (Pool::Lease& lease : all) {
    counted += lease->uses;
    lease.Return(nullptr);
  }
  EXPECT_EQ(counted, uses);
  EXPECT_EQ(uses, kThreads * 500);
}

TEST(LeasePool, AnItemThatIsWantedIsPreferred) {
  Pool pool = MakePool(3);
  {
    Pool::Lease a = pool.Acquire(Lane(0));
    Pool::Lease b = pool.Acquire(Lane(1));
    b->uses = 7;
    a.Return(Lane(0));
    b.Return(Lane(1));
  }
  Pool::Lease wanted = pool.AcquireWhere([](const Item& item) { return item.uses == 7; });
  EXPECT_EQ(wanted->index, 1);
  Pool::Lease any = pool.AcquireWhere([](const Item& item) { return item.uses == 7; });
  EXPECT_EQ(any->index, 0);
  Pool::Lease made = pool.AcquireWhere([](const Item&) { return true; });
  EXPECT_EQ(made->index, 2);
  for (Pool::Lease* lease : {&wanted, &any, &made}) lease->Return(nullptr);
}

// Some leases fail, so items come and go while others wait.
void Work(Pool& pool, int thread, int calls, std::atomic<int>& uses) {
  for (int i = 0; i < calls; ++i) {
    Pool::Lease lease = pool.Acquire(Lane(thread % 4));
    lease->finished = i % 3 == 0;
    ++lease->uses;
    ++uses;
    if ((i + thread) % 50 != 0) lease.Return(Lane(thread % 4));
  }
}

TEST(LeasePool, ManyThreadsNeverShareAnItem) {
  for (const int capacity : {1, 3, 8}) {
    Pool pool = MakePool(capacity);
    std::atomic<int> uses = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) threads.emplace_back([&, t] { Work(pool, t, 2000, uses); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(uses, 16000);
    EXPECT_LE(pool.size(), capacity);
  }
}

TEST(LeasePool, AThreadsHintsSurviveThePoolsThatTheyAreOf) {
  for (int i = 0; i < 100; ++i) {
    Pool pool = MakePool(2);
    Pool other = MakePool(2);
    EXPECT_EQ(IndexFor(pool, Lane(0)), 0);
    EXPECT_EQ(IndexFor(other, Lane(0)), 0);
  }
}

}  // namespace
}  // namespace nacelle::runtime
