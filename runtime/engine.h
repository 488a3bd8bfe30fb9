// torch.classes.tensorrt.Engine: a serialized engine inside a TorchScript program.
//
// An Engine is made from a record (core/abi/record.h) and pickled as one, byte for byte the one that it came from.
// Making it also sets it up to run: a library for its plan is found and opened, a device chosen, the plan
// deserialized. Where that cannot be done, the Engine is made all the same, can be looked into, saved and
// converted, and says why it cannot run when it is called.
#ifndef NACELLE_RUNTIME_ENGINE_H_
#define NACELLE_RUNTIME_ENGINE_H_

#include <torch/custom_class.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/abi/plan_header.h"
#include "core/abi/record.h"
#include "core/error.h"
#include "core/stored_bytes.h"
#include "runtime/export.h"
#include "runtime/replaceable.h"
#include "runtime/settings.h"

namespace nacelle::runtime {

class DeserializedPlan;
class LoadedEngine;
class Profile;

// While one of these lives, Engines made on its thread are not set up; each sets itself up when it is first called.
// For tools that only look into programs. May be nested.
class NACELLE_API InspectOnly {
 public:
  InspectOnly();
  ~InspectOnly();
  InspectOnly(const InspectOnly&) = delete;
  InspectOnly& operator=(const InspectOnly&) = delete;

  static bool active();
};

// Whether the plans of engines that are set up from now on stay in memory; false at the start. They are needed again
// when a program is saved, copied or moved to another device. Plans under a megabyte always stay. Any thread.
NACELLE_API void KeepPlansInMemory(bool keep);

// Every method may be called from any number of threads at once, also while others call the engine.
class NACELLE_API Engine final : public torch::CustomClassHolder {
 public:
  // Never fails because of what this machine lacks (see above).
  explicit Engine(abi::Record record, const Settings& settings = {});
  ~Engine() override;

  // The record, without its plan.
  const abi::Record& record() const { return record_; }

  // The plan's bytes, which engines that are set up with the same plan have in common. An engine that is set up has
  // read them, so they lie in a temporary file from then on; see KeepPlansInMemory.
  std::shared_ptr<const StoredBytes> plan() const;

  // The record with a copy of the plan.
  abi::Record CompleteRecord() const;

  // What the plan's first bytes say; throws PlanError where they say nothing known.
  abi::PlanHeader plan_header() const;

  using Loaded = Replaceable<LoadedEngine>::Use;

  // The engine ready to run, for as long as what is returned lives: keep that on the stack, in a variable for more than
  // one expression. The first call waits for the set-up if the constructor left it out; later ones cost a few
  // instructions. Throws what the set-up threw, each time with the same words.
  //
  //   const Engine::Loaded loaded = engine.loaded();
  //   for (const TensorInfo& input : loaded->inputs()) …
  Loaded loaded() {
    if (!loaded_.has_value()) [[unlikely]]
      SetUp();
    return loaded_.use();
  }

  // Why loaded() throws; empty where it does not.
  std::string why_not_ready();

  Settings settings() const;

  // Sets the engine up again with other settings, at once if it was set up before, else when it is called. Calls that
  // are under way end with the former settings; later ones have the new ones. What the former settings needed
  // (execution contexts and their memory) goes when the last of those calls ends. CUDA graphs that were captured with
  // the engine must not be replayed any more. Throws InputError for a setting that no engine can have, and what the
  // set-up throws; the engine then has its former settings.
  void Configure(const Settings& settings);

  // Begins to record every call, until StopProfile. Calls then wait for the device. Throws InputError where the engine
  // is profiled already.
  std::shared_ptr<Profile> StartProfile();
  void StopProfile();

  // Null while nothing is recorded; that costs one load.
  std::shared_ptr<Profile> profile() { return profiling_.load(std::memory_order_relaxed) ? CurrentProfile() : nullptr; }

  // Some lines for a person: name, record, plan, device, inputs and outputs. Sets nothing up.
  std::string Describe();

 private:
  void SetUp();
  std::shared_ptr<Profile> CurrentProfile();
  void StorePlan(const DeserializedPlan& plan);

  const abi::Record record_;  // its plan is empty
  mutable std::mutex settings_mutex_;
  Settings settings_;
  mutable std::mutex plan_mutex_;
  std::shared_ptr<const StoredBytes> plan_;
  std::mutex set_up_mutex_;  // held while the engine is set up
  Replaceable<LoadedEngine> loaded_;
  std::atomic<bool> profiling_{false};
  std::mutex profile_mutex_;
  std::shared_ptr<Profile> profile_;
  std::optional<Error> failure_;  // why the set-up did not succeed; set once
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_ENGINE_H_
