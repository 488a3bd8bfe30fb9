// Plans of small networks, made in code.
#ifndef NACELLE_TESTS_REFERENCE_NETWORKS_H_
#define NACELLE_TESTS_REFERENCE_NETWORKS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "reference/plan.h"

namespace nacelle::reference {

// An input of a fixed shape.
TensorSpec Fixed(std::string name, tensorrt::DataType dtype, std::vector<int64_t> shape);
// A dynamic one: extents that differ between min and max of any profile are -1.
TensorSpec Dynamic(std::string name, tensorrt::DataType dtype, std::vector<ShapeRange> profiles);

struct NetworkOptions {
  std::string name = "network";
  std::vector<std::string> output_names;
  std::set<std::string> data_dependent;
};

// A plan of the module that has `forward` (TorchScript source, "def forward(self, x): …") as its only method.
std::string PlanOf(const std::string& forward, std::vector<TensorSpec> inputs, const NetworkOptions& options = {});

// Two outputs of a (N, 3) input, N from 1 to 16, optimum 2: sum (N) and twice (N, 3).
//
//   x (N, 3) ─┬─ sum over rows ──▶ sum (N)
//             └─ times 2 ────────▶ twice (N, 3)
std::string TwoHeads();
// The same with `profiles` profiles: profile p takes N from 1 to 16 * (p + 1).
std::string TwoHeads(int profiles);
// The same with N fixed at 2.
std::string TwoHeadsFixed();
// x (4) of float32 ──▶ where (n, 1) of `index`: the places of elements that are not zero.
std::string Nonzero(tensorrt::DataType dtype);
// y = x, for x (3) of `dtype`.
std::string Identity(tensorrt::DataType dtype);
// y (1, 3) = x + 1, computed in place in x (3) of float32. The builder refuses this module; older plans have such ones.
std::string PlanThatWritesToItsInput();

}  // namespace nacelle::reference

#endif  // NACELLE_TESTS_REFERENCE_NETWORKS_H_
