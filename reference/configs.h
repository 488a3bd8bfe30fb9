// IRuntimeConfig and ISerializationConfig: settings objects that a caller fills and passes back.
#ifndef NACELLE_REFERENCE_CONFIGS_H_
#define NACELLE_REFERENCE_CONFIGS_H_

#include <cstdint>
#include <vector>

#include "reference/interface_object.h"

namespace nacelle::reference {

// IRuntimeConfig: the strategy for a context's scratch memory. 10.0 and later.
class RuntimeConfig final : public InterfaceObject {
 public:
  explicit RuntimeConfig(const Reporter& reporter);

  void SetStrategy(int32_t strategy);  // tensorrt::ExecutionContextAllocationStrategy
  int32_t GetStrategy();

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kRuntimeConfig;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  int32_t strategy_ = static_cast<int32_t>(tensorrt::ExecutionContextAllocationStrategy::kSTATIC);
};

// ISerializationConfig: the parts to leave out of a plan. A reference plan has no such parts, so the flags do nothing.
class SerializationConfig final : public InterfaceObject {
 public:
  explicit SerializationConfig(const Reporter& reporter);

  bool SetFlags(uint32_t flags);  // bits by tensorrt::SerializationFlag
  uint32_t GetFlags();
  bool ClearFlag(int32_t flag);
  bool SetFlag(int32_t flag);
  bool GetFlag(int32_t flag);

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kSerializationConfig;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  bool Check(int32_t flag);

  uint32_t flags_ = 0;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_CONFIGS_H_
