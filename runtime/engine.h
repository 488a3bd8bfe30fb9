// torch.classes.tensorrt.Engine: a serialized engine inside a TorchScript program.
//
// An Engine is made from a record (core/record/record.h) and pickled as one, byte for byte the one that it came from.
// Making it also sets it up to run: finds and opens a library for its plan, chooses a device, deserializes the plan. If
// a step fails the Engine is made all the same: you can inspect, save and convert it, and calling it throws the reason.
//
//   torch::jit::Module module = torch::jit::load("program.ts");
//   for (const EngineSite& site : FindEngines(module)) {
//     for (const TensorInfo& input : site.engine()->inputs()) std::cout << Describe(input) << "\n";
//   }
#ifndef NACELLE_RUNTIME_ENGINE_H_
#define NACELLE_RUNTIME_ENGINE_H_

#include <torch/custom_class.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/record/record.h"
#include "core/stored_bytes.h"
#include "runtime/export.h"
#include "runtime/replaceable.h"
#include "runtime/settings.h"
#include "runtime/tensor_info.h"

namespace nacelle::record {
class Identity;
}

namespace nacelle::runtime {

class DeserializedPlan;
class LoadedEngine;
class LiveEngines;
class Timing;

// Keeps Engines that are made on its thread from being set up, for as long as it lives; each sets itself up when it is
// first called. For tools that only inspect programs. May be nested.
class NACELLE_API InspectOnly {
 public:
  InspectOnly();
  ~InspectOnly();
  InspectOnly(const InspectOnly&) = delete;
  InspectOnly& operator=(const InspectOnly&) = delete;

  static bool active();
};

// Chooses whether the plans of engines that are set up from now on stay in memory (at the start: no). They are needed
// again when a program is saved, copied or moved to another device. Plans under a megabyte always stay. Any thread.
NACELLE_API void KeepPlansInMemory(bool keep);

// A serialized engine with the means to run it. Any number of threads may call its methods at once, also while others
// call the engine.
//
// In a forked child an engine that runs on the CPU sets itself up anew when it is first called, and shares what the
// parent had read of the plan. One that runs on a GPU throws DeviceError there: CUDA cannot be used after a fork.
class NACELLE_API Engine final : public torch::CustomClassHolder {
 public:
  // Never fails because of what this machine lacks (see above).
  explicit Engine(record::Record record, const Settings& settings = {});

  // Makes an Engine that EmbedEngine has set up already, of `plan`. `loaded` is null if that failed, because of
  // `failure`.
  Engine(record::Record record, std::shared_ptr<const StoredBytes> plan, std::unique_ptr<LoadedEngine> loaded,
         std::optional<Error> failure, const Settings& settings = {});
  ~Engine() override;

  // The record, without its plan.
  const record::Record& record() const { return record_; }

  // The plan's bytes, which engines that are set up with the same plan share. They lie in a temporary file once the
  // engine is set up, since it has read them; see KeepPlansInMemory.
  std::shared_ptr<const StoredBytes> plan() const;

  // The record with a copy of the plan.
  record::Record CompleteRecord() const;

  // Returns an engine of the same record, plan and settings with contexts of its own. Shares the plan's bytes and, if
  // this engine is set up, the deserialized plan; if contexts cannot share that, the copy is set up when it is called.
  c10::intrusive_ptr<Engine> Copy();

  // A short text that torch.compile compares at each call: the name, a SHA-256 of the record with its plan, and the
  // device that the engine runs on, unless it cannot run here. Engines of the same text give the same results for the
  // same inputs. The first call reads the plan and sets the engine up; copies share what it found. Throws RecordError
  // if the record cannot be written.
  std::string identity();

  // The facts in the plan's first bytes. Throws PlanError if they are not those of a known plan.
  plan::PlanHeader plan_header() const;

  using Loaded = Replaceable<LoadedEngine>::Use;

  // Returns the engine ready to run, for this library's own use. It is valid as long as the returned object, which
  // stays on the stack. The first call waits for the set-up if the constructor left it out; later ones cost a few
  // instructions. Throws the error of the set-up, each time with the same words.
  Loaded loaded() {
    if (!loaded_.has_value()) [[unlikely]]
      SetUp();
    return loaded_.use();
  }

  // The inputs and outputs in the order in which a call takes and returns them. Throws the error of the set-up if the
  // engine cannot run here.
  std::vector<TensorInfo> inputs();
  std::vector<TensorInfo> outputs();

  // The reason that the engine cannot run here; empty if it can.
  std::string why_not_ready();

  Settings settings() const;

  // Sets the engine up again with other settings, at once if it was set up before, else when it is called. Calls that
  // are under way end with the former settings; later ones have the new ones. The execution contexts of the former
  // settings, and their memory, are released when the last of those calls ends. CUDA graphs that were captured with the
  // engine must not be replayed any more. Throws InputError for a setting that no engine can have, and the error of the
  // set-up; the engine then has its former settings.
  void Configure(const Settings& settings);

  // Times every call until StopTiming. Timed calls wait for the device. Throws InputError if the engine is timed
  // already.
  std::shared_ptr<Timing> StartTiming();
  void StopTiming();

  // The timing that is under way; null if there is none, which costs one load.
  std::shared_ptr<Timing> timing() { return timed_.load(std::memory_order_relaxed) ? CurrentTiming() : nullptr; }

  // Returns true for the first call alone, for a warning about inputs that require grad.
  bool FirstWithGradient() { return !warned_of_gradient_.exchange(true, std::memory_order_relaxed); }

  // Describes name, record, plan, device, inputs and outputs in a few lines. Does not set the engine up.
  std::string Describe();

 private:
  friend class LiveEngines;

  // Lists an engine among those that a forked child tells that it is one.
  class Listed {
   public:
    explicit Listed(Engine* engine);
    ~Listed();
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;

   private:
    Engine* const engine_;
  };

  void SetUp();
  void BeginForkedChild();
  std::shared_ptr<Timing> CurrentTiming();
  void StorePlan(const DeserializedPlan& plan);

  const record::Record record_;                 // its plan is empty
  std::shared_ptr<record::Identity> identity_;  // copies share it
  mutable std::mutex settings_mutex_;
  Settings settings_;
  mutable std::mutex plan_mutex_;
  std::shared_ptr<const StoredBytes> plan_;
  std::atomic<bool> warned_of_gradient_{false};
  std::mutex set_up_mutex_;  // held while the engine is set up
  Replaceable<LoadedEngine> loaded_;
  std::atomic<bool> timed_{false};
  std::mutex timing_mutex_;
  std::shared_ptr<Timing> timing_;
  std::optional<Error> failure_;  // the error of the set-up; set once
  const Listed listed_{this};     // the last member: what it lists is whole
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_ENGINE_H_
