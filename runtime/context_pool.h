// The execution contexts of one engine, so that threads share the engine and still run at once.
#ifndef NACELLE_RUNTIME_CONTEXT_POOL_H_
#define NACELLE_RUNTIME_CONTEXT_POOL_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/context.h"

namespace nacelle::runtime {

// Contexts are made when they are needed and kept for the next call. Each belongs to one optimization profile.
// Acquire may be called from any number of threads at once.
class ContextPool {
 public:
  // At most this many contexts per profile; a call that finds all of them in use waits for one.
  static constexpr int kMaxPerProfile = 64;

  using Maker = std::function<std::unique_ptr<Context>(int profile)>;

  // `make` may be called from several threads at once.
  ContextPool(int profile_count, Maker make);

  // A context for the time of one call. Give it back with Return; one that is destroyed without that (the call
  // failed) takes its context with it, so that no later call meets a context in an unknown state.
  class Lease {
   public:
    Lease(ContextPool& pool, int profile, std::unique_ptr<Context> context)
        : pool_(pool), profile_(profile), context_(std::move(context)) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

    Context& operator*() { return *context_; }
    Context* operator->() { return context_.get(); }
    void Return();

   private:
    ContextPool& pool_;
    const int profile_;
    std::unique_ptr<Context> context_;
  };

  // Throws what the maker throws where there is no context at all; where some exist, waits for one of them instead
  // (a release may not allow more: TensorRT 8.5 binds a profile to one context).
  Lease Acquire(int profile);

  // Contexts that exist now, of all profiles.
  int size();

 private:
  struct Shelf {
    std::mutex mutex;
    std::condition_variable returned;
    std::vector<std::unique_ptr<Context>> idle;  // the last one returned is the next one taken: its caches are warm
    int made = 0;                                // idle ones and those in use
    bool full = false;                           // the maker failed with others alive: make no more
  };

  std::unique_ptr<Context> Make(Shelf& shelf, int profile);

  const Maker make_;
  std::vector<std::unique_ptr<Shelf>> shelves_;  // by profile
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_CONTEXT_POOL_H_
