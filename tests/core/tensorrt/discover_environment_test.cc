// Discovery in a process that set no package folders: it follows Python's environment variables.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/tensorrt/discover.h"

namespace nacelle::tensorrt {
namespace {

namespace fs = std::filesystem;

// A folder with libraries in packages, which is the current one, and an environment that names none.
class EnvironmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::weakly_canonical(::testing::TempDir()) / "environment";
    fs::remove_all(root_);
    for (const char* place : {"tensorrt_libs", "lib/python3.12/site-packages/tensorrt_libs"}) {
      fs::create_directories(root_ / place);
      std::ofstream(root_ / place / "libnvinfer.so.10") << "not a library";
    }
    fs::current_path(root_);
    for (const char* variable : {kPathVariable, "PYTHONPATH", "VIRTUAL_ENV"}) unsetenv(variable);
  }

  // Paths of the packages' libraries that were found.
  static std::vector<std::string> Found() {
    std::vector<std::string> paths;
    for (const Candidate& candidate : Discover()) {
      if (candidate.source.starts_with("the Python package")) paths.push_back(candidate.path);
    }
    return paths;
  }

  fs::path root_;
};

TEST_F(EnvironmentTest, AbsolutePathsAreLookedInto) {
  setenv("PYTHONPATH", root_.c_str(), 1);
  EXPECT_EQ(Found(), std::vector{(root_ / "tensorrt_libs/libnvinfer.so.10").string()});
  unsetenv("PYTHONPATH");
  setenv("VIRTUAL_ENV", root_.c_str(), 1);
  EXPECT_EQ(Found(), std::vector{(root_ / "lib/python3.12/site-packages/tensorrt_libs/libnvinfer.so.10").string()});
}

TEST_F(EnvironmentTest, NothingLeadsToTheCurrentFolder) {
  for (const char* path : {"", ":", ".", "./", "lib/python3.12/site-packages", ":relative:"}) {
    setenv("PYTHONPATH", path, 1);
    EXPECT_TRUE(Found().empty()) << path;
  }
  for (const char* environment : {"", ".", "./"}) {
    setenv("VIRTUAL_ENV", environment, 1);
    EXPECT_TRUE(Found().empty()) << environment;
  }
}

}  // namespace
}  // namespace nacelle::tensorrt
