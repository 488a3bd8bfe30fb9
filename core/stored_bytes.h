// Bytes that are kept for later, in memory or in a temporary file that no other process sees.
//
//   std::unique_ptr<const StoredBytes> stored = StoredBytes::InFile(plan);
//   if (stored == nullptr) stored = std::make_unique<const StoredBytes>(std::string(plan));
//   Deserialize(stored->bytes());
#ifndef NACELLE_CORE_STORED_BYTES_H_
#define NACELLE_CORE_STORED_BYTES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace nacelle {

// An owner of bytes. Immutable: any thread may read it.
class StoredBytes {
 public:
  // Keeps `bytes` in memory.
  explicit StoredBytes(std::string bytes) : memory_(std::move(bytes)) {}
  ~StoredBytes();
  StoredBytes(const StoredBytes&) = delete;
  StoredBytes& operator=(const StoredBytes&) = delete;

  // Copies `bytes` into a temporary file without a name (in TMPDIR, else /tmp) and maps it: the system reads a page
  // when it is accessed. The file goes with this object, however the process ends. Returns null if no such file can be
  // made: `bytes` is empty, the disk is full, the folder is read-only.
  static std::unique_ptr<const StoredBytes> InFile(std::string_view bytes);

  // Valid as long as this object.
  std::string_view bytes() const {
    return mapped_ == nullptr ? std::string_view(memory_) : std::string_view(static_cast<const char*>(mapped_), size_);
  }

  // True if the bytes are in a file.
  bool in_file() const { return mapped_ != nullptr; }

 private:
  StoredBytes(void* mapped, size_t size) : mapped_(mapped), size_(size) {}

  std::string memory_;
  void* mapped_ = nullptr;
  size_t size_ = 0;
};

}  // namespace nacelle

#endif  // NACELLE_CORE_STORED_BYTES_H_
