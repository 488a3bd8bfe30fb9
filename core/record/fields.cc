#include "core/record/fields.h"

#include <array>
#include <cstddef>
#include <string_view>
#include <unordered_set>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/text.h"

namespace nacelle::record {
namespace {

constexpr char kAliasDelimiter = '@';  // within an alias
constexpr size_t kAliasParts = 3;

struct PlatformName {
  TargetPlatform platform;
  std::string_view name;
};

constexpr std::array<PlatformName, 5> kPlatforms = {{
    {TargetPlatform::kLinuxX8664, "linux_x86_64"},
    {TargetPlatform::kLinuxAarch64, "linux_aarch64"},
    {TargetPlatform::kWindowsX8664, "windows_x86_64"},
    {TargetPlatform::kWindowsArm64, "windows_arm64"},
    {TargetPlatform::kUnknown, "unknown"},
}};

// Splits `text` at each delimiter; an empty text has no parts.
std::vector<std::string> Split(std::string_view text, char delimiter) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = text.find(delimiter);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    if (text.empty()) parts.emplace_back();
  }
  return parts;
}

void CheckNames(const std::vector<std::string>& names) {
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty())
      throw RecordError(Cat("name ", i, " of ", names.size(), " is empty; wanted a binding's name"));
    if (names[i].find(kItemDelimiter) != std::string::npos) {
      throw RecordError(Cat("name ", i, " is ", Quote(names[i]), "; a name must not hold '%', which separates names"));
    }
    if (!seen.insert(names[i]).second) {
      throw RecordError(
          Cat("name ", i, " of ", names.size(), ", ", Quote(names[i]), ", is there twice; wanted each binding once"));
    }
  }
}

void CheckAliases(const std::vector<AliasedIo>& aliases) {
  std::unordered_set<std::string_view> outputs;
  for (const AliasedIo& alias : aliases) {
    for (const std::string* part : {&alias.output, &alias.input, &alias.kind}) {
      if (part->empty()) {
        throw RecordError(Cat("alias ", Quote(Cat(alias.output, '@', alias.input, '@', alias.kind)),
                              " has an empty part; wanted output@input@kind"));
      }
      if (part->find_first_of("%@") != std::string::npos) {
        throw RecordError(
            Cat("alias part ", Quote(*part), " holds '%' or '@', which separate aliases and their parts"));
      }
    }
    if (!outputs.insert(alias.output).second) {
      throw RecordError(Cat("output ", Quote(alias.output), " is aliased twice; wanted one input for each output"));
    }
  }
}

}  // namespace

std::string_view TargetPlatformName(TargetPlatform platform) {
  for (const PlatformName& entry : kPlatforms) {
    if (entry.platform == platform) return entry.name;
  }
  return "unknown";
}

TargetPlatform TargetPlatformFromName(std::string_view name) {
  std::vector<std::string_view> known;
  for (const PlatformName& entry : kPlatforms) {
    if (entry.name == name) return entry.platform;
    known.push_back(entry.name);
  }
  throw RecordError(Cat("platform is ", Quote(name), "; wanted one of ", Join(known, ", ")));
}

TargetPlatform CurrentPlatform() {
#if defined(__linux__) && defined(__x86_64__)
  return TargetPlatform::kLinuxX8664;
#elif defined(__linux__) && defined(__aarch64__)
  return TargetPlatform::kLinuxAarch64;
#elif defined(_WIN32) && defined(_M_X64)
  return TargetPlatform::kWindowsX8664;
#elif defined(_WIN32) && defined(_M_ARM64)
  return TargetPlatform::kWindowsArm64;
#else
  return TargetPlatform::kUnknown;
#endif
}

TargetPlatform AssumedPlatform(std::string_view plan) {
  return plan::HasPlanMagic(plan) ? CurrentPlatform() : TargetPlatform::kUnknown;
}

namespace internal {

void ReadValue(std::string text, std::string& value) { value = std::move(text); }

void ReadValue(std::string text, device::Device& value) { value = device::Device::Parse(text); }

void ReadValue(std::string text, std::vector<std::string>& value) {
  value = Split(text, kItemDelimiter);
  CheckNames(value);
}

void ReadValue(std::string text, bool& value) {
  if (text != "0" && text != "1") throw RecordError(Cat("flag is ", Quote(text), "; wanted 0 or 1"));
  value = text == "1";
}

void ReadValue(std::string text, TargetPlatform& value) { value = TargetPlatformFromName(text); }

void ReadValue(std::string text, ResourceAllocation& value) {
  if (text != "0" && text != "1") {
    throw RecordError(Cat("strategy is ", Quote(text), "; wanted 0 (static) or 1 (dynamic)"));
  }
  value = text == "1" ? ResourceAllocation::kDynamic : ResourceAllocation::kStatic;
}

void ReadValue(std::string text, std::vector<AliasedIo>& value) {
  value.clear();
  for (const std::string& entry : Split(text, kItemDelimiter)) {
    std::vector<std::string> parts = Split(entry, kAliasDelimiter);
    if (parts.size() != kAliasParts) {
      throw RecordError(
          Cat("alias ", Quote(entry), " has ", parts.size(), " parts between '@'; wanted output@input@kind"));
    }
    value.push_back({std::move(parts[0]), std::move(parts[1]), std::move(parts[2])});
  }
  CheckAliases(value);
}

std::string WriteValue(const std::string& value) { return value; }

std::string WriteValue(const device::Device& value) { return value.ToString(); }

std::string WriteValue(const std::vector<std::string>& value) {
  CheckNames(value);
  return Join(value, "%");
}

std::string WriteValue(bool value) { return value ? "1" : "0"; }

std::string WriteValue(TargetPlatform value) { return std::string(TargetPlatformName(value)); }

std::string WriteValue(ResourceAllocation value) { return value == ResourceAllocation::kDynamic ? "1" : "0"; }

std::string WriteValue(const std::vector<AliasedIo>& value) {
  CheckAliases(value);
  std::vector<std::string> entries;
  for (const AliasedIo& alias : value) {
    entries.push_back(Cat(alias.output, kAliasDelimiter, alias.input, kAliasDelimiter, alias.kind));
  }
  return Join(entries, "%");
}

namespace {

std::string ShownValue(const std::string& value) { return Quote(value, 40); }
std::string ShownValue(const device::Device& value) { return value.Describe(); }
std::string ShownValue(const std::vector<std::string>& value) { return Quote(Join(value, ", ")); }
std::string ShownValue(bool value) { return WriteValue(value); }
std::string ShownValue(TargetPlatform value) { return WriteValue(value); }
std::string ShownValue(ResourceAllocation value) {
  return value == ResourceAllocation::kDynamic ? "1 (dynamic)" : "0 (static)";
}
std::string ShownValue(const std::vector<AliasedIo>& value) {
  std::vector<std::string> entries;
  for (const AliasedIo& alias : value) entries.push_back(Cat(alias.output, " is ", alias.input, ", ", alias.kind));
  return Quote(Join(entries, "; "));
}

}  // namespace

bool IsNeutral(const Record& record, Field field) {
  bool neutral = true;
  VisitField(record, field, [&](const auto& value) { neutral = value == std::remove_cvref_t<decltype(value)>{}; });
  return neutral;
}

void MakeNeutral(Record& record, Field field) {
  VisitField(record, field, [](auto& value) { value = {}; });
}

std::string Shown(const Record& record, Field field) {
  std::string shown;
  VisitField(record, field, [&](const auto& value) { shown = ShownValue(value); });
  return shown;
}

std::string Label(Field field) { return Cat("field ", IndexOf(field), " (", InfoOf(field).name, ")"); }

void CheckVersion(int version) {
  if (version >= kOldestVersion && version <= kNewestVersion) return;
  throw RecordError(
      Cat("ABI version ", version, " is not known; versions ", kOldestVersion, " to ", kNewestVersion, " are"));
}

}  // namespace internal
}  // namespace nacelle::record
