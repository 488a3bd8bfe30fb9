// TensorRT's own log: its level and its sink.
//
// TensorRT hands every message to a logger. Those that are severe enough for the level go to a sink. At the start the
// level is the word in the environment variable NACELLE_LOG, or "off", and the sink is standard error.
#ifndef NACELLE_CORE_TENSORRT_LOG_H_
#define NACELLE_CORE_TENSORRT_LOG_H_

#include <memory>
#include <string_view>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

// Receives log messages. Log may be called by any thread, TensorRT's own too, and by several at once; what it throws
// is dropped. `text` is valid during the call.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Log(Severity severity, const char* text) = 0;
};

// Sends the log of every library to `sink` from now on; null: to standard error. A call in progress may still finish on
// the sink before. Any thread.
void SetLogSink(std::shared_ptr<LogSink> sink);

// Sets the least severe messages that are sent: "verbose", "info", "warning", "error", or "off" for none. Any thread.
// Throws InputError for another word.
void SetLogLevel(std::string_view level);

// Returns the level as a word: a static string. Any thread.
const char* LogLevel();

// Sends a message to the sink if the level has it. Any thread. A message that the level lacks costs an atomic load.
void Log(Severity severity, const char* text) noexcept;

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_LOG_H_
