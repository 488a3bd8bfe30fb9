// Reads the inputs of a program from the command line.
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

// An input and the way to make it: `[N=]DTYPE:SHAPE[:FILL]` or `[N=]FILE`.
struct InputSpec {
  enum class Fill { kRandom, kZeros, kOnes };

  std::optional<size_t> index;  // from 0; unset: the first input that has no spec yet
  std::string file;             // a file of torch.save with the tensor; if empty, the three below describe it
  at::ScalarType dtype = at::ScalarType::Float;
  std::vector<int64_t> shape;
  Fill fill = Fill::kRandom;
};

// Reads `0=float32:1x3x224x224`, `int64:8:zeros`, `float32:` (no dimension: 0-d) or `1=image.pt`.
// Throws std::invalid_argument that quotes the text and says what is wrong in it.
InputSpec ParseInputSpec(std::string_view text);

// Makes the tensor, on the CPU: random ones from torch's generator, floats normally distributed, integers from 0 to 9.
// Throws std::runtime_error if the file cannot be read or holds no tensor.
at::Tensor MakeInput(const InputSpec& spec);

// Orders `specs` by the `count` inputs. Throws std::invalid_argument if an input has no spec, has two, or does not
// exist.
std::vector<InputSpec> InPlaces(const std::vector<InputSpec>& specs, size_t count);

}  // namespace nacelle::examples

#endif  // NACELLE_EXAMPLES_CPP_INPUT_SPEC_H_
