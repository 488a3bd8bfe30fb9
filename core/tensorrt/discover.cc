#include "core/tensorrt/discover.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/known_releases.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

namespace fs = std::filesystem;

// File names of runtime libraries, without ".so" and the major release after it.
constexpr std::array<std::string_view, 4> kStems = {"libnvinfer", "libnvinfer_lean", "libnvinfer_dispatch",
                                                    "libtensorrt_rtx"};

// Folders of Python packages, from NVIDIA's wheels, that hold such files.
constexpr std::array<std::string_view, 6> kPackages = {
    "tensorrt", "tensorrt_libs", "tensorrt_lean_libs", "tensorrt_dispatch_libs", "tensorrt_rtx_libs", "tensorrt_rtx"};

struct PackageFolders {
  std::mutex mutex;
  std::optional<std::vector<std::string>> folders;  // unset until SetPackageFolders is called
};

PackageFolders& GlobalPackageFolders() {
  static auto* const folders = new PackageFolders;
  return *folders;
}

std::vector<std::string> SplitPath(const char* text) {
  std::vector<std::string> parts;
  for (std::string_view rest = text == nullptr ? "" : text; !rest.empty();) {
    const size_t end = rest.find(':');
    if (end != 0) parts.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return parts;
}

// Returns the major release in the name of a runtime library: 8 for "libnvinfer.so.8.5.3", 0 for "libnvinfer.so".
// Nullopt for other names.
std::optional<int> MajorOf(std::string_view name) {
  const size_t so = name.find(".so");
  if (so == std::string_view::npos) return std::nullopt;
  if (std::ranges::find(kStems, name.substr(0, so)) == kStems.end()) return std::nullopt;
  std::string_view rest = name.substr(so + 3);
  if (rest.empty()) return 0;
  if (rest.front() != '.') return std::nullopt;
  int major = 0;
  for (rest.remove_prefix(1); !rest.empty() && rest.front() != '.'; rest.remove_prefix(1)) {
    if (rest.front() < '0' || rest.front() > '9' || major > 999) return std::nullopt;
    major = major * 10 + (rest.front() - '0');
  }
  return major;
}

// Returns the same text for all paths of one file, through symbolic and hard links: the file's device and number. A
// path without a file stands for itself.
std::string Identity(const fs::path& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) == 0) return Cat("#", status.st_dev, ":", status.st_ino);
  std::error_code ignored;
  const fs::path real = fs::weakly_canonical(path, ignored);
  return ignored ? path.string() : real.string();
}

// Collects candidates, each file once.
class List {
 public:
  // Adds a file, whatever its name is.
  void AddFile(const fs::path& path, const std::string& source) {
    if (!seen_.insert(Identity(path)).second) return;
    const std::string name = path.filename().string();
    candidates_.push_back({path.string(), source, KindOfFile(name), MajorOf(name).value_or(0)});
  }

  // Adds the libraries in a folder, in the order of their names.
  void AddFolder(const fs::path& folder, const std::string& source) {
    std::error_code ignored;
    std::vector<fs::path> files;
    for (fs::directory_iterator item(folder, ignored), end; !ignored && item != end; item.increment(ignored)) {
      if (MajorOf(item->path().filename().string())) files.push_back(item->path());
    }
    std::ranges::sort(files);
    for (const fs::path& file : files) AddFile(file, source);
  }

  // Adds a library that the system's loader searches by its name.
  void AddName(std::string_view stem, int major) {
    const std::string name = Cat(stem, ".so.", major);
    candidates_.push_back({name, "the system's library path", KindOfFile(name), major});
  }

  std::vector<Candidate> Take() { return std::move(candidates_); }

 private:
  std::vector<Candidate> candidates_;
  std::set<std::string> seen_;
};

void AddPlace(List& list, const std::string& place, const std::string& source) {
  std::error_code ignored;
  if (fs::is_directory(place, ignored)) {
    list.AddFolder(place, source);
  } else {
    list.AddFile(place, source);
  }
}

void AddNamed(List& list) {
  for (const std::string& part : SplitPath(std::getenv(kPathVariable))) AddPlace(list, part, kPathVariable);
}

void AddLoaded(List& list) {
  const auto visit = [](dl_phdr_info* info, size_t, void* data) {
    const fs::path path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
    if (MajorOf(path.filename().string())) static_cast<List*>(data)->AddFile(path, "loaded in this process");
    return 0;
  };
  dl_iterate_phdr(visit, &list);
}

// Returns the package folders that Python's environment variables name, for a process without Python. Only absolute
// paths count: others lead from the current folder, which may be anybody's.
std::vector<std::string> FoldersOfEnvironment() {
  std::vector<std::string> folders = SplitPath(std::getenv("PYTHONPATH"));
  std::erase_if(folders, [](const std::string& folder) { return !fs::path(folder).is_absolute(); });
  const char* const environment = std::getenv("VIRTUAL_ENV");
  if (environment == nullptr || !fs::path(environment).is_absolute()) return folders;
  std::error_code ignored;
  for (fs::directory_iterator item(fs::path(environment) / "lib", ignored), end; !ignored && item != end;
       item.increment(ignored)) {
    folders.push_back((item->path() / "site-packages").string());
  }
  return folders;
}

void AddPackages(List& list) {
  std::optional<std::vector<std::string>> folders;
  {
    const std::lock_guard lock(GlobalPackageFolders().mutex);
    folders = GlobalPackageFolders().folders;
  }
  for (const std::string& folder : folders ? *folders : FoldersOfEnvironment()) {
    for (const std::string_view package : kPackages) {
      list.AddFolder(fs::path(folder) / package, Cat("the Python package ", package));
    }
  }
}

void AddSystem(List& list) {
  for (const std::string_view stem : kStems) {
    const bool rtx = KindOfFile(std::string(stem)) == LibraryKind::kRtx;
    for (const int major : KnownMajors(rtx ? Product::kTensorRTRtx : Product::kTensorRT)) list.AddName(stem, major);
  }
}

}  // namespace

void SetPackageFolders(std::vector<std::string> folders) {
  const std::lock_guard lock(GlobalPackageFolders().mutex);
  GlobalPackageFolders().folders = std::move(folders);
}

std::vector<Candidate> Discover() {
  List list;
  AddNamed(list);
  AddLoaded(list);
  AddPackages(list);
  AddSystem(list);
  return list.Take();
}

std::vector<Candidate> DiscoverIn(const std::string& place) {
  List list;
  AddPlace(list, place, "given by path");
  return list.Take();
}

std::vector<Opened> OpenAll() {
  std::vector<Opened> opened;
  for (Candidate& candidate : Discover()) {
    Opened result{std::move(candidate), nullptr, ""};
    try {
      result.library = Library::Open(result.candidate.path);
    } catch (const Error& error) {
      result.problem = error.what();
    }
    // A bare name may lead the loader to a file that is already listed by its path.
    const bool listed = result.library != nullptr && std::ranges::any_of(opened, [&](const Opened& other) {
                          return other.library == result.library;
                        });
    if (!listed) opened.push_back(std::move(result));
  }
  return opened;
}

}  // namespace nacelle::tensorrt
