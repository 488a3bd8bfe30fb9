// IHostMemory over the bytes of a plan.
#ifndef NACELLE_REFERENCE_HOST_MEMORY_H_
#define NACELLE_REFERENCE_HOST_MEMORY_H_

#include <memory>
#include <vector>

#include "core/stored_bytes.h"
#include "reference/interface_object.h"

namespace nacelle::reference {

// Bytes of a plan. Immutable; any thread may read them.
class HostMemory final : public InterfaceObject {
 public:
  // Shares `bytes`, which must not be written to, as with TensorRT's.
  HostMemory(std::shared_ptr<const StoredBytes> bytes, const Reporter& reporter);

  void* Data();
  uint64_t Size();
  int32_t Type();  // tensorrt::DataType

  static constexpr tensorrt::Interface kInterface = tensorrt::Interface::kHostMemory;
  static std::vector<Binding> Bindings(const tensorrt::SlotTable& table);

 private:
  const std::shared_ptr<const StoredBytes> bytes_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_HOST_MEMORY_H_
