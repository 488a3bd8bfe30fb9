// A TensorRT library, opened at run time.
//
// Only Library::Open opens one: loading Nacelle loads no TensorRT and touches no driver.
//
//   const std::shared_ptr<const Library> library = Library::Open("libnvinfer.so.10");
//   library->Describe();  // "TensorRT 10.15.1.29"
#ifndef NACELLE_CORE_TENSORRT_LIBRARY_H_
#define NACELLE_CORE_TENSORRT_LIBRARY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/release.h"
#include "core/tensorrt/callbacks.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

enum class LibraryKind : uint8_t {
  kFull,       // libnvinfer
  kLean,       // libnvinfer_lean: runs version-compatible plans, builds none
  kDispatch,   // libnvinfer_dispatch: loads the lean runtime that a plan carries
  kRtx,        // libtensorrt_rtx (TensorRT-RTX): releases of its own, the interface of TensorRT 11
  kReference,  // libnacelle_reference: Nacelle's own, on the CPU
};

// An opened library. Immutable, and shared by all handles made from it; any thread may use it.
//
// An opened library stays in the process until the process ends: TensorRT keeps a pointer to the first logger it gets,
// starts threads, and does not expect to be unloaded. Open returns the same object for the same library again.
class Library {
 public:
  // Opens the library at `path` (a path with a slash, or a file name for the system's search) with its symbols kept
  // local, so that several releases work side by side. Any thread.
  //
  // Throws LibraryError if the file cannot be loaded (with the loader's reason), lacks an entry point (named), or is of
  // a release without a slot table (with the list of known ones; a newer minor release of a known major one has one).
  static std::shared_ptr<const Library> Open(const std::string& path);

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() = default;

  // Returns the path of the first call to Open.
  const std::string& path() const { return path_; }

  // Returns the release that the library reports; for kRtx in TensorRT-RTX's own numbers. Libraries before 10.0 report
  // no build number: it then comes from the slot table of the same major.minor.patch, or is 0 if there is none.
  const Release& release() const { return release_; }

  LibraryKind kind() const { return kind_; }

  // Returns the slots of its methods.
  const SlotTable& table() const { return table_; }

  // Names the library in a message: "TensorRT 8.5.3.1", "TensorRT 10.15.1.29 (lean)", "TensorRT-RTX 1.7.1.116", "the
  // reference engine (as TensorRT 11.1.0.106)".
  std::string Describe() const;

  // Calls createInferRuntime_INTERNAL with this library's logger and version number. Returns null on failure. For
  // Runtime (handles.h), which owns the object.
  void* CreateRuntimeObject() const;

  // Returns the ILogger for other objects that this library makes. It lives as long as the process.
  void* logger_object() const { return logger_.object(); }

 private:
  using CreateRuntime = void* (*)(void* logger, int32_t version) noexcept;

  // The facts about a loaded file, before it is accepted.
  struct Probe {
    void* file = nullptr;
    int32_t version = 0;
    CreateRuntime create_runtime = nullptr;
    LibraryKind kind = LibraryKind::kFull;
    Release release;
  };

  static Probe Ask(const std::string& path, void* file);
  Library(std::string path, const Probe& probe, const SlotTable& table);

  const std::string path_;
  const int32_t version_;
  const CreateRuntime create_runtime_;
  const LibraryKind kind_;
  const Release release_;
  const SlotTable& table_;
  // The logger of every object of the library; it lives as long as the process.
  mutable Logger logger_;
};

// Returns the release that a result of getInferLibVersion() means: 8503 is 8.5.3, 101302 is 10.13.2; 10701,
// TensorRT-RTX's, is 1.7.1. The build number is 0.
Release DecodeVersion(int32_t version);

// Returns the kind by a file's name: "libnvinfer_lean.so.10" is kLean. Never kReference.
LibraryKind KindOfFile(const std::string& path);

// "full", "lean", "dispatch", "TensorRT-RTX", "reference".
const char* ToString(LibraryKind kind);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_LIBRARY_H_
