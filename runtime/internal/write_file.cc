#include "runtime/internal/write_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::runtime {
namespace {

[[noreturn]] void Fail(const std::string& path) {
  const int reason = errno;
  throw InputError(Cat("cannot write ", Quote(path, path.size()), ": ", std::strerror(reason)));
}

void WriteAll(int descriptor, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(descriptor, content.data(), content.size());
    if (written < 0 && errno != EINTR) Fail(path);
    if (written > 0) content.remove_prefix(static_cast<size_t>(written));
  }
}

// An open file that is closed at the end of its block.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  const int number_;
};

// A file with a name of its own in the folder of its destination. It is removed unless it was moved there.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& folder)
      : path_(folder / Cat(".nacelle.", std::to_string(std::random_device()()))),
        descriptor_(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666)) {}
  ~TemporaryFile() {
    if (descriptor_.number() >= 0 && !moved_) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int descriptor() const { return descriptor_.number(); }

  bool MoveTo(const std::filesystem::path& destination) {
    moved_ = rename(path_.c_str(), destination.c_str()) == 0;
    return moved_;
  }

 private:
  const std::filesystem::path path_;
  const Descriptor descriptor_;
  bool moved_ = false;
};

// The path that a link leads to, even if no file is there.
std::filesystem::path FollowLinks(std::filesystem::path path) {
  std::error_code ignored;
  while (std::filesystem::is_symlink(path, ignored)) {
    path = path.parent_path() / std::filesystem::read_symlink(path, ignored);
  }
  return path;
}

void WriteInPlace(const std::string& path, std::string_view content) {
  // With O_NONBLOCK, a pipe that no process reads is an error instead of a wait.
  const Descriptor stream(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (stream.number() < 0 || fcntl(stream.number(), F_SETFL, 0) != 0) Fail(path);
  WriteAll(stream.number(), content, path);
}

}  // namespace

void WriteFile(const std::string& path, std::string_view content) {
  struct stat former = {};
  const bool replaces = stat(path.c_str(), &former) == 0;
  if (!replaces && errno != ENOENT) Fail(path);
  if (replaces && !S_ISREG(former.st_mode)) return WriteInPlace(path, content);

  const std::filesystem::path destination = FollowLinks(path);
  TemporaryFile temporary(destination.parent_path());
  if (temporary.descriptor() < 0) Fail(path);
  WriteAll(temporary.descriptor(), content, path);
  if (replaces && fchmod(temporary.descriptor(), former.st_mode & 07777) != 0) Fail(path);
  if (fsync(temporary.descriptor()) != 0 || !temporary.MoveTo(destination)) Fail(path);
}

}  // namespace nacelle::runtime
