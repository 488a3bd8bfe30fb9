// The slots of the ONNX parser's functions in its virtual table.
//
// They come from the parser's headers for 8.5 to 8.6 and 10.0 to 10.1 (third_party/tensorrt/slots), and from NVIDIA's
// Python bindings for 10.15, 11.0, 11.4 and TensorRT-RTX 1.7; //tests/conformance checks the latter. For 9.x neither
// header nor bindings were at hand, so Nacelle builds nothing with it.
//
// Internal to core/tensorrt/builder. Constant data.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_PARSER_SLOTS_H_
#define NACELLE_CORE_TENSORRT_BUILDER_PARSER_SLOTS_H_

#include <optional>

namespace nacelle::tensorrt {

// nvonnxparser::IParser.
struct ParserSlots {
  int parse;
  int num_errors;
  int get_error;
  int remove;  // destroy() in 8.x, the deleting destructor from 10.0 on
};

// Returns the slots of a major release; nullopt if they are unknown.
constexpr std::optional<ParserSlots> ParserSlotsOf(int major) {
  if (major >= 11) return ParserSlots{0, 3, 4, 7};
  if (major == 10) return ParserSlots{0, 5, 6, 9};
  if (major == 8) return ParserSlots{0, 6, 7, 5};
  return std::nullopt;
}

// nvonnxparser::IParserError; the last two from 10.0 on.
namespace parser_error {
inline constexpr int kDescription = 1;
inline constexpr int kNode = 5;
inline constexpr int kNodeName = 6;
inline constexpr int kNodeOperator = 7;
}  // namespace parser_error

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_PARSER_SLOTS_H_
