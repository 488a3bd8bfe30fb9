#include "core/tensorrt/builder/options.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

constexpr Flag kStronglyTyped = Flag::kNetworkDefinitionCreationFlag_STRONGLY_TYPED;

// Throws if the library's release lacks what an option, or a choice of it, needs. `subject` names the two.
void Require(const BuildOption& option, const OptionNeeds& needs, std::string_view subject, const Library& library) {
  if (Has(library.table(), needs)) return;
  const bool removed = option.precision && library.table().release.major >= 11;
  throw InputError(Cat("build option ", subject, " is not in ", library.Describe(), "; wanted ", ReleasesWith(needs),
                       removed ? ": engines of later releases have the dtypes of the model, so convert the model "
                                 "(model.half(), model.bfloat16(), or Q/DQ operators for int8) and leave the option out"
                               : ": leave it out, or build with one of those"));
}

// TensorRT's number for the chosen value of an option with choices.
int32_t Chosen(const BuildOption& option, const std::string& name, const Library& library) {
  const auto choice = std::ranges::find(option.choices, name, &OptionChoice::name);
  Require(option, choice->needs, Cat(option.name, " with ", name), library);
  if (const auto* const flag = std::get_if<Flag>(&choice->needs)) return library.table().bit(*flag);
  return choice->value;
}

void ResolveNetworkFlags(const BuildOptions& options, const Library& library, ResolvedOptions* resolved) {
  const SlotTable& table = library.table();
  constexpr Flag kExplicitBatch = Flag::kNetworkDefinitionCreationFlag_EXPLICIT_BATCH;
  const auto add = [&](Flag flag) { resolved->network_flags |= 1u << table.bit(flag); };
  if (table.bit(kExplicitBatch) >= 0) add(kExplicitBatch);
  const bool always = table.release.major >= 11;
  const bool* const asked = options.Get<bool>("strongly_typed");
  if (always && asked != nullptr && !*asked) {
    throw InputError(Cat("build option strongly_typed is False; wanted True, or none: engines of ", library.Describe(),
                         " always have the dtypes of the model"));
  }
  if (always || (asked != nullptr && *asked)) add(kStronglyTyped);
}

bool IsOff(const OptionValue& value) { return value == OptionValue(false); }

// The kernels of TensorRT's own.
bool IsInternal(const std::string& source) {
  return source == "edge_mask_convolutions" || source == "jit_convolutions";
}

void ResolveChoices(const BuildOptions& options, const Library& library, ResolvedOptions* resolved) {
  if (const auto* const names = options.Get<std::vector<std::string>>("tactic_sources")) {
    uint32_t sources = 0;
    for (const std::string& name : *names) sources |= 1u << Chosen(FindBuildOption("tactic_sources"), name, library);
    resolved->tactic_sources = sources;
    resolved->without_external_tactics =
        std::ranges::all_of(*names, IsInternal) &&
        library.table().bit(Flag::kPreviewFeature_DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805) >= 0;
  }
  if (const auto* const name = options.Get<std::string>("hardware_compatibility")) {
    const auto level = HardwareCompatibilityLevel{Chosen(FindBuildOption("hardware_compatibility"), *name, library)};
    if (level != HardwareCompatibilityLevel::kNONE) resolved->hardware_compatibility = level;
  }
  if (const auto* const name = options.Get<std::string>("profiling_verbosity")) {
    resolved->profiling_verbosity = ProfilingVerbosity{Chosen(FindBuildOption("profiling_verbosity"), *name, library)};
  }
}

}  // namespace

void BuildOptions::Set(std::string_view name, std::optional<OptionValue> value, std::string_view found) {
  const BuildOption& option = FindBuildOption(name);
  if (!value || !Accepts(option, *value)) throw InputError(Refusal(option, found));
  values_.insert_or_assign(std::string(name), *std::move(value));
}

const OptionValue* BuildOptions::Find(std::string_view name) const {
  const auto value = values_.find(name);
  return value == values_.end() ? nullptr : &value->second;
}

bool BuildOptions::Asks(std::string_view name) const {
  const OptionValue* const value = Find(name);
  return value != nullptr && !IsOff(*value);
}

void BuildOptions::CheckTogether() const {
  for (const BuildOption& option : kBuildOptions) {
    if (!option.precision || !Asks("strongly_typed") || !Asks(option.name)) continue;
    throw InputError(Cat("build options strongly_typed and ", option.name,
                         " contradict each other: a strongly typed engine has the dtypes of the model; leave one of "
                         "the two out"));
  }
  if (Asks("exclude_lean_runtime") && !Asks("version_compatible")) {
    throw InputError(
        "build option exclude_lean_runtime is given without version_compatible; wanted both: only version-compatible "
        "plans bring a runtime");
  }
}

ResolvedOptions Resolve(const BuildOptions& options, const Library& library) {
  options.CheckTogether();
  ResolvedOptions resolved;
  for (const BuildOption& option : kBuildOptions) {
    const OptionValue* const value = options.Find(option.name);
    if (value == nullptr) continue;
    const bool off = IsOff(*value);
    // A release need not have what is switched off.
    if (!off) Require(option, option.needs, option.name, library);
    const auto* const flag = std::get_if<Flag>(&option.needs);
    if (flag == nullptr || *flag == kStronglyTyped) continue;  // the latter is the network's
    if (!off) {
      resolved.set.push_back(*flag);
    } else if (option.type == OptionType::kToggle && Has(library.table(), option.needs)) {
      resolved.clear.push_back(*flag);
    }
  }
  ResolveNetworkFlags(options, library, &resolved);
  ResolveChoices(options, library, &resolved);
  return resolved;
}

}  // namespace nacelle::tensorrt
