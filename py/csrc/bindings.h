// The parts of torch_nacelle._C.
#ifndef NACELLE_PY_CSRC_BINDINGS_H_
#define NACELLE_PY_CSRC_BINDINGS_H_

#include <pybind11/pybind11.h>

namespace nacelle::python {

// Errors of Nacelle become the classes of torch_nacelle.errors, wherever they come from: this module, torch's
// operators, or TorchScript. Called first.
void BindErrors(pybind11::module_& m);

// Engines inside programs: find, read, convert, load without setting up.
void BindPrograms(pybind11::module_& m);

// Settings of engines, and their moves to other devices.
void BindSettings(pybind11::module_& m);

// What this machine has: TensorRT's libraries, and whether plans may bring code.
void BindMachine(pybind11::module_& m);

// Where the time of calls goes.
void BindProfiles(pybind11::module_& m);

// TensorRT's builders, and plans from ONNX models.
void BindBuilders(pybind11::module_& m);

// Plans: embed them, build them for the reference engine, read their headers.
void BindPlans(pybind11::module_& m);

}  // namespace nacelle::python

#endif  // NACELLE_PY_CSRC_BINDINGS_H_
