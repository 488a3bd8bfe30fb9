#include "tests/core/record/golden.h"

#include <fstream>
#include <stdexcept>

#include "core/device/device.h"

namespace nacelle::record::golden {
namespace {

std::string Unquote(const std::string& quoted) {
  if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') throw std::runtime_error("no quotes");
  std::string text;
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      text += quoted[i];
    } else {
      text += static_cast<char>(std::stoi(quoted.substr(i + 2, 2), nullptr, 16));
      i += 3;
    }
  }
  return text;
}

}  // namespace

Fields Read(int version) {
  const std::string path = "tests/data/records/v" + std::to_string(version) + ".record";
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  Fields fields;
  for (std::string line; std::getline(file, line);) {
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.substr(0, space) != kFields.at(fields.size()).name) {
      throw std::runtime_error(path + ": unexpected line " + line);
    }
    fields.push_back(Unquote(line.substr(space + 1)));
  }
  return fields;
}

Record Expected(int version) {
  Record record;
  record.version = version;
  record.name = "detector.v" + std::to_string(version) + " \"größe\"\n";
  record.device = {2, 8, 9, device::Type::kGpu, "NVIDIA L40S"};
  if (version == 7) record.device = {1, 8, 7, device::Type::kDla, "Orin"};
  record.plan = "ftrt" + std::string(20, '\0') + "\x0a\x03" + std::string(1, '\0') + "\x1a";
  for (int byte = 0; byte < 256; ++byte) record.plan += static_cast<char>(byte);
  record.plan += std::string(static_cast<size_t>(version % 3), static_cast<char>(0xa0 + version));
  if (version >= 4) {
    record.input_names = {"tokens", "cache.1"};
    record.output_names = {"logits", "cache_out", "scores"};
  }
  record.hardware_compatible = version >= 5;
  if (version >= 6) {
    record.metadata = "gASVnQYAAAAAAAB9lCiMCHNldHRpbmdzlIw=\xff" + std::string(1, '\0') + "%@";
    record.target_platform = version == 8 ? TargetPlatform::kWindowsArm64 : TargetPlatform::kLinuxAarch64;
  }
  record.requires_output_allocator = version >= 7;
  if (version >= 8) record.resource_allocation = ResourceAllocation::kDynamic;
  record.requires_native_multi_device = version >= 9;
  if (version >= 10) {
    record.aliased_io = {{"cache_out", "cache.1", "kv_cache_update"}, {"scores", "tokens", "in_place"}};
  }
  return record;
}

FieldSet Droppable() {
  FieldSet fields;
  for (const FieldInfo& info : kFields) {
    if (info.since > kOldestVersion) fields.insert(info.field);
  }
  return fields;
}

}  // namespace nacelle::record::golden
