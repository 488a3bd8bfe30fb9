// Engines of a program that is run: their description, and inputs for them.
#ifndef NACELLE_EXAMPLES_CPP_ENGINES_H_
#define NACELLE_EXAMPLES_CPP_ENGINES_H_

#include <ostream>
#include <vector>

#include "examples/cpp/input_spec.h"
#include "runtime/program.h"

namespace nacelle::examples {

// Writes the number of engines, and each one's path and description.
void PrintEngines(std::ostream& out, const std::vector<runtime::EngineSite>& engines);

// Returns the inputs that the program's only engine was built for; none if it has not one engine.
std::vector<InputSpec> InputsOfEngine(const std::vector<runtime::EngineSite>& engines);

}  // namespace nacelle::examples

#endif  // NACELLE_EXAMPLES_CPP_ENGINES_H_
