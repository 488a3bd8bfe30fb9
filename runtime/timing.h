// The times of an engine's calls, part by part.
//
//   const std::shared_ptr<Timing> timing = engine->StartTiming();
//   module.forward(inputs);
//   engine->StopTiming();
//   for (const CallTimes& call : timing->Calls()) std::cout << call.phases.size() << " phases\n";
#ifndef NACELLE_RUNTIME_TIMING_H_
#define NACELLE_RUNTIME_TIMING_H_

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace nacelle::runtime {

// The times of one call of an engine.
struct CallTimes {
  // A part of the call's work on the host. Times are nanoseconds of std::chrono::steady_clock.
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

  uint64_t thread = 0;  // identifies the calling thread: equal numbers mean the same thread
  std::vector<Phase> phases;
  std::vector<Layer> layers;  // in the order in which TensorRT reports them
};

// The calls of an engine while it is timed. Any thread.
class Timing {
 public:
  void Add(CallTimes times) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(times));
  }

  // Returns the calls so far, in the order of their ends.
  std::vector<CallTimes> Calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<CallTimes> calls_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_TIMING_H_
