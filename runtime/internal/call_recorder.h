// Takes the times of one call.
#ifndef NACELLE_RUNTIME_INTERNAL_CALL_RECORDER_H_
#define NACELLE_RUNTIME_INTERNAL_CALL_RECORDER_H_

#include <utility>
#include <vector>

#include "runtime/timing.h"

namespace nacelle::runtime {

// Records the phases and layers of one call. Used by that call's thread alone.
class CallRecorder {
 public:
  CallRecorder();

  // Ends the open phase, if there is one, and begins another; null begins none.
  void Begin(const char* phase);

  void SetLayers(std::vector<CallTimes::Layer> layers) { times_.layers = std::move(layers); }

  CallTimes Take() { return std::exchange(times_, {}); }

 private:
  CallTimes times_;
  bool open_ = false;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CALL_RECORDER_H_
