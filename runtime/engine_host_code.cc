#include "runtime/engine_host_code.h"

#include <atomic>

namespace nacelle::runtime {
namespace {

std::atomic<bool> host_code_allowed = false;

}  // namespace

void AllowEngineHostCode(bool allowed) { host_code_allowed = allowed; }
bool EngineHostCodeAllowed() { return host_code_allowed; }

}  // namespace nacelle::runtime
