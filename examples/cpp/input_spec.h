// Inputs as the command line gives them.
#ifndef NACELLE_EXAMPLES_CPP_INPUT_SPEC_H_
#define NACELLE_EXAMPLES_CPP_INPUT_SPEC_H_

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nacelle::examples {

// Which input, and how to make it: `[N=]DTYPE:SHAPE[:FILL]` or `[N=]FILE`.
struct InputSpec {
  enum class Fill { kRandom, kZeros, kOnes };

  std::optional<size_t> index;  // counted from 0; left out: the first one that has none yet
  std::string file;             // where torch.save wrote the tensor; else, when empty, the three below
  at::ScalarType dtype = at::ScalarType::Float;
  std::vector<int64_t> shape;
  Fill fill = Fill::kRandom;
};

// Reads `0=float32:1x3x224x224`, `int64:8:zeros`, `float32:` (no dimension: 0-d) or `1=image.pt`.
// Throws std::invalid_argument that quotes the text and says what is wrong in it.
InputSpec ParseInputSpec(std::string_view text);

// Makes the tensor, on the CPU: random ones from torch's generator, floats normally distributed, integers from 0 to 9.
// Throws std::runtime_error where the file cannot be read or holds no tensor.
at::Tensor MakeInput(const InputSpec& spec);

// Puts `specs` into the places of `count` inputs. Throws std::invalid_argument where a place is left, is taken twice or
// does not exist.
std::vector<InputSpec> InPlaces(const std::vector<InputSpec>& specs, size_t count);

}  // namespace nacelle::examples

#endif  // NACELLE_EXAMPLES_CPP_INPUT_SPEC_H_
