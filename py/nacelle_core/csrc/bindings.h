// The parts of nacelle_core._core. Texts of files go to C++ as bytes, and come back as str, with bytes that are not
// UTF-8 as \xNN.
#ifndef NACELLE_PY_NACELLE_CORE_CSRC_BINDINGS_H_
#define NACELLE_PY_NACELLE_CORE_CSRC_BINDINGS_H_

#include <pybind11/pybind11.h>

#include <string_view>

namespace nacelle::python {

// Translates errors of core/ to the classes of nacelle_core.errors. Called first.
void BindErrors(pybind11::module_& m);

// Records and base64.
void BindRecords(pybind11::module_& m);

// Headers of plans, and the descriptions in those of the reference engine.
void BindPlans(pybind11::module_& m);

// Quoting for messages and terminals.
void BindTexts(pybind11::module_& m);

// The CUDA driver with its GPUs, and TensorRT's libraries.
void BindMachine(pybind11::module_& m);

// Returns a text of any bytes as a str, with those that are not UTF-8 as \xNN.
pybind11::str ToStr(std::string_view text);

}  // namespace nacelle::python

#endif  // NACELLE_PY_NACELLE_CORE_CSRC_BINDINGS_H_
