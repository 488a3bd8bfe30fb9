// The parts of torch_nacelle._C.
#ifndef NACELLE_PY_CSRC_BINDINGS_H_
#define NACELLE_PY_CSRC_BINDINGS_H_

#include <pybind11/pybind11.h>

#include <optional>
#include <string>

#include "core/record/record.h"

namespace nacelle::python {

// Translates errors of Nacelle to the classes of torch_nacelle.errors, whether they come from this module, from torch's
// operators, or from TorchScript. Called first.
void BindErrors(pybind11::module_& m);

// Engines inside programs: find, read, convert, load without setting up.
void BindPrograms(pybind11::module_& m);

// Single engines as torch.ScriptObjects: copy them, pickle them.
void BindEngines(pybind11::module_& m);

// The call of an engine in eager mode.
void BindExecute(pybind11::module_& m);

// Records as lists of fields: convert them, make engines of them.
void BindRecords(pybind11::module_& m);

// Settings of engines, and their moves to other devices.
void BindSettings(pybind11::module_& m);

// Output shapes of an engine, without running it: at one point, and at many.
void BindShapes(pybind11::module_& m);

// The folders of wheels with TensorRT's libraries, and the permission for plans to bring code.
void BindMachine(pybind11::module_& m);

// TensorRT's own log.
void BindLog(pybind11::module_& m);

// TensorRT's builders, and plans from ONNX models.
void BindBuilders(pybind11::module_& m);

// Plans: embed them, build them for the reference engine.
void BindPlans(pybind11::module_& m);

// The times of calls.
void BindTiming(pybind11::module_& m);

// The platform of the name, for records of `version`; nullopt if none is given. Throws InputError with the names that
// there are, and RecordError for a version that keeps no platform. nullopt for `version`: the oldest that keeps one.
std::optional<record::TargetPlatform> ParsePlatform(const std::optional<std::string>& name, std::optional<int> version);

}  // namespace nacelle::python

#endif  // NACELLE_PY_CSRC_BINDINGS_H_
