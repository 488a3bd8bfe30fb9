#include <ATen/PythonTorchFunctionTLS.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <pybind11/pybind11.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/jit/api/object.h>

#include <utility>

#include "py/csrc/bindings.h"
#include "py/csrc/without_gil.h"

namespace nacelle::python {
namespace {

namespace py = pybind11;

const c10::OperatorHandle& Operator() {
  static const c10::OperatorHandle handle =
      c10::Dispatcher::singleton().findSchemaOrThrow("tensorrt::execute_engine", "");
  return handle;
}

// Calls the engine's operator as torch.ops does, by way of torch's dispatcher, but without the search among overloads
// and the general conversion of arguments, which cost more than the rest of the call. Returns None, without a call, if
// Python has a say in it: an input of a subclass of torch.Tensor or none at all, a mode of __torch_function__, an
// object that stands for an engine while torch traces.
py::object Execute(const py::tuple& inputs, const py::object& engine) {
  if (at::impl::torch_function_mode_enabled() || !py::isinstance<torch::jit::Object>(engine)) return py::none();
  c10::List<at::Tensor> tensors;
  tensors.reserve(inputs.size());
  for (const py::handle input : inputs) {
    if (!THPVariable_CheckExact(input.ptr())) return py::none();
    tensors.push_back(THPVariable_Unpack(input.ptr()));
  }
  torch::jit::Stack stack;
  stack.reserve(2);
  stack.emplace_back(std::move(tensors));
  stack.emplace_back(engine.cast<const torch::jit::Object&>()._ivalue());
  {
    const WithoutGil released;
    Operator().callBoxed(stack);
  }
  const c10::List<at::Tensor> outputs = std::move(stack.back()).toTensorList();
  py::list list;
  for (size_t i = 0; i < outputs.size(); ++i) {
    list.append(py::reinterpret_steal<py::object>(THPVariable_Wrap(outputs.get(i))));
  }
  return list;
}

}  // namespace

void BindExecute(py::module_& m) {
  m.def("execute", torch::wrap_pybind_function(&Execute), py::arg("inputs"), py::arg("engine"));
}

}  // namespace nacelle::python
