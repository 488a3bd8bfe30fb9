// Runs a part of a test in a forked child.
//
//   EXPECT_EQ(InChild([&] { return engine.Run() == wanted ? "" : "another result"; }), "");
#ifndef NACELLE_TESTS_CORE_IN_CHILD_H_
#define NACELLE_TESTS_CORE_IN_CHILD_H_

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <string>

namespace nacelle::testing_support {

// Returns what `body` returns in a child, which ends after it without destroying anything: a text, empty if all is
// well. A child that throws, dies, or does not end within a minute gives a text that says so.
template <typename Body>
std::string InChild(const Body& body) {
  int ends[2];
  if (pipe(ends) != 0) return "there is no pipe";
  const pid_t child = fork();
  if (child < 0) return "fork failed";
  if (child == 0) {
    alarm(60);  // ends it
    std::string text;
    try {
      text = body();
    } catch (const std::exception& error) {
      text = std::string("threw ") + error.what();
    }
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t size = 0; (size = read(ends[0], part.data(), part.size())) > 0;) text.append(part.data(), size);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return status == 0 ? text : text + " and ended with status " + std::to_string(status);
}

}  // namespace nacelle::testing_support

#endif  // NACELLE_TESTS_CORE_IN_CHILD_H_
