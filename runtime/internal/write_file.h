// Writes a file whole or not at all.
#ifndef NACELLE_RUNTIME_INTERNAL_WRITE_FILE_H_
#define NACELLE_RUNTIME_INTERNAL_WRITE_FILE_H_

#include <string>
#include <string_view>

namespace nacelle::runtime {

// Writes `content` under a temporary name beside `path`, syncs it, and moves it to `path`. If a step fails, `path` is
// as it was. Links are followed: the link stays, and the file that it leads to is replaced and keeps its permissions. A
// device or a pipe is written in place. Throws InputError with the path and the system's reason.
//
// Threads may write one path at once: the last move stays.
void WriteFile(const std::string& path, std::string_view content);

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_WRITE_FILE_H_
