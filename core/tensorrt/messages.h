// What TensorRT says while it works, kept for the error that a caller is about to see.
//
// TensorRT reports a failure as false or null and writes the reason to its logger. A MessageScope keeps what the
// logger gets on this thread; the error that follows quotes it. log.h has what is shown to users.
#ifndef NACELLE_CORE_TENSORRT_MESSAGES_H_
#define NACELLE_CORE_TENSORRT_MESSAGES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "core/tensorrt/slot_tables.h"

namespace nacelle::tensorrt {

// Collects warnings and worse that TensorRT logs on the thread that made it, until it goes out of scope. Scopes nest;
// each one collects. Costs two pointer writes where nothing is logged. Not movable; used and destroyed by the thread
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

  // "[E] first; [W] second; and 3 more", or "" where there is none. F, E and W are severities: internal error, error,
  // warning. Messages come without their line ends, each once.
  std::string Text() const;

  // For the end of an error's message: " TensorRT 8.5.3.1 said: [E] …", or "" where nothing was said. `speaker` is
  // Library::Describe().
  std::string Said(const std::string& speaker) const;

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
