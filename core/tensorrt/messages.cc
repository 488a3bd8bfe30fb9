#include "core/tensorrt/messages.h"

#include <algorithm>
#include <cstring>

#include "core/tensorrt/log.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

// The scopes of this thread, innermost first.
thread_local MessageScope* innermost = nullptr;

char Letter(Severity severity) {
  switch (severity) {
    case Severity::kINTERNAL_ERROR:
      return 'F';
    case Severity::kERROR:
      return 'E';
    case Severity::kWARNING:
      return 'W';
    case Severity::kINFO:
      return 'I';
    case Severity::kVERBOSE:
      return 'V';
  }
  return '?';
}

// The length of `text` without line ends at its end, and no longer than the limit; a cut falls between characters.
size_t KeptLength(const char* text, size_t limit) {
  size_t length = strnlen(text, limit + 1);
  if (length > limit) {
    length = limit;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  }
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) --length;
  return length;
}

}  // namespace

MessageScope::MessageScope() : outer_(innermost) { innermost = this; }

MessageScope::~MessageScope() { innermost = outer_; }

void MessageScope::Add(Severity severity, const char* text) {
  const std::string kept(text, KeptLength(text, kMaxMessageBytes));
  // An error that reaches both the logger and an error recorder is one error.
  const auto same = [&](const Message& message) { return message.text == kept; };
  if (std::any_of(messages_.begin(), messages_.end(), same)) return;
  if (messages_.size() == kMaxMessages) {
    ++dropped_;
    return;
  }
  messages_.push_back({severity, kept});
}

std::string MessageScope::Text() const {
  std::vector<std::string> parts;
  for (const Message& message : messages_) parts.push_back(Cat("[", Letter(message.severity), "] ", message.text));
  if (dropped_ > 0) parts.push_back(Cat("and ", dropped_, " more"));
  return Join(parts, "; ");
}

std::string MessageScope::ErrorSuffix(const std::string& speaker) const {
  return empty() ? "" : Cat("; ", speaker, " said: ", Text());
}

void RecordMessage(Severity severity, const char* text) noexcept {
  if (text == nullptr) return;
  Log(severity, text);
  if (severity > Severity::kWARNING) return;
  try {
    for (MessageScope* scope = innermost; scope != nullptr; scope = scope->outer_) scope->Add(severity, text);
  } catch (...) {
    // Out of memory: the message is lost, the error that it explains is not.
  }
}

}  // namespace nacelle::tensorrt
