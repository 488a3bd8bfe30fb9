// TensorRT's own log.
//
//   nacelle::runtime::SetLogLevel("info");
//   nacelle::runtime::SetLogFunction([](nacelle::runtime::LogSeverity severity, const char* text) { … });
//
// At the start the level is the word in the environment variable NACELLE_LOG, or "off", and messages go to standard
// error.
#ifndef NACELLE_RUNTIME_LOG_H_
#define NACELLE_RUNTIME_LOG_H_

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/export.h"

namespace nacelle::runtime {

enum class LogSeverity : uint8_t { kError, kWarning, kInfo, kVerbose };

// Called by any thread, TensorRT's own too, by several at once, and while TensorRT and the runtime hold locks: it must
// not wait for another thread. What it throws is dropped. `text` is valid during the call.
using LogFunction = std::function<void(LogSeverity severity, const char* text)>;

// Sends the log of every library to `function` from now on; null: to standard error. A call in progress may still
// finish on the function before. Any thread.
NACELLE_API void SetLogFunction(LogFunction function);

// Sets the least severe messages that are sent: "verbose", "info", "warning", "error", or "off" for none. Any thread.
// Throws InputError for another word.
NACELLE_API void SetLogLevel(const std::string& level);

// The level as a word. Any thread.
NACELLE_API std::string LogLevel();

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_LOG_H_
