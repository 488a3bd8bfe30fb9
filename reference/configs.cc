#include "reference/configs.h"

#include "core/text.h"

namespace nacelle::reference {

using tensorrt::Method;

RuntimeConfig::RuntimeConfig(const Reporter& reporter)
    : InterfaceObject(MethodsOf<RuntimeConfig>(reporter.table()), reporter) {}

void RuntimeConfig::SetStrategy(int32_t strategy) {
  constexpr auto kLast = static_cast<int32_t>(tensorrt::ExecutionContextAllocationStrategy::kUSER_MANAGED);
  if (strategy < 0 || strategy > kLast) {
    reporter().Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT,
                    Cat("IRuntimeConfig::setExecutionContextAllocationStrategy: ", strategy, "; wanted 0 to ", kLast));
    return;
  }
  strategy_ = strategy;
}

int32_t RuntimeConfig::GetStrategy() { return strategy_; }

std::vector<Binding> RuntimeConfig::Bindings(const tensorrt::SlotTable& /*table*/) {
  return {
      Bind<&RuntimeConfig::DeleteThis>(Method::kRuntimeConfig_delete),
      Bind<&RuntimeConfig::GetPImpl>(Method::kRuntimeConfig_getPImpl),
      Bind<&RuntimeConfig::SetStrategy>(Method::kRuntimeConfig_setExecutionContextAllocationStrategy),
      Bind<&RuntimeConfig::GetStrategy>(Method::kRuntimeConfig_getExecutionContextAllocationStrategy),
  };
}

SerializationConfig::SerializationConfig(const Reporter& reporter)
    : InterfaceObject(MethodsOf<SerializationConfig>(reporter.table()), reporter) {}

bool SerializationConfig::Check(int32_t flag) {
  if (flag >= 0 && flag < 32) return true;
  reporter().Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT, Cat("ISerializationConfig: flag ", flag, "; wanted 0 to 31"));
  return false;
}

bool SerializationConfig::SetFlags(uint32_t flags) {
  flags_ = flags;
  return true;
}

uint32_t SerializationConfig::GetFlags() { return flags_; }

bool SerializationConfig::ClearFlag(int32_t flag) {
  if (!Check(flag)) return false;
  flags_ &= ~(uint32_t{1} << flag);
  return true;
}

bool SerializationConfig::SetFlag(int32_t flag) {
  if (!Check(flag)) return false;
  flags_ |= uint32_t{1} << flag;
  return true;
}

bool SerializationConfig::GetFlag(int32_t flag) { return Check(flag) && (flags_ >> flag & 1) != 0; }

std::vector<Binding> SerializationConfig::Bindings(const tensorrt::SlotTable& /*table*/) {
  return {
      Bind<&SerializationConfig::DeleteThis>(Method::kSerializationConfig_delete),
      Bind<&SerializationConfig::SetFlags>(Method::kSerializationConfig_setFlags),
      Bind<&SerializationConfig::GetFlags>(Method::kSerializationConfig_getFlags),
      Bind<&SerializationConfig::ClearFlag>(Method::kSerializationConfig_clearFlag),
      Bind<&SerializationConfig::SetFlag>(Method::kSerializationConfig_setFlag),
      Bind<&SerializationConfig::GetFlag>(Method::kSerializationConfig_getFlag),
  };
}

}  // namespace nacelle::reference
