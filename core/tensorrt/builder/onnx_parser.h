// TensorRT's ONNX parser, which fills a network.
//
// Internal to core/tensorrt/builder.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_ONNX_PARSER_H_
#define NACELLE_CORE_TENSORRT_BUILDER_ONNX_PARSER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/tensorrt/builder/builder_library.h"

namespace nacelle::tensorrt {

// nvonnxparser::IParser, for one thread at a time. TensorRT builds from the parser's memory, so keep it until the build
// is done. The network and the model's bytes must outlive it.
class OnnxParser {
 public:
  // Makes a parser that fills `network`, an empty INetworkDefinition of the library. Throws LibraryError on failure.
  OnnxParser(std::shared_ptr<const BuilderLibrary> library, void* network);
  ~OnnxParser();
  OnnxParser(const OnnxParser&) = delete;
  OnnxParser& operator=(const OnnxParser&) = delete;

  // Reads a serialized ModelProto. Its external data lies beside the file `path`; empty: it has none.
  // Throws InputError with each of the parser's errors: node, operator, reason.
  void Parse(std::string_view model, const std::string& path);

 private:
  std::string Errors() const;

  const std::shared_ptr<const BuilderLibrary> library_;
  void* const parser_;
};

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_ONNX_PARSER_H_
