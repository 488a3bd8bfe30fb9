#include "core/tensorrt/builder/builder_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/fork.h"
#include "core/known_releases.h"
#include "core/tensorrt/builder/parser_slots.h"
#include "core/tensorrt/discover.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCreateBuilder = "createInferBuilder_INTERNAL";
constexpr const char* kCreateParser = "createNvOnnxParser_INTERNAL";

// File names of the libraries that a release links to or loads by name. Once they are opened from the release's own
// folder, the loader finds them by name.
constexpr std::string_view kCompanions[] = {"libcublas.so", "libcublasLt.so", "libcudnn.so", "libnvinfer_plugin.so",
                                            "libnvinfer_builder_resource"};

template <typename F>
F Symbol(void* file, const char* name) {
  return reinterpret_cast<F>(dlsym(file, name));
}

std::string LoaderError() {
  const char* const reason = dlerror();
  return reason == nullptr ? "no reason is given" : reason;
}

// Opens the companions in the library's folder. Failures are left to the loader, whose message is the better one.
void OpenCompanions(const fs::path& library) {
  if (!library.has_parent_path()) return;
  std::vector<fs::path> files;
  std::error_code ignored;
  for (fs::directory_iterator item(library.parent_path(), ignored), end; !ignored && item != end;
       item.increment(ignored)) {
    files.push_back(item->path());
  }
  for (const std::string_view companion : kCompanions) {
    for (const fs::path& file : files) {
      if (file.filename().string().starts_with(companion)) dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL);
    }
  }
}

void* OpenParser(const std::string& path, const Library& library) {
  void* const file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) {
    throw LibraryError(Cat("the ONNX parser of ", library.Describe(), " cannot be loaded: ", LoaderError(),
                           "; put the parser of the same release beside ", library.path(), ", or give its path"));
  }
  if (dlsym(file, kCreateParser) != nullptr) return file;
  dlclose(file);
  throw LibraryError(Cat(path, " is no ONNX parser of TensorRT: it does not export ", kCreateParser));
}

// Throws for a release whose parser has unknown slots.
void RefuseUnknownParser(const std::string& path, const Library& library) {
  const int major = library.table().release.major;
  if (ParserSlotsOf(major)) return;
  std::vector<std::string> others;
  for (const int known : KnownMajors(Product::kTensorRT)) {
    if (ParserSlotsOf(known)) others.push_back(Cat(known, ".x"));
  }
  std::ranges::reverse(others);
  throw LibraryError(Cat(library.Describe(), " at ", path, " runs plans but builds none: Nacelle does not know the ",
                         "ONNX parser of TensorRT ", major, ".x; build with TensorRT ", Join(others, ", "),
                         ", or build the plan with TensorRT's own tools and embed it"));
}

bool MayBuild(LibraryKind kind) { return kind == LibraryKind::kFull || kind == LibraryKind::kRtx; }

std::vector<Candidate> CandidatesOf(const std::string& place) {
  std::vector<Candidate> candidates = place.empty() ? Discover() : DiscoverIn(place);
  std::erase_if(candidates, [](const Candidate& candidate) { return !MayBuild(candidate.kind); });
  return candidates;
}

}  // namespace

std::string ParserBeside(const std::string& path) {
  const fs::path file(path);
  const std::string name = file.filename().string();
  const size_t so = name.find(".so");
  const char* const stem = KindOfFile(path) == LibraryKind::kRtx ? "libtensorrt_onnxparser_rtx" : "libnvonnxparser";
  const std::string version = so == std::string::npos ? ".so" : name.substr(so);
  // "libnvinfer.so.8.5.3" may stand beside a "libnvonnxparser.so.8".
  const std::string major = version.substr(0, version.find('.', 4));
  const fs::path exact = file.parent_path() / Cat(stem, version);
  const fs::path of_major = file.parent_path() / Cat(stem, major);
  std::error_code ignored;
  return (version != major && fs::exists(exact, ignored) ? exact : of_major).string();
}

std::shared_ptr<const BuilderLibrary> BuilderLibrary::Open(const std::string& path, const std::string& parser_path) {
  std::shared_ptr<const Library> library = Library::Open(path);
  if (!MayBuild(library->kind())) {
    throw LibraryError(
        Cat(library->Describe(), " at ", path, " builds no engines: use a full library (libnvinfer) or TensorRT-RTX"));
  }
  RefuseUnknownParser(path, *library);
  void* const file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (file == nullptr || dlsym(file, kCreateBuilder) == nullptr) {
    throw LibraryError(Cat(library->Describe(), " at ", path, " does not export ", kCreateBuilder,
                           ", and so builds no engines: use a full library (libnvinfer) or TensorRT-RTX"));
  }
  const std::string parser = parser_path.empty() ? ParserBeside(path) : parser_path;

  using Opened = std::map<std::pair<const Library*, std::string>, std::shared_ptr<const BuilderLibrary>>;
  static auto* const mutex = new ForkableMutex<>;
  static Opened* const opened = new Opened;
  const std::lock_guard lock(*mutex);
  std::shared_ptr<const BuilderLibrary>& entry = (*opened)[{library.get(), parser}];
  if (entry == nullptr) {
    OpenCompanions(path);
    void* const parser_file = OpenParser(parser, *library);
    entry.reset(new BuilderLibrary(std::move(library), parser, file, parser_file));
  }
  return entry;
}

BuilderLibrary::BuilderLibrary(std::shared_ptr<const Library> library, std::string parser_path, void* library_file,
                               void* parser_file)
    : library_(std::move(library)),
      parser_path_(std::move(parser_path)),
      create_builder_(Symbol<CreateBuilder>(library_file, kCreateBuilder)),
      create_parser_(Symbol<CreateParser>(parser_file, kCreateParser)),
      version_(Symbol<int32_t (*)()>(library_file, "getInferLibVersion")()),
      parser_version_([parser_file] {
        const auto version = Symbol<int32_t (*)()>(parser_file, "getNvOnnxParserVersion");
        return version == nullptr ? 0 : version();
      }()) {}

// The parser of 8.5 reads up to 17, that of 11 up to 25 (NVIDIA's ONNX Opset Guide). Versions after 20 give torch's
// exporter no better graph.
int32_t BuilderLibrary::OnnxOpset() const { return library_->table().release.major < 10 ? 17 : 20; }

void* BuilderLibrary::CreateBuilderObject() const { return create_builder_(library_->logger_object(), version_); }

void* BuilderLibrary::CreateParserObject(void* network) const {
  return create_parser_(network, library_->logger_object(), parser_version_);
}

std::vector<FoundBuilder> FindBuilders(const std::string& place) {
  std::vector<FoundBuilder> builders;
  for (const Candidate& candidate : CandidatesOf(place)) {
    FoundBuilder builder{candidate.path, ParserBeside(candidate.path), candidate.kind, nullptr, ""};
    try {
      builder.library = BuilderLibrary::Open(candidate.path);
    } catch (const Error& error) {
      builder.problem = error.what();
    }
    if (candidate.path.find('/') == std::string::npos) {
      // A bare name may lead the system's loader nowhere, which is no problem, or to a library that is already listed.
      if (builder.library == nullptr) continue;
      const auto same = [&](const FoundBuilder& other) {
        return other.library != nullptr && other.library->library() == builder.library->library();
      };
      if (std::ranges::any_of(builders, same)) continue;
    }
    builders.push_back(std::move(builder));
  }
  return builders;
}

}  // namespace nacelle::tensorrt
