#include "runtime/internal/write_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace nacelle::runtime {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class WriteFileTest : public testing::Test {
 protected:
  WriteFileTest()
      : folder_(fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  std::string Read(const std::string& name) const {
    std::ostringstream content;
    content << std::ifstream(Path(name), std::ios::binary).rdbuf();
    return content.str();
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  std::string Failure(const std::string& name, const std::string& content = "new") const {
    try {
      WriteFile(Path(name), content);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  const fs::path folder_;
};

TEST_F(WriteFileTest, WritesANewFileWithThePermissionsThatTheUmaskLeaves) {
  const mode_t former = umask(027);
  WriteFile(Path("a.json"), std::string_view("a\0b", 3));
  umask(former);
  EXPECT_EQ(Read("a.json"), std::string("a\0b", 3));
  EXPECT_EQ(fs::status(Path("a.json")).permissions(), fs::perms(0640));
  EXPECT_THAT(Names(), ElementsAre("a.json"));
}

TEST_F(WriteFileTest, ReplacesAFileAndKeepsItsPermissions) {
  std::ofstream(Path("a.json")) << "a former content that is longer";
  fs::permissions(Path("a.json"), fs::perms(0604));
  WriteFile(Path("a.json"), "new");
  EXPECT_EQ(Read("a.json"), "new");
  EXPECT_EQ(fs::status(Path("a.json")).permissions(), fs::perms(0604));
  EXPECT_THAT(Names(), ElementsAre("a.json"));
}

TEST_F(WriteFileTest, FollowsLinks) {
  fs::create_directory(Path("sub"));
  fs::create_symlink("sub/link", Path("link"));
  fs::create_symlink("a.json", Path("sub/link"));
  WriteFile(Path("link"), "first");  // the links lead to a file that is not there yet
  WriteFile(Path("link"), "second");
  EXPECT_EQ(Read("sub/a.json"), "second");
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_TRUE(fs::is_symlink(Path("sub/link")));
}

TEST_F(WriteFileTest, WritesADeviceInPlace) {
  WriteFile("/dev/null", "content");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(WriteFileTest, KeepsTheFormerFileIfTheNewOneDoesNotFit) {
  std::ofstream(Path("a.json")) << "former";
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {1000, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string failure = Failure("a.json", std::string(5000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(failure, HasSubstr(Path("a.json")));
  EXPECT_THAT(failure, HasSubstr("File too large"));
  EXPECT_EQ(Read("a.json"), "former");
  EXPECT_THAT(Names(), ElementsAre("a.json"));
}

TEST_F(WriteFileTest, SaysWhyAPathCannotBeWritten) {
  fs::create_symlink("loop", Path("loop"));
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  std::ofstream(Path("file")) << "x";
  EXPECT_THAT(Failure("no/a.json"), HasSubstr("no/a.json\": No such file or directory"));
  EXPECT_THAT(Failure("file/a.json"), HasSubstr("Not a directory"));
  EXPECT_THAT(Failure("."), HasSubstr("Is a directory"));
  EXPECT_THAT(Failure("a.json/"), HasSubstr("a.json/\": "));
  EXPECT_THAT(Failure("loop"), HasSubstr("Too many levels of symbolic links"));
  EXPECT_THAT(Failure("pipe"), HasSubstr("No such device or address"));
  EXPECT_THAT(Failure(std::string(300, 'n')), HasSubstr("File name too long"));
  EXPECT_THAT(Names(), ElementsAre("file", "loop", "pipe"));
}

}  // namespace
}  // namespace nacelle::runtime
