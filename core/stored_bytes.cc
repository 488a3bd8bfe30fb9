#include "core/stored_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace nacelle {
namespace {

// Closes a file descriptor at the end of a scope; a mapping of the file does not need it.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

const char* TemporaryFolder() {
  const char* const named = std::getenv("TMPDIR");
  return named == nullptr || *named == '\0' ? "/tmp" : named;
}

// Opens a new file without a name; negative on failure.
int OpenNameless() {
  const int descriptor = open(TemporaryFolder(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor >= 0) return descriptor;
  // Some file systems cannot make a file without a name.
  std::string path = std::string(TemporaryFolder()) + "/nacelle-XXXXXX";
  const int named = mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) unlink(path.c_str());
  return named;
}

bool WriteAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

std::unique_ptr<const StoredBytes> StoredBytes::InFile(std::string_view bytes) {
  if (bytes.empty()) return nullptr;
  const File file(OpenNameless());
  if (file.get() < 0 || !WriteAll(file.get(), bytes)) return nullptr;
  void* const mapped = mmap(nullptr, bytes.size(), PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) return nullptr;
  return std::unique_ptr<const StoredBytes>(new StoredBytes(mapped, bytes.size()));
}

StoredBytes::~StoredBytes() {
  if (mapped_ != nullptr) munmap(mapped_, size_);
}

}  // namespace nacelle
