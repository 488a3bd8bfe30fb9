// The fork of a process. Its child has one thread, and the locks that other threads of the parent held stay held there.
//
//   const int made_in = ForkGeneration();
//   ...
//   if (made_in != ForkGeneration()) std::cout << "this process is a fork of the one that made it\n";
#ifndef NACELLE_CORE_FORK_H_
#define NACELLE_CORE_FORK_H_

#include <atomic>
#include <mutex>
#include <new>

namespace nacelle {

// Returns the number of forks between the process that first called it and this one: 0 there, 1 in its child, 2 in a
// child of that. Costs one load.
int ForkGeneration();

namespace fork_internal {
// Calls `renew(mutex)` if `generation` is not that of this process, and sets it. Any thread; once in each process.
void Renew(std::atomic<int>& generation, void* mutex, void (*renew)(void* mutex));
}  // namespace fork_internal

// A mutex that is free in a forked child, whichever thread of the parent held it. If a thread was changing the guarded
// values while another one forked, the child has them half changed; so it is for values that change seldom.
template <typename Mutex = std::mutex>
class ForkableMutex {
 public:
  ForkableMutex() = default;
  ForkableMutex(const ForkableMutex&) = delete;
  ForkableMutex& operator=(const ForkableMutex&) = delete;

  void lock() { Current().lock(); }
  void unlock() { mutex_.unlock(); }
  void lock_shared() { Current().lock_shared(); }
  void unlock_shared() { mutex_.unlock_shared(); }

 private:
  Mutex& Current() {
    if (generation_.load(std::memory_order_acquire) != ForkGeneration()) [[unlikely]] {
      // The former mutex may be locked, so it is not destroyed.
      fork_internal::Renew(generation_, &mutex_, [](void* mutex) { new (mutex) Mutex; });
    }
    return mutex_;
  }

  Mutex mutex_;
  std::atomic<int> generation_ = ForkGeneration();
};

}  // namespace nacelle

#endif  // NACELLE_CORE_FORK_H_
