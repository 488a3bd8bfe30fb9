// Finds, configures, replaces and moves the engines inside a program: a TorchScript module or an AOTInductor package.
//
//   torch::jit::Module module = torch::jit::load("program.ts");
//   MoveEngines(module, c10::Device("cuda:1"));
//
//   torch::inductor::AOTIModelPackageLoader package("program.pt2");
//   ConfigureEngines(package.get_custom_objs(), [](Settings& settings) { settings.max_contexts = 8; });
#ifndef NACELLE_RUNTIME_PROGRAM_H_
#define NACELLE_RUNTIME_PROGRAM_H_

#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/export.h"
#include "runtime/settings.h"

namespace nacelle::runtime {

// The values of a program that the functions below look into. Made implicitly of either kind of program. It shares
// them: what is done to an engine that is found in it, is done to the program's.
class NACELLE_API EngineHolder {
 public:
  // A TorchScript module.
  EngineHolder(const torch::jit::Module& module);  // NOLINT(google-explicit-constructor)

  // The objects of an AOTInductor package by torch's names, as AOTIModelPackageLoader::get_custom_objs() of torch 2.13
  // returns them; torch 2.11 has no such function. All runners of a loader (`num_runners`) call these same objects. Two
  // loaders of one file have engines of their own, which share the deserialized plan as other engines of one plan do.
  EngineHolder(const std::unordered_map<std::string, c10::IValue>& objects);  // NOLINT(google-explicit-constructor)

  // The values with their names: of a module one without a name; else in the order of the names' numbers.
  const std::vector<std::pair<std::string, c10::IValue>>& values() const { return values_; }

 private:
  std::vector<std::pair<std::string, c10::IValue>> values_;
};

// A place in a program that holds an engine.
struct NACELLE_API EngineSite {
  // Written as in TorchScript after `self.`: `backbone.engine_trt_engine`, `engines[0]`, `by_name["left"]`; with
  // `forward:constant[2]` for an engine that freezing moved into a graph. In a package it is torch's name of the
  // object, such as `_torchbind_obj0`.
  std::string path;
  c10::IValue object;  // the custom-class object; several sites may share one

  c10::intrusive_ptr<Engine> engine() const;
};

// Returns all engines of the program, in the order of its attributes or names, each site once; with a `path`, the one
// there. Looks into submodules, lists, tuples, dicts, Optionals and the constants of graphs. The program must not be
// changed meanwhile. Throws InputError that lists the paths if there is no engine at `path`.
NACELLE_API std::vector<EngineSite> FindEngines(const EngineHolder& program,
                                                const std::optional<std::string>& path = std::nullopt);

// Changes the settings of the program's engines; with a `path`, of the one there. `change` gets those that an engine
// has. Other threads may call the program meanwhile; see Engine::Configure, whose errors it throws. Engines before the
// one that fails have their new settings then.
NACELLE_API void ConfigureEngines(const EngineHolder& program, const std::function<void(Settings&)>& change,
                                  const std::optional<std::string>& path = std::nullopt);

// Replaces each engine of the program, in place, by the result of `replacement`; an object that several sites share is
// replaced once, for all of them. Changes nothing if `replacement` throws. Must not run at the same time as a call of
// the program.
NACELLE_API void ReplaceEngines(const EngineHolder& program,
                                const std::function<c10::intrusive_ptr<Engine>(const EngineSite&)>& replacement);

// Moves all engines of the program, with their settings, to another device: deserializes them anew there and puts that
// device into their records. Moves all or none: throws Error if one of them cannot run there. Does not move the
// module's tensors, nor the code and tensors of a package, whose device is an argument of AOTIModelPackageLoader. Must
// not run at the same time as a call of the program.
NACELLE_API void MoveEngines(const EngineHolder& program, c10::Device device);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_PROGRAM_H_
