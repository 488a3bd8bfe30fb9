// A value that can be replaced while calls use it.
//
// Made for engines, but does not depend on them: tests run it under ThreadSanitizer without torch.
#ifndef NACELLE_RUNTIME_REPLACEABLE_H_
#define NACELLE_RUNTIME_REPLACEABLE_H_

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/export.h"

namespace nacelle::runtime {

// The uses of replaceable values by one thread, which alone writes it. On a cache line of its own.
struct alignas(64) ThreadUses {
  std::atomic<uint64_t> since = 0;  // the time when the thread's outermost use began; 0: it uses none
  int depth = 0;                    // uses inside one another
};

// Holds the value of a Replaceable. A use costs a few plain instructions: no lock, no counter that threads share.
//
//   Use:      note the time in the thread's ThreadUses │ read the value │ … │ note the end of the use
//   Replace:  put the new value │ fence in all threads │ advance the time │ find the threads that began before that
//
// The writer pays for the fence (membarrier): a thread has either noted its use before the fence, and the writer sees
// that, or it reads the new value. If the system lacks membarrier, each use has a fence of its own.
class NACELLE_API ReplaceableBase {
 public:
  ReplaceableBase() = default;
  ~ReplaceableBase();
  ReplaceableBase(const ReplaceableBase&) = delete;
  ReplaceableBase& operator=(const ReplaceableBase&) = delete;

 protected:
  // A former value, and the time from which uses have a later one.
  struct Former {
    std::shared_ptr<void> value;
    uint64_t until;
  };

  void Replace(std::shared_ptr<void> value);

  // Gives up the value and those before it, and destroys none of them. For the thread of a forked child, before it has
  // others: values may hold what does not work there, and threads that are gone may have been using them.
  void Abandon();

  void* Begin(ThreadUses*& uses) const {
    uses = OfThisThread();
    if (uses->depth++ == 0) Note(*uses, now_.load(std::memory_order_acquire));
    return current_.load(std::memory_order_seq_cst);
  }
  void End(ThreadUses& uses) {
    if (--uses.depth == 0) Note(uses, 0);
    if (has_former_.load(std::memory_order_seq_cst)) [[unlikely]]
      DestroyFormer();
  }
  void* current() const { return current_.load(std::memory_order_acquire); }

 private:
  static ThreadUses* OfThisThread() {
    if (thread_uses_ == nullptr) [[unlikely]]
      thread_uses_ = Register();
    return thread_uses_;
  }
  static ThreadUses* Register();

  static void Note(ThreadUses& uses, uint64_t since) {
#ifdef __SANITIZE_THREAD__
    uses.since.store(since, std::memory_order_seq_cst);  // ThreadSanitizer does not know membarrier
#else
    if (uses_fence_) [[unlikely]] {
      uses.since.store(since, std::memory_order_seq_cst);
    } else {
      uses.since.store(since, std::memory_order_release);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
#endif
  }

  void DestroyFormer();

  static constinit inline thread_local ThreadUses* thread_uses_ = nullptr;
  static std::atomic<uint64_t> now_;
  static bool uses_fence_;  // set when the first thread is registered

  std::atomic<void*> current_ = nullptr;
  std::atomic<bool> has_former_ = false;
  std::mutex mutex_;
  std::shared_ptr<void> owner_;  // of current_
  std::list<Former> former_;
};

template <typename T>
class Replaceable : private ReplaceableBase {
 public:
  // Keeps the value alive, even if it is replaced meanwhile. Lives on the stack of one thread.
  //
  //   const auto engine = replaceable.use();
  //   engine->Run();
  class Use {
   public:
    explicit Use(Replaceable& of) : of_(of), value_(static_cast<T*>(of.Begin(uses_))) {}
    ~Use() { of_.End(*uses_); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    T& operator*() const { return *value_; }
    T* operator->() const { return value_; }
    operator T&() const { return *value_; }  // for a call that takes the value and does not keep it

   private:
    Replaceable& of_;
    ThreadUses* uses_;
    T* const value_;
  };

  // True once there is a value, and from then on, unless a forked child abandons it.
  bool has_value() const { return current() != nullptr; }

  Use use() { return Use(*this); }

  // Replaces the former value, which is destroyed when no use of it is left: here, or by the thread whose use ends
  // last. Any thread. Former values are destroyed without a lock.
  void Replace(std::unique_ptr<T> value) { ReplaceableBase::Replace(std::shared_ptr<T>(std::move(value))); }

  using ReplaceableBase::Abandon;

  // Returns the value, for threads that do not run at the same time as Replace.
  T* get() const { return static_cast<T*>(current()); }
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_REPLACEABLE_H_
