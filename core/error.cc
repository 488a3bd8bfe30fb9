#include "core/error.h"

namespace nacelle {

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
