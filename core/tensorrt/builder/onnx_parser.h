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

// nvonnxparser::IParser. For one thread at a time. The network and what its weights are read from outlive it: TensorRT
// builds from the parser's memory, so keep it until the build is done.
class OnnxParser {
 public:
  // `network` is an INetworkDefinition of the library's, and empty. Throws LibraryError where the library gives none.
  OnnxParser(std::shared_ptr<const BuilderLibrary> library, void* network);
  ~OnnxParser();
  OnnxParser(const OnnxParser&) = delete;
  OnnxParser& operator=(const OnnxParser&) = delete;

  // Reads a serialized ModelProto. `path` is where its external data lies beside; empty: it has none.
  // Throws InputError with each error of the parser's: node, operator, reason.
  void Parse(std::string_view model, const std::string& path);

 private:
  std::string Errors() const;

  const std::shared_ptr<const BuilderLibrary> library_;
  void* const parser_;
};

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_ONNX_PARSER_H_
