#include "core/tensorrt/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/fork.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

struct Level {
  const char* word;
  int32_t least;  // the Severity that is least severe of those sent
};

constexpr std::array<Level, 5> kLevels = {{
    {"off", -1},
    {"error", static_cast<int32_t>(Severity::kERROR)},
    {"warning", static_cast<int32_t>(Severity::kWARNING)},
    {"info", static_cast<int32_t>(Severity::kINFO)},
    {"verbose", static_cast<int32_t>(Severity::kVERBOSE)},
}};
constexpr const char* kWords = "verbose, info, warning, error or off";

const Level* FindLevel(std::string_view word) {
  const auto level = std::ranges::find(kLevels, word, &Level::word);
  return level == kLevels.end() ? nullptr : &*level;
}

// A wrong word is reported here, and leaves the log off.
int32_t LevelOfEnvironment() {
  const char* const word = std::getenv("NACELLE_LOG");
  if (word == nullptr || *word == '\0') return kLevels[0].least;
  if (const Level* const level = FindLevel(word)) return level->least;
  std::fprintf(stderr, "nacelle: the environment variable NACELLE_LOG is %s; wanted %s\n", Quote(word).c_str(), kWords);
  return kLevels[0].least;
}

class StandardError final : public LogSink {
 public:
  void Log(Severity severity, const char* text) override {
    constexpr std::string_view kLetters = "FEWIV";
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) --length;
    // One call, so that lines of several threads do not mix.
    std::fprintf(stderr, "TensorRT [%c] %.*s\n", kLetters[std::clamp(static_cast<int>(severity), 0, 4)],
                 static_cast<int>(length), text);
  }
};

struct State {
  std::atomic<int32_t> least = LevelOfEnvironment();  // read before the mutex is taken
  ForkableMutex<> mutex;
  std::shared_ptr<LogSink> sink = std::make_shared<StandardError>();
};

// Never destroyed: TensorRT's threads may log while the process ends.
State& TheState() {
  static State* const state = new State;
  return *state;
}

}  // namespace

void SetLogSink(std::shared_ptr<LogSink> sink) {
  if (sink == nullptr) sink = std::make_shared<StandardError>();
  State& state = TheState();
  const std::lock_guard lock(state.mutex);
  state.sink.swap(sink);
}

void SetLogLevel(std::string_view level) {
  const Level* const found = FindLevel(level);
  if (found == nullptr) throw InputError(Cat("the log level is ", Quote(level), "; wanted ", kWords));
  TheState().least.store(found->least, std::memory_order_relaxed);
}

const char* LogLevel() {
  const int32_t least = TheState().least.load(std::memory_order_relaxed);
  return std::ranges::find(kLevels, least, &Level::least)->word;
}

void Log(Severity severity, const char* text) noexcept {
  State& state = TheState();
  if (static_cast<int32_t>(severity) > state.least.load(std::memory_order_relaxed)) return;
  try {
    std::shared_ptr<LogSink> sink;
    {
      const std::lock_guard lock(state.mutex);
      sink = state.sink;
    }
    sink->Log(severity, text);
  } catch (...) {
    // A sink that fails must not fail TensorRT.
  }
}

}  // namespace nacelle::tensorrt
