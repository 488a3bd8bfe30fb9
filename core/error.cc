#include "core/error.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "core/text.h"

namespace nacelle {
namespace {

std::string PrintableLines(std::string_view text) {
  std::string out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (at != 0) out += '\n';
    out += Printable(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& message) : std::runtime_error(PrintableLines(message)), kind_(kind) {}

const char* ErrorClassName(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kRecord:
      return "RecordError";
    case ErrorKind::kDevice:
      return "DeviceError";
    case ErrorKind::kPlan:
      return "PlanError";
    case ErrorKind::kLibrary:
      return "LibraryError";
    case ErrorKind::kInput:
      return "InputError";
    case ErrorKind::kExecution:
      return "ExecutionError";
  }
  return "Error";
}

}  // namespace nacelle
