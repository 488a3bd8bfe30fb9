// A TensorRT library that can build engines, with the ONNX parser that belongs to it, opened at run time.
//
//   const std::shared_ptr<const BuilderLibrary> library = BuilderLibrary::Open("/opt/trt/libnvinfer.so.10");
//   const BuildResult result = Build(library, request);  // build.h
#ifndef NACELLE_CORE_TENSORRT_BUILDER_BUILDER_LIBRARY_H_
#define NACELLE_CORE_TENSORRT_BUILDER_BUILDER_LIBRARY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensorrt/library.h"

namespace nacelle::tensorrt {

// An opened builder library. Immutable; any thread may use it. Like Library it stays in the process once it is open.
class BuilderLibrary {
 public:
  // Opens `path` (libnvinfer or libtensorrt_rtx) and `parser_path` (libnvonnxparser or libtensorrt_onnxparser_rtx;
  // empty: the parser beside `path`). Libraries that they link to are searched in their own folder first, so that a
  // release in one folder needs no LD_LIBRARY_PATH. Any thread.
  //
  // Throws LibraryError as Library::Open does, for a library that builds nothing (lean, dispatch), and for a parser
  // that cannot be loaded, with the loader's reason.
  static std::shared_ptr<const BuilderLibrary> Open(const std::string& path, const std::string& parser_path = "");

  BuilderLibrary(const BuilderLibrary&) = delete;
  BuilderLibrary& operator=(const BuilderLibrary&) = delete;
  ~BuilderLibrary() = default;

  const std::shared_ptr<const Library>& library() const { return library_; }
  const std::string& parser_path() const { return parser_path_; }

  // Returns the version of ONNX's operator set to export for this release's parser, which may read later ones too.
  int32_t OnnxOpset() const;

  // Return an object that the caller owns; null on failure. For build.cc.
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

// A library of a kind that builds, opened, or with the reason why it could not be.
struct FoundBuilder {
  std::string path;
  std::string parser_path;
  LibraryKind kind = LibraryKind::kFull;
  std::shared_ptr<const BuilderLibrary> library;  // null if there is a problem
  std::string problem;
};

// Opens the full libraries and those of TensorRT-RTX that Discover() finds, in its order; with a `place`, a file or a
// folder, those there instead. Leaves out names that the system's loader does not find.
std::vector<FoundBuilder> FindBuilders(const std::string& place = "");

// Returns the path where the parser of a library should be: "/opt/trt/libnvonnxparser.so.8" for
// "/opt/trt/libnvinfer.so.8.5.3".
std::string ParserBeside(const std::string& path);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_BUILDER_LIBRARY_H_
