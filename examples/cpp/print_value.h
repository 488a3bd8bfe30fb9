// Prints the values that a program returns.
#ifndef NACELLE_EXAMPLES_CPP_PRINT_VALUE_H_
#define NACELLE_EXAMPLES_CPP_PRINT_VALUE_H_

#include <ATen/core/ivalue.h>

#include <ostream>
#include <string>

namespace nacelle::examples {

// Writes a line for each tensor in `value`: `NAME: float32 [1, 1000] cpu: 0.12 -3.4 … `, its first values. Looks into
// tuples and lists (`NAME[0]`); writes other values as TorchScript does.
void PrintValue(std::ostream& out, const std::string& name, const at::IValue& value);

}  // namespace nacelle::examples

#endif  // NACELLE_EXAMPLES_CPP_PRINT_VALUE_H_
