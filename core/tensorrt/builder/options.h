// The options of one build, and what they ask of one TensorRT release.
//
//   BuildOptions options;
//   options.Set("fp16", true, "True");
//   const bool* const fp16 = options.Get<bool>("fp16");
//
// The options there are stand in option_table.h.
#ifndef NACELLE_CORE_TENSORRT_BUILDER_OPTIONS_H_
#define NACELLE_CORE_TENSORRT_BUILDER_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/tensorrt/builder/option_table.h"
#include "core/tensorrt/library.h"
#include "core/tensorrt/slot_table.h"

namespace nacelle::tensorrt {

// The name of an option with values of type T; a name of none does not compile.
template <typename T>
class OptionName {
 public:
  consteval OptionName(const char* name) : name_(name) {  // NOLINT: a name is given as it is
    for (const BuildOption& option : kBuildOptions) {
      if (name_ == option.name && Holds(option.type)) return;
    }
    throw "there is no build option of this name with values of this type";
  }

  std::string_view name() const { return name_; }

 private:
  static consteval bool Holds(OptionType type) {
    switch (type) {
      case OptionType::kSwitch:
      case OptionType::kToggle:
        return std::is_same_v<T, bool>;
      case OptionType::kNumber:
      case OptionType::kBytes:
        return std::is_same_v<T, int64_t>;
      case OptionType::kChoice:
        return std::is_same_v<T, std::string>;
      case OptionType::kChoices:
      case OptionType::kNames:
        return std::is_same_v<T, std::vector<std::string>>;
      default:
        return false;
    }
  }

  std::string_view name_;
};

// Values of options; an option without one is left to TensorRT. A plain value.
class BuildOptions {
 public:
  // Throws InputError for an unknown option, and for a value that the option does not take, or that no option could
  // take (nullopt). `found` is the value as the message quotes it.
  void Set(std::string_view name, std::optional<OptionValue> value, std::string_view found);

  // The value of an option; null if it has none. Valid until the options are changed.
  template <typename T>
  const T* Get(OptionName<std::type_identity_t<T>> option) const {
    return std::get_if<T>(Find(option.name()));
  }

  // The same for a name of any type that is known at run time only.
  const OptionValue* Find(std::string_view name) const;

  // True if an option is switched on, or has a value that is no bool.
  bool Asks(std::string_view name) const;

  // Throws InputError for options that contradict each other.
  void CheckTogether() const;

 private:
  std::map<std::string, OptionValue, std::less<>> values_;
};

// BuildOptions as the interface of one release takes them; numbers are those of BuildOptions.
struct ResolvedOptions {
  uint32_t network_flags = 0;  // for createNetworkV2
  std::vector<Flag> set;       // builder flags to set …
  std::vector<Flag> clear;     // … and to clear
  std::optional<uint32_t> tactic_sources;
  // True if TensorRT's core, too, must do without cuBLAS and cuDNN: 8.5 and 8.6 have tactic sources for the rest only.
  bool without_external_tactics = false;
  std::optional<HardwareCompatibilityLevel> hardware_compatibility;
  std::optional<ProfilingVerbosity> profiling_verbosity;
};

// Throws InputError for an option or a choice that the library's release lacks, with the releases that have it, and for
// options that contradict each other.
ResolvedOptions Resolve(const BuildOptions& options, const Library& library);

}  // namespace nacelle::tensorrt

#endif  // NACELLE_CORE_TENSORRT_BUILDER_OPTIONS_H_
