#include "runtime/log.h"

#include <memory>
#include <utility>

#include "core/tensorrt/log.h"

namespace nacelle::runtime {
namespace {

LogSeverity SeverityOf(tensorrt::Severity severity) {
  switch (severity) {
    case tensorrt::Severity::kWARNING:
      return LogSeverity::kWarning;
    case tensorrt::Severity::kINFO:
      return LogSeverity::kInfo;
    case tensorrt::Severity::kVERBOSE:
      return LogSeverity::kVerbose;
    default:
      return LogSeverity::kError;
  }
}

class FunctionSink final : public tensorrt::LogSink {
 public:
  explicit FunctionSink(LogFunction function) : function_(std::move(function)) {}

  void Log(tensorrt::Severity severity, const char* text) override { function_(SeverityOf(severity), text); }

 private:
  const LogFunction function_;
};

}  // namespace

void SetLogFunction(LogFunction function) {
  tensorrt::SetLogSink(function ? std::make_shared<FunctionSink>(std::move(function)) : nullptr);
}

void SetLogLevel(const std::string& level) { tensorrt::SetLogLevel(level); }

std::string LogLevel() { return tensorrt::LogLevel(); }

}  // namespace nacelle::runtime
