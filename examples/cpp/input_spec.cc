#include "examples/cpp/input_spec.h"

#include <ATen/Functions.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace nacelle::examples {
namespace {

struct NamedType {
  const char* name;
  at::ScalarType type;
};

constexpr NamedType kTypes[] = {
    {"float32", at::ScalarType::Float},  {"float16", at::ScalarType::Half}, {"bfloat16", at::ScalarType::BFloat16},
    {"float64", at::ScalarType::Double}, {"int64", at::ScalarType::Long},   {"int32", at::ScalarType::Int},
    {"int16", at::ScalarType::Short},    {"int8", at::ScalarType::Char},    {"uint8", at::ScalarType::Byte},
    {"bool", at::ScalarType::Bool},
};

[[noreturn]] void Reject(std::string_view text, const std::string& why) {
  throw std::invalid_argument("--input " + std::string(text) + ": " + why);
}

int64_t ParseNumber(std::string_view digits, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0) {
    Reject(text, "'" + std::string(digits) + "' is no number from 0 up");
  }
  return number;
}

at::ScalarType ParseType(std::string_view name, std::string_view text) {
  std::string known;
  for (const NamedType& entry : kTypes) {
    if (name == entry.name) return entry.type;
    known += std::string(known.empty() ? "" : ", ") + entry.name;
  }
  Reject(text, "'" + std::string(name) + "' is no dtype; there are " + known);
}

std::vector<int64_t> ParseShape(std::string_view shape, std::string_view text) {
  std::vector<int64_t> sizes;
  while (!shape.empty()) {
    const size_t end = shape.find('x');
    sizes.push_back(ParseNumber(shape.substr(0, end), text));
    if (end == shape.size() - 1) Reject(text, "the shape ends in 'x'");
    shape = end == std::string_view::npos ? std::string_view() : shape.substr(end + 1);
  }
  return sizes;
}

InputSpec::Fill ParseFill(std::string_view fill, std::string_view text) {
  if (fill == "random") return InputSpec::Fill::kRandom;
  if (fill == "zeros") return InputSpec::Fill::kZeros;
  if (fill == "ones") return InputSpec::Fill::kOnes;
  Reject(text, "'" + std::string(fill) + "' is no fill; there are random, zeros, ones");
}

at::Tensor ReadTensor(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (bytes.empty()) throw std::runtime_error("cannot read the input " + path + ": it is not there, or empty");
  const at::IValue value = torch::jit::pickle_load(bytes);
  if (!value.isTensor()) {
    throw std::runtime_error("the input " + path + " holds a value of type " + value.tagKind() +
                             "; a tensor is wanted");
  }
  return value.toTensor();
}

}  // namespace

InputSpec ParseInputSpec(std::string_view text) {
  InputSpec spec;
  std::string_view rest = text;
  const size_t equals = rest.find('=');
  if (equals != std::string_view::npos) {
    spec.index = static_cast<size_t>(ParseNumber(rest.substr(0, equals), text));
    rest.remove_prefix(equals + 1);
  }
  const size_t colon = rest.find(':');
  if (colon == std::string_view::npos) {
    if (rest.empty()) Reject(text, "wanted [N=]DTYPE:SHAPE[:FILL] or [N=]FILE");
    spec.file = rest;
    return spec;
  }
  spec.dtype = ParseType(rest.substr(0, colon), text);
  rest.remove_prefix(colon + 1);
  const size_t second = rest.find(':');
  spec.shape = ParseShape(rest.substr(0, second), text);
  if (second != std::string_view::npos) spec.fill = ParseFill(rest.substr(second + 1), text);
  return spec;
}

at::Tensor MakeInput(const InputSpec& spec) {
  if (!spec.file.empty()) return ReadTensor(spec.file);
  if (spec.fill == InputSpec::Fill::kZeros) return at::zeros(spec.shape, spec.dtype);
  if (spec.fill == InputSpec::Fill::kOnes) return at::ones(spec.shape, spec.dtype);
  if (at::isFloatingType(spec.dtype)) return at::randn(spec.shape).to(spec.dtype);
  return at::randint(spec.dtype == at::ScalarType::Bool ? 2 : 10, spec.shape).to(spec.dtype);
}

std::vector<InputSpec> InPlaces(const std::vector<InputSpec>& specs, size_t count) {
  std::vector<std::optional<InputSpec>> places(count);
  for (const InputSpec& spec : specs) {
    const auto free = std::find(places.begin(), places.end(), std::nullopt);
    const size_t place = spec.index.value_or(static_cast<size_t>(free - places.begin()));
    const std::string name = "input " + std::to_string(place);
    if (place >= count) {
      throw std::invalid_argument(name + " is given (counted from 0); the program takes " + std::to_string(count));
    }
    if (places[place]) throw std::invalid_argument(name + " is given twice");
    places[place] = spec;
  }
  std::vector<InputSpec> all;
  for (size_t i = 0; i < count; ++i) {
    if (!places[i]) {
      const std::string number = std::to_string(i);
      throw std::invalid_argument("input " + number + " (counted from 0) of the program's " + std::to_string(count) +
                                  " is missing: give --input " + number + "=DTYPE:SHAPE");
    }
    all.push_back(*std::move(places[i]));
  }
  return all;
}

}  // namespace nacelle::examples
