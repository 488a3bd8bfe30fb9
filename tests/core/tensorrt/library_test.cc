#include "core/tensorrt/library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/handles.h"
#include "core/text.h"
#include "tests/core/tensorrt/fake/fakes.h"

namespace nacelle::tensorrt {
namespace {

std::string Refusal(const std::string& path) {
  try {
    Library::Open(path);
  } catch (const LibraryError& error) {
    return error.what();
  }
  return "accepted";
}

void ExpectIn(const std::string& part, const std::string& text) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
}

TEST(DecodeVersion, ReadsBothForms) {
  EXPECT_EQ(DecodeVersion(8503), (Release{8, 5, 3, 0}));
  EXPECT_EQ(DecodeVersion(8601), (Release{8, 6, 1, 0}));
  EXPECT_EQ(DecodeVersion(9001), (Release{9, 0, 1, 0}));
  EXPECT_EQ(DecodeVersion(9300), (Release{9, 3, 0, 0}));
  EXPECT_EQ(DecodeVersion(10701), (Release{1, 7, 1, 0}));
  EXPECT_EQ(DecodeVersion(100001), (Release{10, 0, 1, 0}));
  EXPECT_EQ(DecodeVersion(101303), (Release{10, 13, 3, 0}));
  EXPECT_EQ(DecodeVersion(110100), (Release{11, 1, 0, 0}));
}

TEST(KindOfFile, GoesByTheFileName) {
  EXPECT_EQ(KindOfFile("/opt/trt/libnvinfer.so.8"), LibraryKind::kFull);
  EXPECT_EQ(KindOfFile("libnvinfer_lean.so.11"), LibraryKind::kLean);
  EXPECT_EQ(KindOfFile("a/libnvinfer_dispatch.so.10"), LibraryKind::kDispatch);
  EXPECT_EQ(KindOfFile("/x/libnvinfer_lean.so.9"), LibraryKind::kLean);
  EXPECT_EQ(KindOfFile("/x/libtensorrt_rtx.so.1"), LibraryKind::kRtx);
  EXPECT_EQ(KindOfFile("/libnvinfer_lean.d/libother.so"), LibraryKind::kFull);
}

TEST(Library, TellsReleaseTableAndKind) {
  const auto v8 = OpenFake("libfake_8_5.so");
  EXPECT_EQ(v8->release(), (Release{8, 5, 3, 1})) << "the table tells the build number that the library does not";
  EXPECT_EQ(v8->Describe(), "TensorRT 8.5.3.1");
  EXPECT_EQ(v8->kind(), LibraryKind::kFull);
  EXPECT_EQ(v8->path(), FakePath("libfake_8_5.so"));

  for (const auto& [file, release] :
       {std::pair{"libfake_9_1.so", Release{9, 1, 0, 4}}, std::pair{"libfake_9_2.so", Release{9, 2, 0, 5}}}) {
    const auto v9 = OpenFake(file);
    EXPECT_EQ(v9->release(), release) << "as in 8.x, the table tells the build number";
    EXPECT_EQ(v9->table().release, release);
    EXPECT_EQ(v9->Describe(), Cat("TensorRT ", release.ToString()));
  }

  const auto v10 = OpenFake("libfake_10_0.so");
  EXPECT_EQ(v10->release(), (Release{10, 0, 1, 77})) << "the library tells its build number";
  EXPECT_EQ(v10->table().release, (Release{10, 0, 1, 6}));

  EXPECT_EQ(OpenFake("libnvinfer_lean_fake.so")->Describe(), "TensorRT 10.15.1.29 (lean)");
  const auto reference = OpenFake("libmarked_reference.so");
  EXPECT_EQ(reference->kind(), LibraryKind::kReference);
  EXPECT_EQ(reference->Describe(), "the reference engine (as TensorRT 11.1.0.106)");
}

TEST(Library, KnowsTensorRtRtxByItsName) {
  const auto rtx = OpenFake("libtensorrt_rtx_fake.so");
  EXPECT_EQ(rtx->kind(), LibraryKind::kRtx);
  EXPECT_EQ(rtx->release(), (Release{1, 7, 1, 0}));
  EXPECT_EQ(rtx->table().release, (Release{11, 1, 0, 106}));
  EXPECT_EQ(rtx->Describe(), "TensorRT-RTX 1.7.1.0");
}

TEST(Library, RefusesReleasesOfTensorRtRtxThatItsTableIsNotFor) {
  for (const char* file : {"libtensorrt_rtx_1_0.so", "libtensorrt_rtx_1_4.so"}) {
    const std::string refusal = Refusal(FakePath(file));
    ExpectIn(FakePath(file), refusal);
    ExpectIn("is older than 1.5.0.114, the oldest release of 1.x that Nacelle knows (it knows 1.5 to 1.7)", refusal);
  }
  ExpectIn("TensorRT-RTX 1.4.0.0", Refusal(FakePath("libtensorrt_rtx_1_4.so")));
  const std::string refusal = Refusal(FakePath("libtensorrt_rtx_2_0.so"));
  ExpectIn("TensorRT-RTX 2.0.0.0 is of a major release that Nacelle does not know (it knows 1.5 to 1.7)", refusal);
  for (const char* file : {"libtensorrt_rtx_1_5.so", "libtensorrt_rtx_1_9.so"}) {
    EXPECT_EQ(&OpenFake(file)->table(), &RtxSlotTable()) << file;
  }
}

TEST(Library, UsesANewerMinorWithTheNewestTable) {
  const auto library = OpenFake("libfake_11_7.so");
  EXPECT_EQ(library->release(), (Release{11, 7, 0, 77}));
  EXPECT_EQ(library->table().release, (Release{11, 1, 0, 106}));
  EXPECT_STREQ(Runtime::Create(library).Deserialize("fake plan").IoTensorName(0), "x");

  const auto v9_3 = OpenFake("libfake_9_3.so");
  EXPECT_EQ(v9_3->release(), (Release{9, 3, 0, 0}));
  EXPECT_EQ(v9_3->table().release, (Release{9, 2, 0, 5}));
  EXPECT_STREQ(Runtime::Create(v9_3).Deserialize("fake plan").IoTensorName(0), "x");
}

TEST(Library, RefusesUnknownMajors) {
  for (const char* file : {"libmajor_7.so", "libmajor_12.so"}) {
    const std::string refusal = Refusal(FakePath(file));
    ExpectIn(FakePath(file), refusal);
    ExpectIn("8.5 to 8.6, 9.1 to 9.2, 10.0 to 10.16, 11.0 to 11.1", refusal);
  }
  ExpectIn("TensorRT 7.2.3.0", Refusal(FakePath("libmajor_7.so")));
  ExpectIn("TensorRT 12.0.0.0", Refusal(FakePath("libmajor_12.so")));
  ExpectIn("older than 8.5.1.7", Refusal(FakePath("libtoo_old.so")));
  ExpectIn("9.0.1.0 is older than 9.1.0.4", Refusal(FakePath("libtoo_old_9.so")));
}

TEST(Library, NamesMissingEntryPoints) {
  const std::string refusal = Refusal(FakePath("libno_runtime.so"));
  ExpectIn("createInferRuntime_INTERNAL", refusal);
  EXPECT_EQ(refusal.find("getInferLibVersion"), std::string::npos) << refusal;
  ExpectIn("getInferLibVersion and createInferRuntime_INTERNAL", Refusal("libm.so.6"));
}

TEST(Library, SaysWhyAFileCannotBeLoaded) {
  ExpectIn("No such file", Refusal("/nowhere/libnvinfer.so.10"));
  ExpectIn("/nowhere/libnvinfer.so.10", Refusal("/nowhere/libnvinfer.so.10"));
  ExpectIn("tests/core/tensorrt/library_test.cc", Refusal("tests/core/tensorrt/library_test.cc"));
}

TEST(Library, IsOpenedOnce) {
  const auto first = OpenFake("libfake_8_6.so");
  EXPECT_EQ(OpenFake("libfake_8_6.so"), first);
  const std::string elsewhere = "./tests/core/../core/tensorrt/fake/libfake_8_6.so";
  EXPECT_EQ(Library::Open(elsewhere), first) << "another name of the same file";
}

TEST(Runtime, IsNotMadeFromNothing) {
  for (const char* file : {"libgives_null.so", "libgives_offset.so"}) {
    try {
      Runtime::Create(OpenFake(file));
      ADD_FAILURE() << file;
    } catch (const LibraryError& error) {
      ExpectIn("TensorRT 11.1.0.106 could not create a runtime", error.what());
    }
  }
}

}  // namespace
}  // namespace nacelle::tensorrt
