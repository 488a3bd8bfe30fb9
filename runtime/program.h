// Finds, replaces and moves the engines inside a TorchScript program.
//
//   torch::jit::Module module = torch::jit::load("program.ts");
//   MoveEngines(module, c10::Device("cuda:1"));
#ifndef NACELLE_RUNTIME_PROGRAM_H_
#define NACELLE_RUNTIME_PROGRAM_H_

#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// A place in a program that holds an engine.
struct NACELLE_API EngineSite {
  // Written as in TorchScript after `self.`: `backbone.engine_trt_engine`, `engines[0]`, `by_name["left"]`; with
  // `forward:constant[2]` for an engine that freezing moved into a graph.
  std::string path;
  c10::IValue object;  // the custom-class object; several sites may share one

  c10::intrusive_ptr<Engine> engine() const;
};

// Returns all engines of `module`, in the order of its attributes, each site once; with a `path`, the one there. Looks
// into submodules, lists, tuples, dicts, Optionals and the constants of graphs. The module must not be changed
// meanwhile. Throws InputError that lists the paths if there is no engine at `path`.
NACELLE_API std::vector<EngineSite> FindEngines(const torch::jit::Module& module,
                                                const std::optional<std::string>& path = std::nullopt);

// Replaces each engine of `module`, in place, by the result of `replacement`; an object that several sites share is
// replaced once, for all of them. Changes nothing if `replacement` throws. Must not run at the same time as a call of
// the module.
NACELLE_API void ReplaceEngines(const torch::jit::Module& module,
                                const std::function<c10::intrusive_ptr<Engine>(const EngineSite&)>& replacement);

// Moves all engines of `module`, with their settings, to another device: deserializes them anew there and puts that
// device into their records. Moves all or none: throws Error if one of them cannot run there. Does not move the
// module's tensors. Must not run at the same time as a call of the module.
NACELLE_API void MoveEngines(const torch::jit::Module& module, c10::Device device);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_PROGRAM_H_
