#include "runtime/internal/call_recorder.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

namespace nacelle::runtime {
namespace {

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

CallRecorder::CallRecorder() { times_.thread = std::hash<std::thread::id>()(std::this_thread::get_id()); }

void CallRecorder::Begin(const char* phase) {
  const int64_t now = Now();
  if (open_) times_.phases.back().end = now;
  open_ = phase != nullptr;
  if (open_) times_.phases.push_back({phase, now, now});
}

}  // namespace nacelle::runtime
