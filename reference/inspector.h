// IEngineInspector: an engine as text.
#ifndef NACELLE_REFERENCE_INSPECTOR_H_
#define NACELLE_REFERENCE_INSPECTOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "reference/interface_object.h"
#include "reference/loaded_plan.h"

namespace nacelle::reference {

// For one thread at a time. A returned text lives until the next call or the inspector's end.
class EngineInspector final : public InterfaceObject {
 public:
  EngineInspector(std::shared_ptr<LoadedPlan> plan, const Reporter& reporter);

  // Sets the context whose shapes the texts have; null: the plan's.
  bool SetExecutionContext(void* context);
  void* GetExecutionContext();
  // `format` is a tensorrt::LayerInformationFormat. Return null, and report an error, for another format or an unknown
  // layer.
  const char* GetLayerInformation(int32_t layer, int32_t format);
  const char* GetEngineInformation(int32_t format);

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kEngineInspector;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  bool CheckFormat(const char* method, int32_t format);
  Shape ShapeOf(const Tensor& tensor);
  std::string EngineLines();
  std::string EngineJson();

  const std::shared_ptr<LoadedPlan> plan_;
  void* context_ = nullptr;
  std::string text_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_INSPECTOR_H_
