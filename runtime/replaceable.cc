#include "runtime/replaceable.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/fork.h"

namespace nacelle::runtime {
namespace {

bool Membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; }

// Executes a fence in every thread of the process. False if the system cannot. Not used under ThreadSanitizer.
[[maybe_unused]] bool FenceAllThreads() {
  if (Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return true;
  // A child of fork may have to register anew.
  return Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

struct Registry {
  ForkableMutex<> mutex;
  std::vector<ThreadUses*> all;
  std::vector<ThreadUses*> free;  // those of threads that ended
  bool tried = false;             // true once uses_fence_ is known
};

Registry& TheRegistry() {
  static auto* const registry = new Registry;
  return *registry;
}

// Gives a thread's ThreadUses back when the thread ends.
struct GiveBack {
  ThreadUses* uses = nullptr;
  ThreadUses** place = nullptr;
  ~GiveBack() {
    if (uses == nullptr || uses->depth != 0) return;
    *place = nullptr;
    Registry& registry = TheRegistry();
    const std::lock_guard lock(registry.mutex);
    registry.free.push_back(uses);
  }
};

// Returns the time of the oldest use that is under way.
uint64_t OldestUse() {
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  for (const ThreadUses* uses : registry.all) {
    const uint64_t since = uses->since.load(std::memory_order_seq_cst);
    if (since != 0) oldest = std::min(oldest, since);
  }
  return oldest;
}

}  // namespace

std::atomic<uint64_t> ReplaceableBase::now_ = 1;
bool ReplaceableBase::uses_fence_ = false;

ThreadUses* ReplaceableBase::Register() {
  static thread_local GiveBack give_back;
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  if (!registry.tried) {
    uses_fence_ = !Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    registry.tried = true;
  }
  if (registry.free.empty()) {
    registry.all.push_back(new ThreadUses);
    registry.free.push_back(registry.all.back());
  }
  ThreadUses* const uses = registry.free.back();
  registry.free.pop_back();
  give_back.uses = uses;
  give_back.place = &thread_uses_;
  return uses;
}

ReplaceableBase::~ReplaceableBase() = default;

void ReplaceableBase::Replace(std::shared_ptr<void> value) {
  {
    const std::lock_guard lock(mutex_);
    current_.store(value.get(), std::memory_order_seq_cst);
    if (owner_ == nullptr) {
      owner_ = std::move(value);
      return;
    }
    former_.push_back({std::exchange(owner_, std::move(value)), std::numeric_limits<uint64_t>::max()});
    has_former_.store(true, std::memory_order_seq_cst);
#ifndef __SANITIZE_THREAD__
    // Without a fence the uses of the former value are not known; it stays until this object is destroyed.
    if (!uses_fence_ && !FenceAllThreads()) return;
#endif
    former_.back().until = now_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  DestroyFormer();
}

void ReplaceableBase::Abandon() {
  new (&mutex_) std::mutex;  // a thread that is gone may hold the former one
  current_.store(nullptr, std::memory_order_seq_cst);
  has_former_.store(false, std::memory_order_seq_cst);
  new auto(std::move(owner_));  // never destroyed
  new auto(std::move(former_));
  owner_.reset();
  former_.clear();
}

void ReplaceableBase::DestroyFormer() {
  std::list<Former> gone;  // destroyed after the lock
  const std::lock_guard lock(mutex_);
  const uint64_t oldest = OldestUse();
  for (auto former = former_.begin(); former != former_.end();) {
    const auto next = std::next(former);
    if (former->until <= oldest) gone.splice(gone.end(), former_, former);
    former = next;
  }
  has_former_.store(!former_.empty(), std::memory_order_seq_cst);
}

}  // namespace nacelle::runtime
