// Checks the archive of a plan's module before torch reads it.
#ifndef NACELLE_REFERENCE_MODULE_ARCHIVE_H_
#define NACELLE_REFERENCE_MODULE_ARCHIVE_H_

#include <caffe2/serialize/read_adapter_interface.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace nacelle::reference {

// Lets torch read an archive in place. The bytes must outlive it.
class ArchiveBytes final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit ArchiveBytes(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes() const { return bytes_; }
  size_t size() const override;
  size_t read(uint64_t pos, void* buf, size_t n, const char* what) const override;

 private:
  std::string_view bytes_;
};

// Throws PlanError, which names the fault, if `archive` is not in the one form that MakeArchive writes. That form holds
// no code but forward: making a module of it runs nothing.
//
//   archive/data.pkl              one object of the class below, with its attributes: tensors and plain values
//   archive/code/__torch__.py     class ReferenceNetwork(Module) with forward alone; beside it named tuples
//   archive/code/__torch__/*.py   named tuples
//   archive/constants.pkl         a tuple of tensors and plain values
//   archive/{data,constants}/N    memory of tensors, not compressed
//   archive/version (or .data/version), byteorder, .data/serialization_id, code/*.debug_pkl
//
// It has no other member, none twice (torch ignores case), and its members are at most 8 times as large as the archive.
void CheckModuleArchive(const std::shared_ptr<ArchiveBytes>& archive);

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_MODULE_ARCHIVE_H_
