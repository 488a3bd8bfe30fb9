// Saves the values that a program returns.
#ifndef NACELLE_EXAMPLES_CPP_SAVE_VALUE_H_
#define NACELLE_EXAMPLES_CPP_SAVE_VALUE_H_

#include <ATen/core/ivalue.h>

#include <string>

namespace nacelle::examples {

// Writes a value to a file that torch.load of Python reads, with tuples for its lists. Throws std::runtime_error if the
// file cannot be written.
void SaveValue(const at::IValue& value, const std::string& path);

}  // namespace nacelle::examples

#endif  // NACELLE_EXAMPLES_CPP_SAVE_VALUE_H_
