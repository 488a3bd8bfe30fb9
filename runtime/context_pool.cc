#include "runtime/context_pool.h"

#include <utility>

#include "core/error.h"

namespace nacelle::runtime {

ContextPool::ContextPool(int profile_count, Maker make) : make_(std::move(make)) {
  for (int i = 0; i < profile_count; ++i) shelves_.push_back(std::make_unique<Shelf>());
}

ContextPool::Lease ContextPool::Acquire(int profile) {
  Shelf& shelf = *shelves_[profile];
  std::unique_lock lock(shelf.mutex);
  for (;;) {
    if (!shelf.idle.empty()) {
      std::unique_ptr<Context> context = std::move(shelf.idle.back());
      shelf.idle.pop_back();
      return {*this, profile, std::move(context)};
    }
    if (shelf.made == 0 || (shelf.made < kMaxPerProfile && !shelf.full)) {
      ++shelf.made;
      lock.unlock();
      if (std::unique_ptr<Context> context = Make(shelf, profile)) return {*this, profile, std::move(context)};
      lock.lock();
      continue;
    }
    shelf.returned.wait(lock);
  }
}

// Null where no more can be made and others exist that can be waited for.
std::unique_ptr<Context> ContextPool::Make(Shelf& shelf, int profile) {
  try {
    return make_(profile);
  } catch (...) {
    const std::lock_guard lock(shelf.mutex);
    --shelf.made;
    // Others may wait for a context that will not come; one of them has to try and get the error itself.
    shelf.returned.notify_all();
    if (shelf.made == 0) throw;
    shelf.full = true;
    return nullptr;
  }
}

void ContextPool::Lease::Return() {
  Shelf& shelf = *pool_.shelves_[profile_];
  {
    const std::lock_guard lock(shelf.mutex);
    shelf.idle.push_back(std::move(context_));
  }
  shelf.returned.notify_one();
}

ContextPool::Lease::~Lease() {
  if (context_ == nullptr) return;
  context_.reset();
  Shelf& shelf = *pool_.shelves_[profile_];
  {
    const std::lock_guard lock(shelf.mutex);
    --shelf.made;
    shelf.full = false;
  }
  shelf.returned.notify_one();
}

int ContextPool::size() {
  int size = 0;
  for (const auto& shelf : shelves_) {
    const std::lock_guard lock(shelf->mutex);
    size += shelf->made;
  }
  return size;
}

}  // namespace nacelle::runtime
