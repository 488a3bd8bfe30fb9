// A fixed-capacity pool of reusable items, each leased to one call at a time.
//
// Made for execution contexts, but does not depend on them: tests run it under ThreadSanitizer without torch.
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

// Thrown by Acquire when it would wait for ever: every item is kept, and none came back in time.
struct AllKept {
  int count;
  std::exception_ptr failure;  // the reason that no other could be made; null if the pool is full
};

// Makes items when they are needed and keeps them for later calls. Each was last used on a lane (a stream; null on the
// CPU). A call gets the first of these that there is: the idle item of its own lane, an item that has finished its
// work, a new item, an item that still works on another lane (the caller then waits for that work on its stream).
//
// Item has `bool Finished()`: true if all its work is done. Only the thread that holds the item calls it.
//
// Any number of threads may call Acquire at once. If a thread finds the item that it had the last time, that costs one
// compare-and-swap on a cache line that no other thread writes.
template <typename Item>
class LeasePool {
 public:
  // Makes the item of place `index`, 0 to capacity - 1. Several threads may call it at once, for different places.
  using Maker = std::function<std::unique_ptr<Item>(int index)>;

 private:
  enum class State : uint8_t { kEmpty, kIdle, kTaken };

  // Has a cache line of its own, so that threads with an item each do not slow one another down.
  struct alignas(64) Place {
    std::atomic<State> state = State::kEmpty;
    std::atomic<const void*> lane = nullptr;
    std::unique_ptr<Item> item;  // used only by the thread that has taken the place
  };

  // The address that kept items return to. Outlives the pool if some are still kept.
  struct Home {
    explicit Home(LeasePool* pool) : pool(pool) {}
    std::mutex mutex;
    LeasePool* pool;  // null once the pool is destroyed, with its items
  };

 public:
  // `patience`: the time for which a call waits if every item is kept, since one may be about to return.
  LeasePool(int capacity, Maker make, std::chrono::milliseconds patience = std::chrono::milliseconds(200))
      : make_(std::move(make)),
        capacity_(capacity),
        patience_(patience),
        places_(std::make_unique<Place[]>(capacity)) {}

  ~LeasePool() {
    const std::lock_guard lock(home_->mutex);
    home_->pool = nullptr;
  }

  // An item that no call gets before it is returned. It lives no longer than the pool.
  class Kept {
   public:
    Kept(std::shared_ptr<Home> home, Place& place) : home_(std::move(home)), place_(&place) {}

    // Called at most once for all copies, by any thread, also after the pool is destroyed.
    void Return() const {
      const std::lock_guard lock(home_->mutex);
      if (home_->pool != nullptr) home_->pool->TakeBack(*place_);
    }

   private:
    std::shared_ptr<Home> home_;
    Place* place_;
  };

  // An item for one call. Give it back with Return. A lease that is destroyed without that (the call failed) destroys
  // its item, so that no later call gets one in an unknown state.
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

    // `lane`: the lane that the item worked on.
    void Return(const void* lane) {
      place_->lane.store(lane, std::memory_order_relaxed);
      pool_->PutBack(*std::exchange(place_, nullptr));
    }

    // Keeps the item for longer than the call.
    Kept Keep() {
      pool_->NoteKept();
      return {pool_->home_, *std::exchange(place_, nullptr)};
    }

   private:
    LeasePool* pool_;
    Place* place_;
  };

  // Leases an item for work on `lane`. If none can be made, waits for one; throws the maker's error if there is none to
  // wait for, and AllKept if none of them will come back.
  Lease Acquire(const void* lane) {
    Hint& hint = HintOf(id_);
    if (hint.pool == id_ && OnLane(places_[hint.place], lane) && TryTake(places_[hint.place])) {
      return {*this, places_[hint.place]};
    }
    Place& place = Search(lane);
    hint = {id_, static_cast<int>(&place - places_.get())};
    return {*this, place};
  }

  // Leases an idle item for which `wanted` is true, else any idle one, else a new one. `wanted` gets an item that this
  // thread holds.
  template <typename Wanted>
  Lease AcquireWhere(const Wanted& wanted) {
    for (;;) {
      if (Place* place = TakeIdle([&](Place& candidate) { return wanted(*candidate.item); })) return {*this, *place};
      if (Place* place = TakeIdle([](Place&) { return true; })) return {*this, *place};
      if (Place* place = Make()) return {*this, *place};
      Wait();
    }
  }

  // Number of items that exist now.
  int size() const {
    const std::lock_guard lock(mutex_);
    return made_;
  }

 private:
  // The place of the last item that a thread had from a pool.
  struct Hint {
    uint64_t pool = 0;
    int place = 0;
  };

  static Hint& HintOf(uint64_t pool) {
    static thread_local std::array<Hint, 16> hints;
    return hints[pool % hints.size()];
  }

  // Not an address: a new pool may get the address of a destroyed one.
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

  // Takes each idle place in turn until `wanted` returns true for one. Throws what `wanted` throws; the place is idle
  // then.
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

  // Makes an item. Null if none can be made, and others exist, or existed meanwhile, that can be waited for.
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
      // An item that existed a moment ago may have been the reason.
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

  // Blocks until an item is returned or room is freed.
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
