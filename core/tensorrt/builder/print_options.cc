// Prints the table of build options as lines of fields with tabs between them, for
// //toolchains/developer:build_options. A choice is followed by the releases that have it, if not all do.
#include <iostream>
#include <string>
#include <vector>

#include "core/tensorrt/builder/option_table.h"
#include "core/text.h"

namespace nacelle::tensorrt {
namespace {

const char* ToString(OptionType type) {
  switch (type) {
    case OptionType::kSwitch:
      return "switch";
    case OptionType::kToggle:
      return "toggle";
    case OptionType::kNumber:
      return "number";
    case OptionType::kBytes:
      return "bytes";
    case OptionType::kChoice:
      return "choice";
    case OptionType::kChoices:
      return "choices";
    case OptionType::kNames:
      return "names";
    case OptionType::kPath:
      return "path";
    case OptionType::kCacheFolder:
      return "cache_folder";
  }
  return "?";
}

const char* ToString(OptionReader reader) {
  switch (reader) {
    case OptionReader::kTensorRt:
      return "tensorrt";
    case OptionReader::kPython:
      return "python";
    case OptionReader::kCaches:
      return "caches";
  }
  return "?";
}

void Print(std::ostream& out) {
  out << "name\ttype\treader\treleases\tchoices\thelp\n";
  for (const BuildOption& option : kBuildOptions) {
    std::vector<std::string> choices;
    for (const OptionChoice& choice : option.choices) {
      const std::string releases = ReleasesWith(choice.needs);
      choices.push_back(releases.empty() ? choice.name : Cat(choice.name, " (", releases, ")"));
    }
    out << Join(std::vector<std::string>{option.name, ToString(option.type), ToString(option.reader),
                                         ReleasesWith(option.needs), Join(choices, ", "), option.help},
                "\t")
        << "\n";
  }
}

}  // namespace
}  // namespace nacelle::tensorrt

int main() {
  nacelle::tensorrt::Print(std::cout);
  return 0;
}
