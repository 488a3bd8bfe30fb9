// Where the time of an engine's calls goes.
#ifndef NACELLE_RUNTIME_PROFILE_H_
#define NACELLE_RUNTIME_PROFILE_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace nacelle::runtime {

// One call of an engine.
struct CallTimes {
  // A part of the call's work on the host; times are nanoseconds of std::chrono::steady_clock.
  struct Phase {
    const char* name;
    int64_t start;
    int64_t end;
  };

  // A layer of the engine, as TensorRT measures it on the device.
  struct Layer {
    std::string name;
    float milliseconds;
  };

  uint64_t thread = 0;  // which thread called; the same number means the same thread
  std::vector<Phase> phases;
  std::vector<Layer> layers;  // in the order in which TensorRT reports them
};

// The calls of an engine while it is profiled. Any thread.
class Profile {
 public:
  void Add(CallTimes times) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(times));
  }

  // The calls so far, in the order of their ends.
  std::vector<CallTimes> Calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<CallTimes> calls_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_PROFILE_H_
