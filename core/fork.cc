#include "core/fork.h"

#include <pthread.h>

namespace nacelle {
namespace {

std::atomic<int> generation = 0;
constinit std::mutex renewing;

// Runs in each forked child, before fork returns there.
void BeginChild() {
  new (&renewing) std::mutex;  // a thread that is gone may hold the former one
  generation.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

int ForkGeneration() {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, &BeginChild);
  return generation.load(std::memory_order_relaxed);
}

namespace fork_internal {

void Renew(std::atomic<int>& of_mutex, void* mutex, void (*renew)(void* mutex)) {
  const std::lock_guard lock(renewing);
  const int current = ForkGeneration();
  if (of_mutex.load(std::memory_order_relaxed) == current) return;
  renew(mutex);
  of_mutex.store(current, std::memory_order_release);
}

}  // namespace fork_internal
}  // namespace nacelle
