// The engines inside a TorchScript program.
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

// Where a program holds an engine.
struct NACELLE_API EngineSite {
  // As TorchScript would write it after `self.`: `backbone.engine_trt_engine`, `engines[0]`, `by_name["left"]`,
  // with `forward:constant[2]` for one that freezing moved into a graph.
  std::string path;
  c10::IValue object;  // the custom-class object; several sites may share one

  c10::intrusive_ptr<Engine> engine() const;
};

// All engines of `module`, in the order of its attributes, each site once; with a `path`, the one there. Looks into
// submodules, lists, tuples, dicts, Optionals and the constants of graphs. The module must not be changed meanwhile.
// Throws InputError that lists the paths where there is no engine at `path`.
NACELLE_API std::vector<EngineSite> FindEngines(const torch::jit::Module& module,
                                                const std::optional<std::string>& path = std::nullopt);

// Puts what `replacement` returns in the place of each engine, in the module itself; an object that several sites
// share is replaced once, for all of them. Nothing is changed where `replacement` throws. Must not run at the same
// time as a call of the module.
NACELLE_API void ReplaceEngines(const torch::jit::Module& module,
                                const std::function<c10::intrusive_ptr<Engine>(const EngineSite&)>& replacement);

// Moves all engines of `module` to another device, where they are deserialized anew, with their settings; their records
// name it from then on. All or none: throws Error where one of them cannot run there. Tensors of the module stay where
// they are. Must not run at the same time as a call of the module.
NACELLE_API void MoveEngines(const torch::jit::Module& module, c10::Device device);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_PROGRAM_H_
