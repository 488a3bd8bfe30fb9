// A library to preload that lets the n-th system call or allocation of a kind fail.
//
// Reads, writes and syncs count if their file is in the folder that is watched; renames and allocations count wherever
// they are made. Nothing fails before failing_arm() was called:
//
//   failing_arm(kWrite, 3, ENOSPC, /*forever=*/0, "/tmp/folder");  // the third write there fails, once
//   ...
//   failing_count();  // writes since
//
// The C library's own writes behind fwrite and reads behind fread are not seen from outside, so these two are counted
// themselves.

#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#define EXPORTED extern "C" __attribute__((visibility("default")))

// The allocator behind malloc, for allocations that do not fail.
extern "C" void* __libc_malloc(size_t size);
extern "C" void* __libc_calloc(size_t count, size_t size);
extern "C" void* __libc_realloc(void* memory, size_t size);
extern "C" void* __libc_memalign(size_t alignment, size_t size);

namespace {

enum Kind : int { kNone, kWrite, kSync, kRename, kRead, kAllocation };

// The state is of plain types: allocations come before any constructor runs.
std::atomic<int> armed{kNone};
std::atomic<long> counted{0};
long failing = 0;
bool forever = false;
int error_number = 0;
std::array<char, 4096> watched{};

// True if this call of `kind` has to fail; errno is set then.
bool Fails(Kind kind) {
  if (armed.load(std::memory_order_acquire) != kind) return false;
  const long number = ++counted;
  if (number != failing && !(forever && failing > 0 && number > failing)) return false;
  errno = error_number;
  return true;
}

bool InFolder(const char* path) { return std::strncmp(path, watched.data(), std::strlen(watched.data())) == 0; }

bool InFolder(int descriptor) {
  std::array<char, 64> link{};
  std::array<char, 4096> path{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", descriptor);
  const int kept = errno;
  const ssize_t size = readlink(link.data(), path.data(), path.size() - 1);
  errno = kept;
  return size > 0 && InFolder(path.data());
}

bool Fails(Kind kind, int descriptor) {
  return armed.load(std::memory_order_relaxed) == kind && InFolder(descriptor) && Fails(kind);
}

// The function of that name behind ours.
template <typename F>
F* Next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

EXPORTED void failing_arm(int kind, long number, int error, int for_ever, const char* folder) {
  armed = kNone;
  std::snprintf(watched.data(), watched.size(), "%s", folder);
  counted = 0;
  failing = number;
  forever = for_ever != 0;
  error_number = error;
  armed.store(kind, std::memory_order_release);
}

EXPORTED long failing_count() {
  armed = kNone;
  return counted;
}

EXPORTED ssize_t write(int descriptor, const void* data, size_t size) {
  static auto* const next = Next<ssize_t(int, const void*, size_t)>("write");
  return Fails(kWrite, descriptor) ? -1 : next(descriptor, data, size);
}

EXPORTED ssize_t pwrite64(int descriptor, const void* data, size_t size, off64_t offset) {
  static auto* const next = Next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return Fails(kWrite, descriptor) ? -1 : next(descriptor, data, size, offset);
}

EXPORTED ssize_t writev(int descriptor, const iovec* parts, int count) {
  static auto* const next = Next<ssize_t(int, const iovec*, int)>("writev");
  return Fails(kWrite, descriptor) ? -1 : next(descriptor, parts, count);
}

EXPORTED size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  static auto* const next = Next<size_t(const void*, size_t, size_t, FILE*)>("fwrite");
  return Fails(kWrite, fileno(file)) ? 0 : next(data, size, count, file);
}

EXPORTED ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                                 unsigned int flags) {
  static auto* const next = Next<ssize_t(int, off64_t*, int, off64_t*, size_t, unsigned int)>("copy_file_range");
  return Fails(kWrite, to) ? -1 : next(from, from_offset, to, to_offset, size, flags);
}

EXPORTED ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) {
  static auto* const next = Next<ssize_t(int, int, off64_t*, size_t)>("sendfile64");
  return Fails(kWrite, to) ? -1 : next(to, from, offset, size);
}

EXPORTED int fsync(int descriptor) {
  static auto* const next = Next<int(int)>("fsync");
  return Fails(kSync, descriptor) ? -1 : next(descriptor);
}

EXPORTED int rename(const char* from, const char* to) {
  static auto* const next = Next<int(const char*, const char*)>("rename");
  return Fails(kRename) ? -1 : next(from, to);
}

EXPORTED ssize_t read(int descriptor, void* data, size_t size) {
  static auto* const next = Next<ssize_t(int, void*, size_t)>("read");
  return Fails(kRead, descriptor) ? -1 : next(descriptor, data, size);
}

EXPORTED ssize_t pread64(int descriptor, void* data, size_t size, off64_t offset) {
  static auto* const next = Next<ssize_t(int, void*, size_t, off64_t)>("pread64");
  return Fails(kRead, descriptor) ? -1 : next(descriptor, data, size, offset);
}

EXPORTED size_t fread(void* data, size_t size, size_t count, FILE* file) {
  static auto* const next = Next<size_t(void*, size_t, size_t, FILE*)>("fread");
  return Fails(kRead, fileno(file)) ? 0 : next(data, size, count, file);
}

EXPORTED void* malloc(size_t size) { return Fails(kAllocation) ? nullptr : __libc_malloc(size); }

EXPORTED void* calloc(size_t count, size_t size) { return Fails(kAllocation) ? nullptr : __libc_calloc(count, size); }

EXPORTED void* realloc(void* memory, size_t size) {
  return Fails(kAllocation) ? nullptr : __libc_realloc(memory, size);
}

EXPORTED int posix_memalign(void** memory, size_t alignment, size_t size) {
  if (Fails(kAllocation)) return ENOMEM;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
