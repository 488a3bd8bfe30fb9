// A TensorRT that can build engines: its library and the ONNX parser that belongs to it, opened at run time.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_BUILDER_LIBRARY_H_
#define NACELLE_CORE_TENSORRT_BUILDER_BUILDER_LIBRARY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensorrt/library.h"

namespace nacelle::tensorrt {

// Immutable; any thread may use it. Like Library it stays in the process once it is open.
class BuilderLibrary {
 public:
  // Opens `path` (libnvinfer or libtensorrt_rtx) and `parser_path` (libnvonnxparser or libtensorrt_onnxparser_rtx;
  // empty: the one beside `path`). What they link to is taken from their own folder first, so that a release lies
  // together without LD_LIBRARY_PATH. Any thread.
  // Throws LibraryError: what Library::Open throws; a library that builds nothing (lean, dispatch); a parser that is
  // not there or cannot be loaded, with the loader's reason.
  static std::shared_ptr<const BuilderLibrary> Open(const std::string& path, const std::string& parser_path = "");

  BuilderLibrary(const BuilderLibrary&) = delete;
  BuilderLibrary& operator=(const BuilderLibrary&) = delete;
  ~BuilderLibrary() = default;

  const std::shared_ptr<const Library>& library() const { return library_; }
  const std::string& parser_path() const { return parser_path_; }

  // A version of ONNX's operator set that the release's parser reads, for whoever can choose. It may read later ones.
  int32_t OnnxOpset() const;

  // Null on failure; the caller owns what it gets. For build.cc.
  void* CreateBuilderObject() const;
  void* CreateParserObject(void* network) const;

 private:
  using CreateBuilder = void* (*)(void* logger, int32_t version) noexcept;
  using CreateParser = void* (*)(void* network, void* logger, int32_t version) noexcept;

  BuilderLibrary(std::shared_ptr<const Library> library, std::string parser_path, void* library_file,
                 void* parser_file);

  const std::shared_ptr<const Library> library_;
  const std::string parser_path_;
  const CreateBuilder create_builder_;
  const CreateParser create_parser_;
  const int32_t version_;
  const int32_t parser_version_;
};

// A library that may build, or why it cannot.
struct FoundBuilder {
  std::string path;
  std::string parser_path;
  LibraryKind kind = LibraryKind::kFull;
  std::shared_ptr<const BuilderLibrary> library;  // null where there is a problem
  std::string problem;
};

// Opens what Discover() finds of full libraries and of TensorRT-RTX, in its order; those of the system that are not
// there are left out. With a `place`, a file or a folder, what is there instead.
std::vector<FoundBuilder> FindBuilders(const std::string& place = "");

// Where the parser of a library should be: "/opt/trt/libnvonnxparser.so.8" for "/opt/trt/libnvinfer.so.8.5.3".
std::string ParserBeside(const std::string& path);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_BUILDER_LIBRARY_H_
