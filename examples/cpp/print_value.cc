#include "examples/cpp/print_value.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "runtime/tensor_info.h"

namespace nacelle::examples {
namespace {

constexpr int64_t kShown = 8;

void PrintTensor(std::ostream& out, const at::Tensor& tensor) {
  out << runtime::DtypeName(tensor.scalar_type()) << " [";
  for (int64_t i = 0; i < tensor.dim(); ++i) out << (i == 0 ? "" : ", ") << tensor.size(i);
  out << "] " << tensor.device() << ":";
  const int64_t shown = std::min(tensor.numel(), kShown);
  const at::Tensor values = tensor.detach().reshape({-1}).narrow(0, 0, shown).to(at::kCPU, at::kDouble).contiguous();
  for (int64_t i = 0; i < shown; ++i) out << " " << values.const_data_ptr<double>()[i];
  out << (tensor.numel() > shown ? " …" : "") << "\n";
}

}  // namespace

void PrintValue(std::ostream& out, const std::string& name, const at::IValue& value) {
  if (value.isTensor() && value.toTensor().defined()) {
    out << name << ": ";
    PrintTensor(out, value.toTensor());
  } else if (value.isTuple() || value.isList()) {
    const std::vector<at::IValue> parts =
        value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
    if (parts.empty()) out << name << ": empty\n";
    for (size_t i = 0; i < parts.size(); ++i) PrintValue(out, name + "[" + std::to_string(i) + "]", parts[i]);
  } else {
    out << name << ": " << value << "\n";
  }
}

}  // namespace nacelle::examples
