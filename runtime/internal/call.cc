#include "runtime/internal/call.h"

#include "core/error.h"
#include "core/text.h"

namespace nacelle::runtime {

void ThrowExecutionError(const EngineFacts& engine, const std::string& problem,
                         const tensorrt::MessageScope& messages) {
  throw ExecutionError(
      Cat("engine ", Quote(engine.name), ": ", problem, messages.ErrorSuffix(engine.library->Describe())));
}

void Call::Fail(const std::string& problem) const { ThrowExecutionError(engine_, problem, messages_); }

void Call::ShowPhase(const char* name) {
  if (recorder_ != nullptr) recorder_->Begin(name);
  if (engine_.settings.nvtx) phase_.Next(name);
}

}  // namespace nacelle::runtime
