// A context without torch, compiled instead of runtime/context.h (its guard says so): the pool knows of a context only
// how to destroy it, and without torch ThreadSanitizer sees all that happens.
#ifndef NACELLE_TESTS_RUNTIME_CONTEXT_POOL_CONTEXT_H_
#define NACELLE_TESTS_RUNTIME_CONTEXT_POOL_CONTEXT_H_

#define NACELLE_RUNTIME_CONTEXT_H_

#include <atomic>

namespace nacelle::runtime {

class Context {
 public:
  explicit Context(std::atomic<int>& alive) : alive_(alive) { ++alive_; }
  ~Context() { --alive_; }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int calls = 0;  // not atomic: only one thread at a time may have the context

 private:
  std::atomic<int>& alive_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_TESTS_RUNTIME_CONTEXT_POOL_CONTEXT_H_
