#include "reference/host_memory.h"

#include <utility>

namespace nacelle::reference {

using tensorrt::Method;

HostMemory::HostMemory(std::shared_ptr<const StoredBytes> bytes, const Reporter& reporter)
    : InterfaceObject(MethodsOf<HostMemory>(reporter.table()), reporter), bytes_(std::move(bytes)) {}

void* HostMemory::Data() { return const_cast<char*>(bytes_->bytes().data()); }
uint64_t HostMemory::Size() { return bytes_->bytes().size(); }
int32_t HostMemory::Type() { return static_cast<int32_t>(tensorrt::DataType::kINT8); }

std::vector<Binding> HostMemory::Bindings(const tensorrt::SlotTable& /*table*/) {
  return {
      Bind<&HostMemory::DeleteThis>(Method::kHostMemory_delete),
      Bind<&HostMemory::Data>(Method::kHostMemory_data),
      Bind<&HostMemory::Size>(Method::kHostMemory_size),
      Bind<&HostMemory::Type>(Method::kHostMemory_type),
  };
}

}  // namespace nacelle::reference
