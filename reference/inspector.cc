#include "reference/inspector.h"

#include <cstdio>
#include <utility>

#include "core/text.h"
#include "reference/execution_context.h"

namespace nacelle::reference {
namespace {

using tensorrt::LayerInformationFormat;
using tensorrt::Method;

// Returns `text` as a JSON string.
std::string Json(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string JsonList(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back(Json(name));
  return Cat("[", Join(quoted, ", "), "]");
}

std::string LayerJson(const Layer& layer) {
  return Cat("{\"Name\": ", Json(layer.name), ", \"LayerType\": ", Json(layer.type),
             ", \"Inputs\": ", JsonList(layer.inputs), ", \"Outputs\": ", JsonList(layer.outputs), "}");
}

std::string LayerLine(const Layer& layer) {
  return Cat(layer.name, "(", Join(layer.inputs, ", "), ") -> ", Join(layer.outputs, ", "));
}

std::string ProfileJson(const TensorSpec& input) {
  std::vector<std::string> profiles;
  for (const ShapeRange& range : input.profiles) {
    profiles.push_back(Cat("{\"Min\": ", ShapeText(range.min), ", \"Opt\": ", ShapeText(range.opt),
                           ", \"Max\": ", ShapeText(range.max), "}"));
  }
  return Cat("[", Join(profiles, ", "), "]");
}

}  // namespace

EngineInspector::EngineInspector(std::shared_ptr<LoadedPlan> plan, const Reporter& reporter)
    : InterfaceObject(MethodsOf<EngineInspector>(reporter.table()), reporter), plan_(std::move(plan)) {}

bool EngineInspector::SetExecutionContext(void* context) {
  context_ = context;
  return true;
}

void* EngineInspector::GetExecutionContext() { return context_; }

bool EngineInspector::CheckFormat(const char* method, int32_t format) {
  if (format == static_cast<int32_t>(LayerInformationFormat::kONELINE) ||
      format == static_cast<int32_t>(LayerInformationFormat::kJSON)) {
    return true;
  }
  reporter().Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT,
                  Cat("IEngineInspector::", method, ": format ", format, "; wanted 0 (one line) or 1 (JSON)"));
  return false;
}

Shape EngineInspector::ShapeOf(const Tensor& tensor) {
  if (context_ == nullptr) return tensor.spec->shape;
  auto* const context = static_cast<ExecutionContext*>(static_cast<InterfaceObject*>(context_));
  return context->CurrentShape(tensor).value_or(tensor.spec->shape);
}

const char* EngineInspector::GetLayerInformation(int32_t layer, int32_t format) {
  if (!CheckFormat("getLayerInformation", format)) return nullptr;
  const std::vector<Layer>& layers = plan_->network().layers();
  if (layer < 0 || static_cast<size_t>(layer) >= layers.size()) {
    reporter().Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT, Cat("IEngineInspector::getLayerInformation: layer ", layer,
                                                                "; the engine has ", layers.size(), " layers"));
    return nullptr;
  }
  const Layer& info = layers[static_cast<size_t>(layer)];
  text_ = format == static_cast<int32_t>(LayerInformationFormat::kJSON) ? LayerJson(info) : LayerLine(info);
  return text_.c_str();
}

const char* EngineInspector::GetEngineInformation(int32_t format) {
  if (!CheckFormat("getEngineInformation", format)) return nullptr;
  text_ = format == static_cast<int32_t>(LayerInformationFormat::kJSON) ? EngineJson() : EngineLines();
  return text_.c_str();
}

std::string EngineInspector::EngineLines() {
  std::string lines = "Layers:\n";
  for (const Layer& layer : plan_->network().layers()) lines += LayerLine(layer) + "\n";
  lines += "Bindings:\n";
  for (const Tensor& tensor : plan_->tensors()) {
    lines += Cat(tensor.spec->name, ": ", tensor.is_input ? "input " : "output ", tensor.dtype->name, " ",
                 ShapeText(ShapeOf(tensor)), "\n");
  }
  return lines;
}

std::string EngineInspector::EngineJson() {
  std::vector<std::string> layers;
  for (const Layer& layer : plan_->network().layers()) layers.push_back(LayerJson(layer));
  std::vector<std::string> bindings;
  std::vector<std::string> tensors;
  for (const Tensor& tensor : plan_->tensors()) {
    bindings.push_back(tensor.spec->name);
    tensors.push_back(
        Cat("{\"Name\": ", Json(tensor.spec->name), ", \"Mode\": ", tensor.is_input ? "\"Input\"" : "\"Output\"",
            ", \"DataType\": ", Json(tensor.dtype->name), ", \"Dimensions\": ", ShapeText(ShapeOf(tensor)),
            ", \"DataDependent\": ", tensor.spec->data_dependent ? "true" : "false",
            ", \"Profiles\": ", ProfileJson(*tensor.spec), "}"));
  }
  return Cat("{\"Name\": ", Json(plan_->name()), ", \"Layers\": [", Join(layers, ", "),
             "], \"Bindings\": ", JsonList(bindings), ", \"Tensors\": [", Join(tensors, ", "), "]}");
}

std::vector<Binding> EngineInspector::Bindings(const tensorrt::SlotTable& /*table*/) {
  using C = EngineInspector;
  return {
      Bind<&C::DeleteThis>(Method::kEngineInspector_delete),
      Bind<&C::GetPImpl>(Method::kEngineInspector_getPImpl),
      Bind<&C::SetErrorRecorder>(Method::kEngineInspector_setErrorRecorder),
      Bind<&C::GetErrorRecorder>(Method::kEngineInspector_getErrorRecorder),
      Bind<&C::SetExecutionContext>(Method::kEngineInspector_setExecutionContext),
      Bind<&C::GetExecutionContext>(Method::kEngineInspector_getExecutionContext),
      Bind<&C::GetLayerInformation>(Method::kEngineInspector_getLayerInformation),
      Bind<&C::GetEngineInformation>(Method::kEngineInspector_getEngineInformation),
  };
}

}  // namespace nacelle::reference
