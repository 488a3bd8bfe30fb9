#include "reference/zip_directory.h"

#include <cstddef>
#include <limits>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {
namespace {

constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50, kEntry = 0x02014b50;
constexpr size_t kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20, kEntryBytes = 46;

[[noreturn]] void Refuse(std::string_view why) { throw PlanError(Cat("archive of the module ", why)); }

// Returns the little-endian number at `offset`; throws if it is not inside `bytes`.
template <typename T>
T At(std::string_view bytes, uint64_t offset) {
  if (bytes.size() < sizeof(T) || offset > bytes.size() - sizeof(T)) Refuse("is cut off");
  T number = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    number = static_cast<T>(number |
                            static_cast<T>(static_cast<T>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i)));
  }
  return number;
}

struct Directory {
  uint64_t entries;
  uint64_t size;
  uint64_t offset;
};

Directory Find(std::string_view archive) {
  if (archive.size() < kEndBytes || At<uint32_t>(archive, archive.size() - kEndBytes) != kEnd ||
      At<uint16_t>(archive, archive.size() - 2) != 0) {
    Refuse("does not end as a zip archive without a comment");
  }
  const size_t end = archive.size() - kEndBytes;
  Directory directory{At<uint16_t>(archive, end + 10), At<uint32_t>(archive, end + 12),
                      At<uint32_t>(archive, end + 16)};
  if (end >= kLocator64Bytes && At<uint32_t>(archive, end - kLocator64Bytes) == kLocator64) {
    const auto end64 = At<uint64_t>(archive, end - kLocator64Bytes + 8);
    if (archive.size() < kEnd64Bytes || end64 > archive.size() - kEnd64Bytes ||
        At<uint32_t>(archive, end64) != kEnd64) {
      Refuse("has a damaged zip64 end");
    }
    directory = {At<uint64_t>(archive, end64 + 32), At<uint64_t>(archive, end64 + 40),
                 At<uint64_t>(archive, end64 + 48)};
  }
  if (directory.offset > archive.size() || directory.size > archive.size() - directory.offset) {
    Refuse("has a directory outside of it");
  }
  return directory;
}

// Returns the unpacked size from the extra fields of an entry whose own field is too short for it.
uint64_t SizeIn(std::string_view extra) {
  constexpr uint16_t kZip64 = 1;
  while (extra.size() >= 4) {
    const auto id = At<uint16_t>(extra, 0), size = At<uint16_t>(extra, 2);
    if (size > extra.size() - 4) break;
    if (id == kZip64) return At<uint64_t>(extra.substr(4, size), 0);
    extra.remove_prefix(4 + size_t{size});
  }
  Refuse("has a member without a size");
}

}  // namespace

uint64_t UnpackedSize(std::string_view archive) {
  const Directory directory = Find(archive);
  std::string_view rest = archive.substr(directory.offset, directory.size);
  uint64_t total = 0;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (At<uint32_t>(rest, 0) != kEntry) Refuse("has a damaged directory");
    const uint64_t name = At<uint16_t>(rest, 28), extra = At<uint16_t>(rest, 30), comment = At<uint16_t>(rest, 32);
    const auto short_size = At<uint32_t>(rest, 24);
    const uint64_t entry = kEntryBytes + name + extra + comment;
    if (entry > rest.size()) Refuse("is cut off");
    uint64_t size = short_size;
    if (short_size == std::numeric_limits<uint32_t>::max()) size = SizeIn(rest.substr(kEntryBytes + name, extra));
    if (size > std::numeric_limits<uint64_t>::max() - total) Refuse("has members without bounds");
    total += size;
    rest.remove_prefix(entry);
  }
  return total;
}

}  // namespace nacelle::reference
