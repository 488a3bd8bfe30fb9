#include "examples/cpp/save_value.h"

#include <torch/csrc/jit/serialization/pickle.h>

#include <fstream>
#include <stdexcept>
#include <utility>
#include <vector>

namespace nacelle::examples {
namespace {

// The value with tuples for its lists: torch.load refuses TorchScript's typed lists, unless it is told to trust a file.
at::IValue WithoutLists(const at::IValue& value) {
  if (!value.isTuple() && !value.isList()) return value;
  std::vector<at::IValue> parts = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
  for (at::IValue& part : parts) part = WithoutLists(part);
  return c10::ivalue::Tuple::create(std::move(parts));
}

}  // namespace

void SaveValue(const at::IValue& value, const std::string& path) {
  const std::vector<char> bytes = torch::jit::pickle_save(WithoutLists(value));
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace nacelle::examples
