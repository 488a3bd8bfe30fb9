// Puts an engine into a TorchScript module that calls it.
//
//   EmbedOptions options;
//   options.name = "resnet";
//   EmbedEngine(plan_bytes, options).save("resnet.ts");
#ifndef NACELLE_RUNTIME_EMBED_H_
#define NACELLE_RUNTIME_EMBED_H_

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <vector>

#include "core/device/device.h"
#include "core/record/record.h"
#include "runtime/export.h"

namespace nacelle::runtime {

// The form in which the forward of an embedded engine returns its outputs.
enum class Returns {
  kTensor,  // the one output by itself
  kTuple,   // a tuple, of one output too
  kList,    // Tensor[]
};

struct EmbedOptions {
  // An identifier: the module's class is `__torch__.<name>_trt`, its attribute `<name>_trt_engine`.
  std::string name = "engine";
  // The order in which forward takes inputs and returns outputs, as names of the plan's bindings. Left out: the order
  // of the plan (core/record/binding_order.h). A record of version 3 keeps no names, so there only that order works.
  std::optional<std::vector<std::string>> input_names;
  std::optional<std::vector<std::string>> output_names;
  // The device that the plan was built for. Left out: the CPU for a plan of the reference engine, else the current GPU.
  std::optional<device::Device> device;
  // The record's version. nullopt: the oldest from kDefaultVersion on that keeps the order, hardware_compatible and the
  // platform.
  std::optional<int> abi_version = record::kDefaultVersion;
  bool hardware_compatible = false;  // kept from record version 5 on
  // Left out: one output by itself, several as a tuple.
  std::optional<Returns> returns;
  // The platform that the plan was built for, kept from record version 6 on. Left out: this machine's.
  std::optional<record::TargetPlatform> platform;
};

// Returns a module whose forward takes the plan's inputs and returns its outputs in the form of `returns`. Equal
// arguments give modules that save to equal bytes. `plan` is a serialized engine, owned by the result.
//
// Throws InputError (a name that cannot be used, names that the plan does not have, several outputs as one tensor),
// RecordError (the record's version cannot keep a field), PlanError (bytes that are no plan), DeviceError (no device
// given, and none here).
NACELLE_API torch::jit::Module EmbedEngine(std::string plan, const EmbedOptions& options);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_EMBED_H_
