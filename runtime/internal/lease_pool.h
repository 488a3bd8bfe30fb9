// A bounded set of things of which each is used by one call at a time.
//
// Made for execution contexts, and knows nothing of them: tests run it under ThreadSanitizer without torch.
#ifndef NACELLE_RUNTIME_INTERNAL_LEASE_POOL_H_
#define NACELLE_RUNTIME_INTERNAL_LEASE_POOL_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace nacelle::runtime {

// What Acquire throws where it would wait for ever: every item is kept, and none came back in time.
struct AllKept {
  int count;
  std::exception_ptr failure;  // why no other could be made; null: there is no room for more
};

// Items are made when they are needed and kept for the next call. Each was last used on a lane (a stream; null on the
// CPU): a call gets the item of its own lane where that is idle, else one that has finished its work, else a new one,
// and only where no more can be made one that still works on another lane; the caller then orders itself after it.
//
// Item has `bool Finished()`: whether nothing it was given is under way. Called by the thread that holds the item.
//
// Acquire may be called by any number of threads at once. Where a thread finds the item that it had the last time, that
// costs one compare-and-swap on a cache line that nobody else writes.
template <typename Item>
class LeasePool {
 public:
  // Makes the item of place `index`, 0 to capacity - 1. Called by several threads at once, for different places.
  using Maker = std::function<std::unique_ptr<Item>(int index)>;

 private:
  enum class State : uint8_t { kEmpty, kIdle, kTaken };

  // On a cache line of its own, so that threads with an item each do not disturb one another.
  struct alignas(64) Place {
    std::atomic<State> state = State::kEmpty;
    std::atomic<const void*> lane = nullptr;
    std::unique_ptr<Item> item;  // touched by whoever has the place taken
  };

  // Where kept items come back to. Outlives the pool where some have not.
  struct Home {
    explicit Home(LeasePool* pool) : pool(pool) {}
    std::mutex mutex;
    LeasePool* pool;  // null: gone, with its items
  };

 public:
  // `patience`: for how long a call waits where every item is kept, since one may be on its way back.
  LeasePool(int capacity, Maker make, std::chrono::milliseconds patience = std::chrono::milliseconds(200))
      : make_(std::move(make)),
        capacity_(capacity),
        patience_(patience),
        places_(std::make_unique<Place[]>(capacity)) {}

  ~LeasePool() {
    const std::lock_guard lock(home_->mutex);
    home_->pool = nullptr;
  }

  // An item that nobody else gets before it is returned. It lives as long as the pool at most.
  class Kept {
   public:
    Kept(std::shared_ptr<Home> home, Place& place) : home_(std::move(home)), place_(&place) {}

    // At most once for all copies, in any thread, also when the pool is gone.
    void Return() const {
      const std::lock_guard lock(home_->mutex);
      if (home_->pool != nullptr) home_->pool->TakeBack(*place_);
    }

   private:
    std::shared_ptr<Home> home_;
    Place* place_;
  };

  // An item for the time of one call. Give it back with Return. A lease that is destroyed without that (the call
  // failed) destroys its item, so that no later call meets one in an unknown state.
  class Lease {
   public:
    Lease(LeasePool& pool, Place& place) : pool_(&pool), place_(&place) {}
    Lease(Lease&& other) noexcept : pool_(other.pool_), place_(std::exchange(other.place_, nullptr)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (place_ != nullptr) pool_->Discard(*place_);
    }

    Item& operator*() const { return *place_->item; }
    Item* operator->() const { return place_->item.get(); }

    // `lane`: where the item worked.
    void Return(const void* lane) {
      place_->lane.store(lane, std::memory_order_relaxed);
      pool_->PutBack(*std::exchange(place_, nullptr));
    }

    // For longer than the call.
    Kept Keep() {
      pool_->NoteKept();
      return {pool_->home_, *std::exchange(place_, nullptr)};
    }

   private:
    LeasePool* pool_;
    Place* place_;
  };

  // Throws what the maker throws where there is no item at all; where some exist, waits for one of them instead. Throws
  // AllKept where none of them will come back.
  Lease Acquire(const void* lane) {
    Hint& hint = HintOf(id_);
    if (hint.pool == id_ && OnLane(places_[hint.place], lane) && TryTake(places_[hint.place])) {
      return {*this, places_[hint.place]};
    }
    Place& place = Search(lane);
    hint = {id_, static_cast<int>(&place - places_.get())};
    return {*this, place};
  }

  // An idle item for which `wanted` is true, else any, else a new one. `wanted` gets an item that this thread holds.
  template <typename Wanted>
  Lease AcquireWhere(const Wanted& wanted) {
    for (;;) {
      if (Place* place = TakeIdle([&](Place& candidate) { return wanted(*candidate.item); })) return {*this, *place};
      if (Place* place = TakeIdle([](Place&) { return true; })) return {*this, *place};
      if (Place* place = Make()) return {*this, *place};
      Wait();
    }
  }

  // Items that exist now.
  int size() const {
    const std::lock_guard lock(mutex_);
    return made_;
  }

 private:
  // Where a thread found an item of a pool the last time.
  struct Hint {
    uint64_t pool = 0;
    int place = 0;
  };

  static Hint& HintOf(uint64_t pool) {
    static thread_local std::array<Hint, 16> hints;
    return hints[pool % hints.size()];
  }

  // Not an address: a new pool may get that of one that is gone.
  static uint64_t NextId() {
    static std::atomic<uint64_t> last = 0;
    return ++last;
  }

  static bool OnLane(const Place& place, const void* lane) {
    return place.lane.load(std::memory_order_relaxed) == lane;
  }

  static bool TryTake(Place& place) {
    State idle = State::kIdle;
    return place.state.load(std::memory_order_relaxed) == State::kIdle &&
           place.state.compare_exchange_strong(idle, State::kTaken, std::memory_order_acquire,
                                               std::memory_order_relaxed);
  }

  // Takes each idle place in turn until `wanted` says yes to one. Throws what `wanted` throws; the place is idle then.
  template <typename Wanted>
  Place* TakeIdle(const Wanted& wanted) {
    const int used = used_.load(std::memory_order_acquire);
    for (int i = 0; i < used; ++i) {
      if (!TryTake(places_[i])) continue;
      try {
        if (wanted(places_[i])) return &places_[i];
      } catch (...) {
        PutBack(places_[i]);
        throw;
      }
      PutBack(places_[i]);
    }
    return nullptr;
  }

  Place& Search(const void* lane) {
    for (;;) {
      const int used = used_.load(std::memory_order_acquire);
      for (int i = 0; i < used; ++i) {
        if (OnLane(places_[i], lane) && TryTake(places_[i])) return places_[i];
      }
      if (Place* place = TakeIdle([](Place& candidate) { return candidate.item->Finished(); })) return *place;
      if (Place* place = Make()) return *place;
      if (Place* place = TakeIdle([](Place&) { return true; })) return *place;
      Wait();
    }
  }

  // Null where no more can be made and others exist, or existed meanwhile, that can be waited for.
  Place* Make() {
    const Reservation reserved = Reserve();
    Place* const place = reserved.place;
    if (place == nullptr) return nullptr;
    try {
      place->item = make_(static_cast<int>(place - places_.get()));
      return place;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      place->state.store(State::kEmpty, std::memory_order_relaxed);
      --made_;
      full_ = made_ > 0;
      failure_ = std::current_exception();
      // Others may wait for an item that will not come; one of them has to try and get the error itself.
      returned_.notify_all();
      // An item that was there a moment ago may have been the reason.
      if (reserved.alone && reservations_ == reserved.number) throw;
      return nullptr;
    }
  }

  struct Reservation {
    Place* place = nullptr;
    bool alone = false;  // there was no other item
    uint64_t number = 0;
  };

  Reservation Reserve() {
    const std::lock_guard lock(mutex_);
    if (full_ || made_ == capacity_) return {};
    int index = 0;
    while (places_[index].state.load(std::memory_order_relaxed) != State::kEmpty) ++index;
    places_[index].state.store(State::kTaken, std::memory_order_relaxed);
    if (index >= used_.load(std::memory_order_relaxed)) used_.store(index + 1, std::memory_order_release);
    return {&places_[index], made_++ == 0, ++reservations_};
  }

  void PutBack(Place& place) {
    // Sequentially consistent, as in Wait: either this thread sees the waiter or the waiter sees the place.
    place.state.store(State::kIdle);
    if (waiting_.load() == 0) return;
    const std::lock_guard lock(mutex_);
    returned_.notify_one();
  }

  void Discard(Place& place) {
    place.item.reset();
    const std::lock_guard lock(mutex_);
    place.state.store(State::kEmpty, std::memory_order_relaxed);
    --made_;
    full_ = false;
    returned_.notify_one();
  }

  void NoteKept() {
    const std::lock_guard lock(mutex_);
    ++kept_;
    returned_.notify_all();
  }

  void TakeBack(Place& place) {
    {
      const std::lock_guard lock(mutex_);
      --kept_;
    }
    PutBack(place);
  }

  // Until something may have changed.
  void Wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    const auto changed = [this] { return AnyIdle() || (!full_ && made_ < capacity_); };
    returned_.wait(lock, [&] { return changed() || kept_ == made_; });
    const bool found = returned_.wait_for(lock, patience_, changed);
    --waiting_;
    if (found || kept_ != made_) return;
    // The next call tries to make one more: the reason may be gone by then.
    full_ = false;
    throw AllKept{kept_, std::exchange(failure_, nullptr)};
  }

  bool AnyIdle() const {
    const int used = used_.load(std::memory_order_acquire);
    for (int i = 0; i < used; ++i) {
      if (places_[i].state.load() == State::kIdle) return true;
    }
    return false;
  }

  const uint64_t id_ = NextId();
  const std::shared_ptr<Home> home_ = std::make_shared<Home>(this);
  const Maker make_;
  const int capacity_;
  const std::chrono::milliseconds patience_;
  const std::unique_ptr<Place[]> places_;
  std::atomic<int> used_ = 0;  // places from here on have never been used
  std::atomic<int> waiting_ = 0;
  mutable std::mutex mutex_;  // guards what follows, and places that become or cease to be empty
  std::condition_variable returned_;
  uint64_t reservations_ = 0;
  int made_ = 0;                // items that exist or are being made
  int kept_ = 0;                // of these, those that are kept
  bool full_ = false;           // the maker failed with others alive: make no more
  std::exception_ptr failure_;  // what it threw the last time
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_LEASE_POOL_H_
