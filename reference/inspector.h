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

// One thread at a time. A text lives until the inspector is asked for the next or deleted.
class EngineInspector final : public InterfaceObject {
 public:
  EngineInspector(std::shared_ptr<LoadedPlan> plan, const Reporter& reporter);

  // With a context set, its shapes stand where the plan's would.
  bool SetExecutionContext(void* context);
  void* GetExecutionContext();
  // `format`: tensorrt::LayerInformationFormat; nullptr and a message for another value or a layer that is not there.
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
