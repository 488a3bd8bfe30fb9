// Makes a TorchScript module into the archive that a plan holds.
#ifndef NACELLE_REFERENCE_ARCHIVE_H_
#define NACELLE_REFERENCE_ARCHIVE_H_

#include <torch/csrc/jit/api/module.h>

#include <cstddef>
#include <string>

namespace nacelle::reference {

// Returns a TorchScript archive whose forward computes the same as that of `module` in eval mode on the CPU. It is
// frozen (every weight is a constant), inlined, and without the names and source positions that would tell two equal
// modules apart: the same module gives the same bytes. Does not change `module`.
//
// forward takes `inputs` tensors; its further parameters get their default values. Throws InputError for a module
// without forward, with other parameters, whose forward changes the module, or that torch cannot freeze.
std::string MakeArchive(const torch::jit::Module& module, size_t inputs);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_ARCHIVE_H_
