#include "core/fork.h"

#include <gtest/gtest.h>

#include <future>
#include <shared_mutex>
#include <string>
#include <thread>

#include "tests/core/in_child.h"

namespace nacelle {
namespace {

using testing_support::InChild;

TEST(ForkGeneration, CountsForks) {
  const int here = ForkGeneration();
  const auto one_more = [&](int forks) { return ForkGeneration() == here + forks ? "" : "another number"; };
  EXPECT_EQ(InChild([&] { return std::string(one_more(1)) + InChild([&] { return one_more(2); }); }), "");
  EXPECT_EQ(ForkGeneration(), here);
}

// A thread that holds a lock until it is told to give it back.
template <typename Lock>
class Holder {
 public:
  explicit Holder(Lock& lock) {
    std::promise<void> held;
    thread_ = std::thread([this, &lock, &held] {
      lock.lock();
      held.set_value();
      give_back_.get_future().wait();
      lock.unlock();
    });
    held.get_future().wait();
  }
  ~Holder() {
    give_back_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> give_back_;
  std::thread thread_;
};

TEST(ForkableMutex, IsFreeInAChildWhoeverHeldIt) {
  ForkableMutex<> mutex;
  const Holder holder(mutex);
  const auto locks = [&] {
    mutex.lock();
    mutex.unlock();
    return "";
  };
  EXPECT_EQ(InChild(locks), "");
  EXPECT_EQ(InChild([&] { return InChild(locks); }), "");
}

TEST(ForkableMutex, IsFreeForReadersAndWriters) {
  ForkableMutex<std::shared_mutex> mutex;
  const Holder holder(mutex);
  EXPECT_EQ(InChild([&] {
              mutex.lock_shared();
              mutex.lock_shared();
              mutex.unlock_shared();
              mutex.unlock_shared();
              mutex.lock();
              mutex.unlock();
              return "";
            }),
            "");
}

TEST(ForkableMutex, IsAMutexInTheChildToo) {
  ForkableMutex<> mutex;
  EXPECT_EQ(InChild([&] {
              int count = 0;
              const auto add = [&] {
                for (int i = 0; i < 10000; ++i) {
                  const std::lock_guard lock(mutex);
                  ++count;
                }
              };
              std::thread other(add);
              add();
              other.join();
              return count == 20000 ? "" : "threads were inside at once";
            }),
            "");
}

}  // namespace
}  // namespace nacelle
