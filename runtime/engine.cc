#include "runtime/engine.h"

#include <pthread.h>

#include <new>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/device/device.h"
#include "core/fork.h"
#include "core/record/identity.h"
#include "core/text.h"
#include "runtime/internal/loaded_engine.h"
#include "runtime/tensor_info.h"
#include "runtime/timing.h"

namespace nacelle::runtime {
namespace {

thread_local int inspect_only_depth = 0;

std::atomic<bool> keep_plans_in_memory = false;

// Bytes from which on a plan is moved to a file; a smaller one stays in memory.
constexpr size_t kMinBytesInFile = size_t{1} << 20;

// Returns a copy of `record` without its plan, which stays there.
record::Record WithoutPlan(record::Record& record) {
  std::string plan = std::exchange(record.plan, {});
  record::Record rest = record;
  record.plan = std::move(plan);
  return rest;
}

void Check(const Settings& settings) {
  static constexpr int kMax = 1024;
  const auto in_range = [](const char* setting, int value) {
    if (value >= 1 && value <= kMax) return;
    throw InputError(Cat(setting, " is ", value, "; wanted 1 to ", kMax));
  };
  in_range("max_contexts", settings.max_contexts);
  in_range("plan_copies", settings.plan_copies);
}

}  // namespace

// The engines of this process. A forked child tells each of them that it is in a child; calls pay nothing for that.
class LiveEngines {
 public:
  static void Add(Engine* engine) {
    LiveEngines& all = Process();
    const std::lock_guard lock(all.mutex_);
    all.engines_.insert(engine);
  }

  static void Remove(Engine* engine) {
    LiveEngines& all = Process();
    const std::lock_guard lock(all.mutex_);
    all.engines_.erase(engine);
  }

 private:
  LiveEngines() {
    ForkGeneration();  // its handler runs before the ones below
    pthread_atfork([] { Process().mutex_.lock(); }, [] { Process().mutex_.unlock(); }, &BeginForkedChild);
  }

  // Never destroyed: engines may be destroyed while the process ends.
  static LiveEngines& Process() {
    static auto* const all = new LiveEngines;
    return *all;
  }

  // Runs in the child before fork returns there. The lock is this thread's, so no engine was being made or destroyed.
  static void BeginForkedChild() {
    LiveEngines& all = Process();
    for (Engine* engine : all.engines_) engine->BeginForkedChild();
    all.mutex_.unlock();
  }

  std::mutex mutex_;
  std::unordered_set<Engine*> engines_;
};

// Threads of the parent are gone, with the locks and execution contexts that they held, and CUDA does not work.
void Engine::BeginForkedChild() {
  for (std::mutex* mutex : {&settings_mutex_, &plan_mutex_, &set_up_mutex_, &timing_mutex_}) new (mutex) std::mutex;
  loaded_.Abandon();
}

InspectOnly::InspectOnly() { ++inspect_only_depth; }
InspectOnly::~InspectOnly() { --inspect_only_depth; }
bool InspectOnly::active() { return inspect_only_depth > 0; }

void KeepPlansInMemory(bool keep) { keep_plans_in_memory = keep; }

Engine::Engine(record::Record record, const Settings& settings)
    : record_(WithoutPlan(record)),
      identity_(std::make_shared<record::Identity>()),
      settings_(settings),
      plan_(std::make_shared<const StoredBytes>(std::move(record.plan))) {
  if (InspectOnly::active()) return;
  try {
    SetUp();
  } catch (const Error&) {
    // Kept in failure_, for the callers of the engine.
  }
}

Engine::Engine(record::Record record, std::shared_ptr<const StoredBytes> plan, std::unique_ptr<LoadedEngine> loaded,
               std::optional<Error> failure, const Settings& settings)
    : record_(WithoutPlan(record)),
      identity_(std::make_shared<record::Identity>()),
      settings_(settings),
      plan_(std::move(plan)),
      failure_(std::move(failure)) {
  if (loaded == nullptr) return;
  loaded_.Replace(std::move(loaded));
  StorePlan(loaded_.use()->plan());
}

Engine::~Engine() = default;

Engine::Listed::Listed(Engine* engine) : engine_(engine) { LiveEngines::Add(engine); }
Engine::Listed::~Listed() { LiveEngines::Remove(engine_); }

std::shared_ptr<const StoredBytes> Engine::plan() const {
  const std::lock_guard lock(plan_mutex_);
  return plan_;
}

record::Record Engine::CompleteRecord() const {
  record::Record record = record_;
  record.plan = plan()->bytes();
  return record;
}

c10::intrusive_ptr<Engine> Engine::Copy() {
  const std::lock_guard lock(set_up_mutex_);
  Settings settings = this->settings();
  std::unique_ptr<LoadedEngine> shared;
  if (loaded_.has_value()) {
    const Loaded loaded = loaded_.use();
    if (loaded->plan().AllowsManyContexts()) {
      shared = loaded->WithRecord(record_);
    } else if (!settings.device) {
      settings.device = loaded->facts().device;
    }
  }
  auto copy = c10::make_intrusive<Engine>(record_, plan(), std::move(shared), failure_, settings);
  copy->identity_ = identity_;
  return copy;
}

std::string Engine::identity() {
  std::string text = identity_->Get(record_, plan()->bytes());
  try {
    text += " on " + loaded()->facts().device.str();
  } catch (const Error&) {
    // It runs nowhere here, and who calls it is told so.
  }
  return text;
}

// Shares the bytes of the deserialized plan, and moves large ones into a file if one can be made.
void Engine::StorePlan(const DeserializedPlan& plan) {
  const bool keep = keep_plans_in_memory;
  if (!keep && this->plan()->bytes().size() >= kMinBytesInFile) plan.MoveBytesToFile();
  std::shared_ptr<const StoredBytes> shared = plan.bytes();
  if (keep && shared->in_file()) return;
  const std::lock_guard lock(plan_mutex_);
  plan_.swap(shared);  // the former bytes are released after the lock
}

plan::PlanHeader Engine::plan_header() const { return plan::ParsePlanHeader(plan()->bytes()); }

Settings Engine::settings() const {
  const std::lock_guard lock(settings_mutex_);
  return settings_;
}

void Engine::SetUp() {
  const std::lock_guard lock(set_up_mutex_);
  if (failure_) throw *failure_;
  if (loaded_.has_value()) return;
  try {
    loaded_.Replace(LoadedEngine::FromRecord(record_, plan(), settings()));
  } catch (const Error& error) {
    failure_ = CannotRun(record_.name, error);
    throw *failure_;
  }
  StorePlan(loaded_.use()->plan());
}

void Engine::Configure(const Settings& settings) {
  Check(settings);
  const std::lock_guard lock(set_up_mutex_);
  if (loaded_.has_value()) {
    // The engine stays on its device, whichever is current now. The former one lives until the new one is made, so that
    // the plan is not read again.
    Settings placed = settings;
    if (!placed.device) placed.device = loaded_.use()->facts().device;
    loaded_.Replace(LoadedEngine::FromRecord(record_, plan(), placed));
  }
  failure_.reset();
  const std::lock_guard settings_lock(settings_mutex_);
  settings_ = settings;
}

std::shared_ptr<Timing> Engine::StartTiming() {
  const std::lock_guard lock(timing_mutex_);
  if (timing_ != nullptr) {
    throw InputError(Cat("engine ", Quote(record_.name), " is profiled already; end the profile before another one"));
  }
  timing_ = std::make_shared<Timing>();
  timed_ = true;
  return timing_;
}

void Engine::StopTiming() {
  const std::lock_guard lock(timing_mutex_);
  timed_ = false;
  timing_.reset();
}

std::shared_ptr<Timing> Engine::CurrentTiming() {
  const std::lock_guard lock(timing_mutex_);
  return timing_;
}

std::vector<TensorInfo> Engine::inputs() { return loaded()->facts().inputs; }

std::vector<TensorInfo> Engine::outputs() { return loaded()->facts().outputs; }

std::string Engine::why_not_ready() {
  try {
    loaded();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string Engine::Describe() {
  std::string plan;
  try {
    plan = plan_header().Describe();
  } catch (const Error& error) {
    plan = error.what();
  }
  std::string text = Cat("Engine ", Quote(record_.name), "\n  record: version ", record_.version, "\n  plan: ", plan,
                         ", ", this->plan()->bytes().size(), " bytes\n  built for: ", record_.device.Describe());
  const std::lock_guard lock(set_up_mutex_);
  if (failure_) return Cat(text, "\n  ", failure_->what());
  if (!loaded_.has_value()) return text + "\n  not set up yet: its first call does it";
  const Loaded loaded = loaded_.use();
  const EngineFacts& facts = loaded->facts();
  text += Cat("\n  runs on: ", facts.device.str(), " with ", facts.library->Describe());
  for (const TensorInfo& input : facts.inputs) text += "\n  input " + runtime::Describe(input);
  for (const TensorInfo& output : facts.outputs) text += "\n  output " + runtime::Describe(output);
  return text;
}

}  // namespace nacelle::runtime
