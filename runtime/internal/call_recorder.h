// How a call's times are taken.
#ifndef NACELLE_RUNTIME_INTERNAL_CALL_RECORDER_H_
#define NACELLE_RUNTIME_INTERNAL_CALL_RECORDER_H_

#include <utility>

#include "core/tensorrt/callbacks.h"
#include "runtime/profile.h"

namespace nacelle::runtime {

// Records one call. For its thread.
class CallRecorder final : public tensorrt::LayerTimes {
 public:
  CallRecorder();

  void Report(const char* layer, float milliseconds) override { times_.layers.push_back({layer, milliseconds}); }

  // Ends the phase before, if there is one, and begins another; null begins none.
  void Begin(const char* phase);

  CallTimes Take() { return std::exchange(times_, {}); }

 private:
  CallTimes times_;
  bool open_ = false;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_CALL_RECORDER_H_
