// TensorRT's messages during a call, kept for the error that the caller is about to see.
//
// TensorRT reports a failure as false or null and writes the reason to its logger. A MessageScope keeps the messages
// that the logger gets on this thread, and the error that follows quotes them. log.h shows TensorRT's log to users.
//
//   const MessageScope messages;
//   if (!context.Enqueue(stream)) throw ExecutionError(Cat("enqueueV3 failed",
//   messages.ErrorSuffix("TensorRT 10.15.1.29")));
#ifndef NACELLE_CORE_TENSORRT_MESSAGES_H_
#define NACELLE_CORE_TENSORRT_MESSAGES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

// Collects warnings and worse that TensorRT logs on the thread that made it, until it goes out of scope. Scopes nest;
// each one collects. Costs two pointer writes if nothing is logged. Not movable; used and destroyed by the thread
// that made it.
class MessageScope {
 public:
  static constexpr size_t kMaxMessages = 16;        // the first ones are kept: the first error is usually the cause
  static constexpr size_t kMaxMessageBytes = 2000;  // longer ones are cut

  MessageScope();
  ~MessageScope();
  MessageScope(const MessageScope&) = delete;
  MessageScope& operator=(const MessageScope&) = delete;

  bool empty() const { return messages_.empty(); }

  // Returns the messages, each once and without line ends: "[E] first; [W] second; and 3 more", or "" if there is none.
  // F, E and W are severities: internal error, error, warning.
  std::string Text() const;

  // Returns the end of an error's message: "; TensorRT 8.5.3.1 said: [E] …", or "" if there is none. `speaker` is
  // Library::Describe().
  std::string ErrorSuffix(const std::string& speaker) const;

 private:
  friend void RecordMessage(Severity severity, const char* text) noexcept;

  struct Message {
    Severity severity;
    std::string text;
  };

  void Add(Severity severity, const char* text);

  MessageScope* outer_;
  std::vector<Message> messages_;
  size_t dropped_ = 0;
};

// Takes one message of TensorRT: to the log (log.h), and, from warnings on, to the scopes of this thread. Called by the
// binding's loggers. Any thread.
void RecordMessage(Severity severity, const char* text) noexcept;

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_MESSAGES_H_
