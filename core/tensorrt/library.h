// A TensorRT library, opened at run time.
//
// Nothing here happens before Library::Open is called: loading Nacelle loads no TensorRT and touches no driver.
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

// An opened library: immutable, shared by all handles that come from it; any thread may use it.
//
// A library that was opened stays in the process until it ends: TensorRT keeps pointers to the logger it was given
// first, starts threads, and does not expect to be unloaded. Open gives the same object for the same library again.
class Library {
 public:
  // Opens the library at `path` (a path with a slash, or a file name for the system's search) with its symbols kept
  // local, so that several releases stand side by side. Any thread.
  // Throws LibraryError: the file cannot be loaded (with the loader's own reason), it lacks an entry point (named), or
  // its release has no slot table (with the list of known ones; a newer minor release of a known major one has).
  static std::shared_ptr<const Library> Open(const std::string& path);

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() = default;

  // As given to Open, the first time.
  const std::string& path() const { return path_; }

  // What the library says. The build number is that of the slot table of the same major.minor.patch where the library
  // does not tell it (before 10.0), and 0 where there is no such table either. For kRtx these are TensorRT-RTX's own
  // numbers.
  const Release& release() const { return release_; }

  LibraryKind kind() const { return kind_; }

  // The slots of its methods.
  const SlotTable& table() const { return table_; }

  // "TensorRT 8.5.3.1", "TensorRT 10.15.1.29 (lean)", "TensorRT-RTX 1.7.1.116", "the reference engine (as TensorRT
  // 11.1.0.106)". For messages.
  std::string Describe() const;

  // createInferRuntime_INTERNAL with the logger of this library and the version number that it reports; null on
  // failure. For Runtime (handles.h), which owns the object.
  void* CreateRuntimeObject() const;

  // The logger of this library, an ILogger that is there as long as the process, for other objects that it makes.
  void* logger_object() const { return logger_.object(); }

 private:
  using CreateRuntime = void* (*)(void* logger, int32_t version) noexcept;

  // What the loaded file answers, before it is accepted.
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
  // Given to every runtime of the library, and alive as long as the process.
  mutable Logger logger_;
};

// The release that getInferLibVersion() reports: 8503 is 8.5.3, 101302 is 10.13.2; 10701, TensorRT-RTX's, is 1.7.1.
// The build number is 0.
Release DecodeVersion(int32_t version);

// The kind that a file's name tells: "libnvinfer_lean.so.10" is kLean. Never kReference.
LibraryKind KindOfFile(const std::string& path);

// "full", "lean", "dispatch", "TensorRT-RTX", "reference".
const char* ToString(LibraryKind kind);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_LIBRARY_H_
