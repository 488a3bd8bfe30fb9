#include "runtime/engine.h"

#include <utility>

#include "core/device/device.h"
#include "core/text.h"
#include "runtime/loaded_engine.h"
#include "runtime/profile.h"
#include "runtime/tensor_info.h"

namespace nacelle::runtime {
namespace {

thread_local int inspect_only_depth = 0;

std::atomic<bool> keep_plans_in_memory = false;

// A smaller plan stays in memory.
constexpr size_t kLeastInFile = size_t{1} << 20;

// A copy of all but the plan, which stays in `record`.
abi::Record WithoutPlan(abi::Record& record) {
  std::string plan = std::exchange(record.plan, {});
  abi::Record rest = record;
  record.plan = std::move(plan);
  return rest;
}

void Check(const Settings& settings) {
  static constexpr int kMost = 1024;
  const auto in_range = [](const char* what, int value) {
    if (value >= 1 && value <= kMost) return;
    throw InputError(Cat(what, " is ", value, "; wanted 1 to ", kMost));
  };
  in_range("max_contexts", settings.max_contexts);
  in_range("plan_copies", settings.plan_copies);
}

}  // namespace

InspectOnly::InspectOnly() { ++inspect_only_depth; }
InspectOnly::~InspectOnly() { --inspect_only_depth; }
bool InspectOnly::active() { return inspect_only_depth > 0; }

void KeepPlansInMemory(bool keep) { keep_plans_in_memory = keep; }

Engine::Engine(abi::Record record, const Settings& settings)
    : record_(WithoutPlan(record)),
      settings_(settings),
      plan_(std::make_shared<const StoredBytes>(std::move(record.plan))) {
  if (InspectOnly::active()) return;
  try {
    SetUp();
  } catch (const Error&) {
    // Kept in failure_; whoever calls the engine gets it.
  }
}

Engine::~Engine() = default;

std::shared_ptr<const StoredBytes> Engine::plan() const {
  const std::lock_guard lock(plan_mutex_);
  return plan_;
}

abi::Record Engine::CompleteRecord() const {
  abi::Record record = record_;
  record.plan = plan()->bytes();
  return record;
}

// Takes the bytes that engines of this plan have in common for its own, and puts large ones into a file; they stay
// where they are if that cannot be.
void Engine::StorePlan(const DeserializedPlan& plan) {
  const bool keep = keep_plans_in_memory;
  if (!keep && this->plan()->bytes().size() >= kLeastInFile) plan.MoveBytesToFile();
  std::shared_ptr<const StoredBytes> shared = plan.bytes();
  if (keep && shared->in_file()) return;
  const std::lock_guard lock(plan_mutex_);
  plan_.swap(shared);  // the former ones go after the lock
}

abi::PlanHeader Engine::plan_header() const { return abi::ParsePlanHeader(plan()->bytes()); }

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
    failure_.emplace(error.kind(), Cat("engine ", Quote(record_.name), " cannot run here: ", error.what()));
    throw *failure_;
  }
  StorePlan(loaded_.use()->plan());
}

void Engine::Configure(const Settings& settings) {
  Check(settings);
  const std::lock_guard lock(set_up_mutex_);
  if (loaded_.has_value()) {
    // It stays where it is, whatever device is current now. The former one lives until there is a new one, so that the
    // plan is not read again.
    Settings placed = settings;
    if (!placed.device) placed.device = loaded_.use()->device();
    loaded_.Replace(LoadedEngine::FromRecord(record_, plan(), placed));
  }
  failure_.reset();
  const std::lock_guard settings_lock(settings_mutex_);
  settings_ = settings;
}

std::shared_ptr<Profile> Engine::StartProfile() {
  const std::lock_guard lock(profile_mutex_);
  if (profile_ != nullptr) {
    throw InputError(Cat("engine ", Quote(record_.name), " is profiled already; end the profile before another one"));
  }
  profile_ = std::make_shared<Profile>();
  profiling_ = true;
  return profile_;
}

void Engine::StopProfile() {
  const std::lock_guard lock(profile_mutex_);
  profiling_ = false;
  profile_.reset();
}

std::shared_ptr<Profile> Engine::CurrentProfile() {
  const std::lock_guard lock(profile_mutex_);
  return profile_;
}

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
  if (!loaded_.has_value()) return text + "\n  not set up: it was loaded to be looked into";
  const Loaded loaded = loaded_.use();
  text += Cat("\n  runs on: ", loaded->device().str(), " with ", loaded->library_description());
  for (const TensorInfo& input : loaded->inputs()) text += "\n  input " + runtime::Describe(input);
  for (const TensorInfo& output : loaded->outputs()) text += "\n  output " + runtime::Describe(output);
  return text;
}

}  // namespace nacelle::runtime
