#include "core/tensorrt/library.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/fork.h"
#include "core/tensorrt/log.h"
#include "core/tensorrt/messages.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

constexpr const char* kCreateRuntime = "createInferRuntime_INTERNAL";
constexpr const char* kGetVersion = "getInferLibVersion";
constexpr const char* kGetBuild = "getInferLibBuildVersion";
constexpr const char* kReferenceMark = "nacelle_reference_version";

// The sink of the loggers of all libraries.
class ToMessages final : public LogSink {
 public:
  void Log(Severity severity, const char* text) override { RecordMessage(severity, text); }
};

ToMessages& Messages() {
  static ToMessages* const sink = new ToMessages;
  return *sink;
}

template <typename F>
F Symbol(void* file, const char* name) {
  return reinterpret_cast<F>(dlsym(file, name));
}

// Throws if entry points are missing, and names them.
void RequireEntryPoints(const std::string& path, void* file) {
  std::string missing;
  for (const char* name : {kGetVersion, kCreateRuntime}) {
    if (dlsym(file, name) == nullptr) missing += Cat(missing.empty() ? "" : " and ", name);
  }
  if (missing.empty()) return;
  throw LibraryError(Cat(path, " is no TensorRT runtime library: it does not export ", missing,
                         "; give the path of libnvinfer.so, libnvinfer_lean.so or libnacelle_reference.so"));
}

const SlotTable& TableOf(const std::string& path, LibraryKind kind, const Release& release) {
  try {
    return kind == LibraryKind::kRtx ? RtxTableFor(release) : TableFor(release);
  } catch (const LibraryError& error) {
    throw LibraryError(Cat(path, " cannot be used: ", error.what()));
  }
}

// Adds the build number, which libraries before 10.0 do not report, from the table of the same release.
Release WithBuild(const Release& release, const SlotTable& table) {
  const Release& known = table.release;
  const bool same = known.major == release.major && known.minor == release.minor && known.patch == release.patch;
  return release.build == 0 && same ? known : release;
}

// Closes a file that turned out not to be usable.
struct CloseFile {
  void operator()(void* file) const { dlclose(file); }
};

}  // namespace

Release DecodeVersion(int32_t version) {
  if (version < 10000) return {version / 1000, version / 100 % 10, version % 100, 0};
  return {version / 10000, version / 100 % 100, version % 100, 0};
}

LibraryKind KindOfFile(const std::string& path) {
  const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  if (name.starts_with("libtensorrt_rtx")) return LibraryKind::kRtx;
  if (name.starts_with("libnvinfer_lean")) return LibraryKind::kLean;
  if (name.starts_with("libnvinfer_dispatch")) return LibraryKind::kDispatch;
  return LibraryKind::kFull;
}

const char* ToString(LibraryKind kind) {
  switch (kind) {
    case LibraryKind::kFull:
      return "full";
    case LibraryKind::kLean:
      return "lean";
    case LibraryKind::kDispatch:
      return "dispatch";
    case LibraryKind::kRtx:
      return "TensorRT-RTX";
    case LibraryKind::kReference:
      return "reference";
  }
  return "?";
}

Library::Probe Library::Ask(const std::string& path, void* file) {
  RequireEntryPoints(path, file);
  Probe probe;
  probe.file = file;
  probe.create_runtime = Symbol<CreateRuntime>(file, kCreateRuntime);
  probe.version = Symbol<int32_t (*)()>(file, kGetVersion)();
  probe.kind = dlsym(file, kReferenceMark) != nullptr ? LibraryKind::kReference : KindOfFile(path);
  probe.release = DecodeVersion(probe.version);
  const auto get_build = Symbol<int32_t (*)()>(file, kGetBuild);
  if (get_build != nullptr) probe.release.build = get_build();
  return probe;
}

std::shared_ptr<const Library> Library::Open(const std::string& path) {
  std::unique_ptr<void, CloseFile> file(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (file == nullptr) {
    const char* reason = dlerror();
    throw LibraryError(Cat("the TensorRT library ", Quote(path, 400),
                           " cannot be loaded: ", reason == nullptr ? "no reason is given" : reason));
  }
  const Probe probe = Ask(path, file.get());
  const SlotTable& table = TableOf(path, probe.kind, probe.release);

  // Never destroyed, since libraries are never closed (the header says why). The version is part of the key because the
  // reference engine takes the release that it stands for from the environment.
  using Opened = std::map<std::pair<void*, int32_t>, std::shared_ptr<const Library>>;
  static auto* const mutex = new ForkableMutex<>;
  static Opened* const opened = new Opened;
  const std::lock_guard lock(*mutex);
  std::shared_ptr<const Library>& entry = (*opened)[{probe.file, probe.version}];
  if (entry == nullptr) {
    entry.reset(new Library(path, probe, table));
    file.release();
  }
  return entry;
}

Library::Library(std::string path, const Probe& probe, const SlotTable& table)
    : path_(std::move(path)),
      version_(probe.version),
      create_runtime_(probe.create_runtime),
      kind_(probe.kind),
      release_(WithBuild(probe.release, table)),
      table_(table),
      logger_(table, Messages()) {}

std::string Library::Describe() const {
  const std::string release = release_.ToString();
  switch (kind_) {
    case LibraryKind::kRtx:
      return Cat("TensorRT-RTX ", release);
    case LibraryKind::kReference:
      return Cat("the reference engine (as TensorRT ", release, ")");
    case LibraryKind::kFull:
      return Cat("TensorRT ", release);
    default:
      return Cat("TensorRT ", release, " (", ToString(kind_), ")");
  }
}

void* Library::CreateRuntimeObject() const { return create_runtime_(logger_.object(), version_); }

}  // namespace nacelle::tensorrt
