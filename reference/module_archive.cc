#include "reference/module_archive.h"

#include <ATen/core/symbol.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "reference/module_pickle.h"
#include "reference/module_source.h"
#include "reference/operators.h"
#include "reference/zip_directory.h"

namespace nacelle::reference {
namespace {

constexpr const char* kClass = "__torch__.ReferenceNetwork";
constexpr const char* kMainSource = "code/__torch__.py";
// Members may be this much larger than the archive: source is compressed.
constexpr size_t kMaxGrowth = 8;
constexpr size_t kFreeBytes = size_t{1} << 18;

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool IsMemory(std::string_view name) {
  for (const std::string_view folder : {"data/", "constants/"}) {
    if (name.starts_with(folder)) return IsNumber(name.substr(folder.size()));
  }
  return false;
}

bool IsSource(std::string_view name) {
  return name == kMainSource || (name.starts_with("code/__torch__/") && name.ends_with(".py"));
}

// Members that torch writes by itself. The version is in ".data" if the code calls an operator that changed since
// torch's version 5 of the archive, such as gelu.
constexpr std::string_view kTorchs[] = {"data.pkl",      "constants.pkl", "version",
                                        ".data/version", "byteorder",     ".data/serialization_id"};

bool IsKnown(std::string_view name) {
  constexpr std::string_view kDebug = ".debug_pkl";
  if (name.ends_with(kDebug)) return IsSource(name.substr(0, name.size() - kDebug.size()));
  if (std::ranges::find(kTorchs, name) != std::end(kTorchs)) return true;
  return IsMemory(name) || IsSource(name);
}

// Returns the namespace of a source file: "__torch__.models.net" for "code/__torch__/models/net.py".
std::string SpaceOf(std::string_view file) {
  constexpr std::string_view kFolder = "code/", kEnd = ".py";
  std::string space(file.substr(kFolder.size(), file.size() - kFolder.size() - kEnd.size()));
  std::ranges::replace(space, '/', '.');
  return space;
}

class ArchiveChecker {
 public:
  explicit ArchiveChecker(const std::shared_ptr<ArchiveBytes>& archive) : reader_(archive) {}

  void Run() {
    CheckMembers();
    const ModuleClass module = CheckSources();
    const std::string data = Text("data.pkl"), constants = Text("constants.pkl");
    CheckModuleValues(Pickle("data", data), kClass, module.attributes);
    const size_t count = CheckConstants(Pickle("constants", constants));
    if (module.constants > count) {
      throw PlanError(Cat("forward uses ", module.constants, " constants; constants.pkl has ", count));
    }
  }

 private:
  void CheckMembers() {
    std::set<std::string> seen;
    for (const std::string& name : reader_.getAllRecords()) {
      if (!IsKnown(name)) throw PlanError(Cat("module has the member ", Quote(name), ", which no plan's module has"));
      if (!seen.insert(Lower(name)).second) throw PlanError(Cat("module has the member ", Quote(name), " twice"));
      sizes_[name] = reader_.getRecordSize(name);
    }
    for (const char* const name : {"data.pkl", "constants.pkl", kMainSource}) {
      if (!sizes_.contains(name)) throw PlanError(Cat("module has no member ", Quote(name)));
    }
    if (sizes_.contains("byteorder") && Text("byteorder") != "little") {
      throw PlanError(Cat("module has the byte order ", Quote(Text("byteorder")), "; wanted \"little\""));
    }
  }

  ModuleClass CheckSources() {
    std::map<std::string, std::string> texts;
    for (const auto& [name, size] : sizes_) {
      if (IsSource(name)) texts[name] = Text(name);
    }
    std::set<std::string> tuples;
    for (const auto& [name, text] : texts) tuples.merge(NamedTuples({name, SpaceOf(name), text}));
    const auto why_refused = [](const std::string& name) {
      return WhyOperatorIsRefused(c10::Symbol::fromQualString(name));
    };
    ModuleClass main;
    for (const auto& [name, text] : texts) {
      ModuleClass module = CheckModuleSource({name, SpaceOf(name), text}, kClass, tuples, why_refused);
      if (name == kMainSource) main = std::move(module);
    }
    if (!main.has_forward) throw PlanError(Cat(kMainSource, " has no class ", kClass));
    return main;
  }

  std::string Text(const std::string& name) {
    const auto [data, size] = reader_.getRecord(name);
    return std::string(static_cast<const char*>(data.get()), size);
  }

  ModulePickle Pickle(const std::string& name, std::string_view bytes) const {
    const auto record_size = [this, name](const std::string& key) -> std::optional<size_t> {
      const auto it = sizes_.find(Cat(name, "/", key));
      return it == sizes_.end() ? std::nullopt : std::optional(it->second);
    };
    return {Cat(name, ".pkl"), bytes, record_size};
  }

  caffe2::serialize::PyTorchStreamReader reader_;
  std::map<std::string, size_t> sizes_;
};

}  // namespace

size_t ArchiveBytes::size() const { return bytes_.size(); }

size_t ArchiveBytes::read(uint64_t pos, void* buf, size_t n, const char* /*what*/) const {
  if (pos >= bytes_.size()) return 0;
  const size_t count = std::min(n, bytes_.size() - static_cast<size_t>(pos));
  std::memcpy(buf, bytes_.data() + pos, count);
  return count;
}

void CheckModuleArchive(const std::shared_ptr<ArchiveBytes>& archive) {
  const uint64_t limit = kFreeBytes + kMaxGrowth * archive->size();
  if (const uint64_t size = UnpackedSize(archive->bytes()); size > limit) {
    throw PlanError(Cat("members of the module have ", size, " bytes; wanted at most ", limit,
                        ": 8 times the archive and ", kFreeBytes));
  }
  ArchiveChecker(archive).Run();
}

}  // namespace nacelle::reference
