// TorchScript modules as the bytes that a plan holds.
#ifndef NACELLE_REFERENCE_ARCHIVE_H_
#define NACELLE_REFERENCE_ARCHIVE_H_

#include <torch/csrc/jit/api/module.h>

#include <cstddef>
#include <string>

namespace nacelle::reference {

// A TorchScript archive of a module whose forward does what that of `module` does in eval mode on the CPU, with every
// weight a constant: frozen, inlined, and freed of what would tell two equal modules apart (names that torch numbers
// through, places in source files). Same module, same bytes. `module` is left as it is.
//
// forward takes `inputs` tensors; further parameters of `module`'s have their default values. Throws InputError for a
// module without forward, one with other parameters, one whose forward changes the module, and one that torch cannot
// freeze.
std::string MakeArchive(const torch::jit::Module& module, size_t inputs);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_ARCHIVE_H_
