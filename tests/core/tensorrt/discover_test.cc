#include "core/tensorrt/discover.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/tensorrt/library_choice.h"
#include "tests/core/tensorrt/fake/fakes.h"
#include "tests/core/throws.h"

namespace nacelle::tensorrt {
namespace {

namespace fs = std::filesystem;
using testing_support::ExpectHas;
using testing_support::MessageOf;

// A folder of files, and an environment that names nothing else.
class Discovery : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
    fs::create_directories(root_);
    setenv(kPathVariable, "", 1);
    SetPackageFolders({});
  }

  fs::path Touch(const fs::path& name) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << "not a library";
    return root_ / name;
  }

  // A fake library under a name that NVIDIA uses. A copy: one file is opened once, whatever its name.
  fs::path Put(const std::string& fake, const fs::path& name) const {
    fs::create_directories((root_ / name).parent_path());
    fs::copy_file(FakePath(fake), root_ / name);
    return root_ / name;
  }

  // The names of the libraries found under the test's folder.
  std::vector<std::string> Found() const {
    std::vector<std::string> names;
    for (const Candidate& candidate : Discover()) {
      if (candidate.path.starts_with(root_.string())) names.push_back(fs::relative(candidate.path, root_).string());
    }
    return names;
  }

  void Name(const std::string& paths) const { setenv(kPathVariable, paths.c_str(), 1); }

  fs::path root_;
};

using Names = std::vector<std::string>;

TEST_F(Discovery, NamedFoldersAreListedByTheirLibraries) {
  for (const char* name : {"a/libnvinfer.so.10", "a/libnvinfer_lean.so.10.1.0", "a/libnvinfer_plugin.so.10",
                           "a/libnvinfer.so.x", "a/libnvinfer.so", "a/readme"}) {
    Touch(name);
  }
  Name((root_ / "a").string() + ":" + (root_ / "none").string());
  EXPECT_EQ(Found(), (Names{"a/libnvinfer.so", "a/libnvinfer.so.10", "a/libnvinfer_lean.so.10.1.0", "none"}));
}

TEST_F(Discovery, AFileIsListedOnce) {
  const fs::path file = Touch("libnvinfer.so.8.5.3");
  fs::create_symlink(file, root_ / "libnvinfer.so.8");
  Name(file.string() + "::" + root_.string());
  EXPECT_EQ(Found(), (Names{"libnvinfer.so.8.5.3"}));
}

TEST_F(Discovery, AFileIsListedOnceByWhateverLinksItIsFound) {
  const fs::path file = Touch("a/libnvinfer.so.8.5.3");
  fs::create_hard_link(file, root_ / "a/libnvinfer.so.8");
  fs::create_symlink("libnvinfer.so.8", root_ / "a/libnvinfer.so");
  fs::create_directories(root_ / "b");
  fs::create_hard_link(file, root_ / "b/libnvinfer.so.8");
  fs::create_directory_symlink(root_ / "b", root_ / "c");
  SetPackageFolders({(root_ / "site").string()});
  fs::create_directories(root_ / "site/tensorrt_libs");
  fs::create_hard_link(file, root_ / "site/tensorrt_libs/libnvinfer.so.8");
  fs::copy_file(file, root_ / "site/tensorrt_libs/libnvinfer.so.8.copy");
  const std::string a = (root_ / "a").string();
  Name(a + ":" + (root_ / "b").string() + ":" + (root_ / "c").string() + ":" + (root_ / "a/../b").string() + ":" + a);
  // The first in the order of names is the symbolic link; fs::relative follows it.
  EXPECT_EQ(Found(), (Names{"a/libnvinfer.so.8", "site/tensorrt_libs/libnvinfer.so.8.copy"}));
}

TEST_F(Discovery, APathWithoutAFileIsListedOnce) {
  const std::string none = (root_ / "none").string();
  Name(none + ":" + (root_ / "x/../none").string() + ":" + none);
  EXPECT_EQ(Found(), (Names{"none"}));
}

TEST_F(Discovery, KindAndMajorReleaseAreReadOffTheName) {
  Touch("libnvinfer_dispatch.so.11");
  Touch("libtensorrt_rtx.so.1");
  Name(root_.string() + ":" + Touch("engine.so").string());
  const std::vector<Candidate> found = Discover();
  ASSERT_GE(found.size(), 3U);
  EXPECT_EQ(found[0],
            (Candidate{(root_ / "libnvinfer_dispatch.so.11").string(), kPathVariable, LibraryKind::kDispatch, 11}));
  EXPECT_EQ(found[1], (Candidate{(root_ / "libtensorrt_rtx.so.1").string(), kPathVariable, LibraryKind::kRtx, 1}));
  EXPECT_EQ(found[2], (Candidate{(root_ / "engine.so").string(), kPathVariable, LibraryKind::kFull, 0}));
}

TEST_F(Discovery, PythonsPackagesAreLookedInto) {
  Touch("site/tensorrt_lean_libs/libnvinfer_lean.so.11");
  Touch("site/tensorrt_libs/libnvinfer.so.10");
  Touch("site/other/libnvinfer.so.10");
  SetPackageFolders({(root_ / "site").string(), (root_ / "none").string()});
  EXPECT_EQ(Found(), (Names{"site/tensorrt_libs/libnvinfer.so.10", "site/tensorrt_lean_libs/libnvinfer_lean.so.11"}));
  const std::vector<Candidate> found = Discover();
  const auto lean = std::ranges::find(found, LibraryKind::kLean, &Candidate::kind);
  ASSERT_NE(lean, found.end());
  EXPECT_EQ(lean->source, "the Python package tensorrt_lean_libs");
}

TEST_F(Discovery, LoadedLibrariesAreSeen) {
  const auto library = Library::Open(Put("libfake_10_0.so", "loaded/libnvinfer.so.10").string());
  const std::vector<Candidate> found = Discover();
  const auto loaded = std::ranges::find(found, "loaded in this process", &Candidate::source);
  ASSERT_NE(loaded, found.end());
  EXPECT_EQ(fs::canonical(loaded->path), fs::canonical(library->path()));
}

TEST_F(Discovery, TheSystemIsAskedLast) {
  const std::vector<Candidate> found = Discover();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.back().source, "the system's library path");
  EXPECT_NE(std::ranges::find(found, "libnvinfer.so.8", &Candidate::path), found.end());
  EXPECT_NE(std::ranges::find(found, "libnvinfer.so.9", &Candidate::path), found.end());
  EXPECT_NE(std::ranges::find(found, "libtensorrt_rtx.so.1", &Candidate::path), found.end());
}

TEST_F(Discovery, WhatCannotBeOpenedHasAReason) {
  Name(Touch("libnvinfer.so.10").string());
  Put("libfake_11_1.so", "site/tensorrt_libs/libnvinfer.so.11");
  SetPackageFolders({(root_ / "site").string()});
  const std::vector<Opened> opened = OpenAll();
  ASSERT_GE(opened.size(), 2U);
  EXPECT_EQ(opened[0].library, nullptr);
  ExpectHas(opened[0].problem, "cannot be loaded");
  const auto real = std::ranges::find_if(opened, [](const Opened& item) { return item.library != nullptr; });
  ASSERT_NE(real, opened.end());
  EXPECT_EQ(real->problem, "");
}

TEST_F(Discovery, ALibraryIsOpenedOnceByWhateverLinksItIsFound) {
  const fs::path file = Put("libfake_10_0.so", "a/libnvinfer.so.10");
  fs::create_hard_link(file, root_ / "a/libnvinfer.so.10.0");
  fs::create_symlink(file, root_ / "libnvinfer.so");
  Name((root_ / "a").string() + ":" + root_.string());
  std::vector<const Library*> libraries;
  for (const Opened& opened : OpenAll()) {
    if (opened.library != nullptr) libraries.push_back(opened.library.get());
  }
  std::ranges::sort(libraries);
  EXPECT_EQ(std::ranges::adjacent_find(libraries), libraries.end());
  EXPECT_FALSE(libraries.empty());
}

plan::PlanHeader TensorRt(const Release& release) { return {plan::PlanKind::kTensorRT, release}; }

TEST_F(Discovery, APlanGetsTheLibraryOfItsRelease) {
  Put("libfake_8_5.so", "a/libnvinfer.so.8");
  Put("libfake_9_1.so", "a/libnvinfer.so.9");
  Put("libfake_11_1.so", "b/libnvinfer.so.11");
  Name((root_ / "a").string() + ":" + (root_ / "b").string());
  for (const Release& release : {Release{8, 5, 3, 1}, Release{9, 1, 0, 4}, Release{11, 1, 0, 77}}) {
    LibraryChoice choice(TensorRt(release));
    const auto library = choice.Next();
    ASSERT_NE(library, nullptr) << release.ToString();
    EXPECT_TRUE(choice.exact());
    EXPECT_EQ(library->release(), release);
    EXPECT_EQ(choice.Next(), nullptr);
  }
}

TEST_F(Discovery, APlanOfAnOlderMinorReleaseIsTriedWithNewerLibraries) {
  Put("libfake_11_1.so", "a/libnvinfer_dispatch.so.11");
  Put("libfake_11_1.so", "a/libnvinfer_lean.so.11");
  Name((root_ / "a").string());
  LibraryChoice choice(TensorRt({11, 0, 0, 114}));
  std::vector<LibraryKind> tried;
  while (const auto library = choice.Next()) {
    EXPECT_FALSE(choice.exact());
    choice.Refused("no version-compatible plan");
    // Libraries that other tests loaded stay loaded, and are tried too.
    if (library->path().starts_with(root_.string())) tried.push_back(library->kind());
  }
  EXPECT_EQ(tried, (std::vector{LibraryKind::kLean, LibraryKind::kDispatch}));
  const std::string message = MessageOf<LibraryError>([&] { choice.Throw(); });
  ExpectHas(message, "the plan needs TensorRT 11.0.0.114");
  ExpectHas(message, "(lean); it refused the plan: no version-compatible plan");
  ExpectHas(message, "(dispatch); it refused the plan: no version-compatible plan");
}

// TensorRT 9.0 has no table; a version-compatible plan of it may run on a later 9.x.
TEST_F(Discovery, APlanOf9IsTriedWithNewerLibrariesOf9Alone) {
  Put("libfake_8_6.so", "a/libnvinfer.so.8");
  Put("libfake_9_1.so", "a/libnvinfer_lean.so.9");
  Put("libfake_10_0.so", "a/libnvinfer.so.10");
  Name((root_ / "a").string());
  LibraryChoice choice(TensorRt({9, 0, 1, 4}));
  std::vector<std::string> tried;
  while (const auto library = choice.Next()) {
    EXPECT_FALSE(choice.exact());
    choice.Refused("another release");
    if (library->path().starts_with(root_.string())) tried.push_back(library->Describe());
  }
  EXPECT_EQ(tried, (Names{"TensorRT 9.1.0.4 (lean)"}));
}

TEST_F(Discovery, NoOlderReleaseAndNoOtherMajorIsTried) {
  Put("libfake_11_1.so", "a/libnvinfer.so.11");
  Touch("a/libnvinfer.so.10");
  Touch("a/libtensorrt_rtx.so.1");
  Name((root_ / "a").string());
  LibraryChoice choice(TensorRt({11, 9, 0, 1}));
  EXPECT_EQ(choice.Next(), nullptr);
  const std::string message = MessageOf<LibraryError>([&] { choice.Throw(); });
  ExpectHas(message, "put the file or folder of that release into NACELLE_TENSORRT_PATH");
  ExpectHas(message, "libnvinfer.so.11 (NACELLE_TENSORRT_PATH): is TensorRT 11.1.0.77");
  ExpectHas(message, "libnvinfer.so.10 (NACELLE_TENSORRT_PATH): is of release 10.x, by its name");
  ExpectHas(message, "libtensorrt_rtx.so.1 (NACELLE_TENSORRT_PATH): is a library of TensorRT-RTX, by its name");
}

TEST_F(Discovery, APlanThatNoLibraryCanRunIsRefusedAtOnce) {
  for (const Release& release : {Release{7, 1, 3, 4}, Release{8, 4, 3, 1}, Release{12, 0, 0, 1}}) {
    const std::string message = MessageOf<LibraryError>([&] { LibraryChoice choice(TensorRt(release)); });
    ExpectHas(message, "the plan was built by TensorRT " + release.ToString());
    ExpectHas(message, "build the engine again with one of these releases");
  }
}

// Later releases may take it, so they are tried; its own release is no remedy.
TEST_F(Discovery, APlanOfAReleaseThatCannotBeCalledIsTriedWithNewerLibraries) {
  Put("libtensorrt_rtx_1_4.so", "a/libtensorrt_rtx.so.1");
  Name((root_ / "a").string());
  LibraryChoice choice(plan::PlanHeader{plan::PlanKind::kTensorRTRtx, {1, 4, 0, 76}});
  while (choice.Next() != nullptr) choice.Refused("another release");
  const std::string message = MessageOf<LibraryError>([&] { choice.Throw(); });
  ExpectHas(message,
            "Nacelle cannot call that release (it calls 1.5 to 1.7): build the engine again with one of these");
  ExpectHas(message, "TensorRT-RTX 1.4.0.0 is older than 1.5.0.114");
}

}  // namespace
}  // namespace nacelle::tensorrt
