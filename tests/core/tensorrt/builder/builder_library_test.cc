#include "core/tensorrt/builder/builder_library.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "core/error.h"
#include "tests/core/tensorrt/fake/fakes.h"
#include "tests/core/throws.h"

namespace nacelle::tensorrt {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

std::string Refusal(const std::string& path) {
  return MessageOf<LibraryError>([&] { BuilderLibrary::Open(path); });
}

TEST(BuilderLibrary, ParsersAreLookedForBesideTheLibrary) {
  EXPECT_EQ(ParserBeside("/opt/trt/libnvinfer.so.8"), "/opt/trt/libnvonnxparser.so.8");
  EXPECT_EQ(ParserBeside("/opt/trt/libnvinfer.so.8.5.3"), "/opt/trt/libnvonnxparser.so.8");
  EXPECT_EQ(ParserBeside("/opt/trt/libnvinfer.so"), "/opt/trt/libnvonnxparser.so");
  EXPECT_EQ(ParserBeside("libnvinfer.so.10"), "libnvonnxparser.so.10");
  EXPECT_EQ(ParserBeside("/opt/rtx/libtensorrt_rtx.so.1"), "/opt/rtx/libtensorrt_onnxparser_rtx.so.1");
}

TEST(BuilderLibrary, OfTheWholeVersionWhereThatIsThere) {
  const std::filesystem::path folder = testing::TempDir();
  std::ofstream(folder / "libnvonnxparser.so.8.5.3");
  EXPECT_EQ(ParserBeside((folder / "libnvinfer.so.8.5.3").string()), (folder / "libnvonnxparser.so.8.5.3").string());
  EXPECT_EQ(ParserBeside((folder / "libnvinfer.so.8.6.1").string()), (folder / "libnvonnxparser.so.8").string());
}

TEST(BuilderLibrary, SaysWhyItCannotBuild) {
  ExpectHas(Refusal("/nowhere/libnvinfer.so.8"), "/nowhere/libnvinfer.so.8\" cannot be loaded");
  ExpectHas(Refusal(FakePath("libnvinfer_lean_fake.so")), "builds no engines: use a full library");
  ExpectHas(Refusal(FakePath("libfake_8_5.so")), "does not export createInferBuilder_INTERNAL");
}

TEST(BuilderLibrary, APlaceIsLookedAtAlone) {
  EXPECT_TRUE(FindBuilders("/nowhere/at/all").front().library == nullptr);
  const std::vector<FoundBuilder> found = FindBuilders(FakePath("libfake_8_5.so"));
  ASSERT_EQ(found.size(), 1u);
  ExpectHas(found.front().problem, "createInferBuilder_INTERNAL");
  // A lean library is no builder, wherever it lies.
  EXPECT_TRUE(FindBuilders(FakePath("libnvinfer_lean_fake.so")).empty());
}

TEST(BuilderLibrary, ReleasesThatCannotBeCalledAreFoundWithTheReason) {
  for (const auto& [file, reason] :
       {std::pair{"libtensorrt_rtx_1_4.so", "TensorRT-RTX 1.4.0.0 is older than 1.5.0.114"},
        std::pair{"libtensorrt_rtx_2_0.so", "2.0.0.0 is of a major release"},
        std::pair{"libmajor_7.so", "TensorRT 7.2.3.0 is of a major release"},
        std::pair{"libtoo_old.so", "8.4.1.0 is older than 8.5.1.7"}}) {
    const std::vector<FoundBuilder> found = FindBuilders(FakePath(file));
    ASSERT_EQ(found.size(), 1u) << file;
    EXPECT_EQ(found.front().library, nullptr) << file;
    ExpectHas(found.front().problem, reason);
  }
}

TEST(BuilderLibrary, OfAReleaseWhoseParserIsNotKnownNothingIsBuilt) {
  for (const auto& [file, release] :
       {std::pair{"libfake_9_1.so", "TensorRT 9.1.0.4"}, std::pair{"libfake_9_2.so", "TensorRT 9.2.0.5"},
        std::pair{"libfake_9_3.so", "TensorRT 9.3.0.0"}}) {
    const std::vector<FoundBuilder> found = FindBuilders(FakePath(file));
    ASSERT_EQ(found.size(), 1u) << file;
    EXPECT_EQ(found.front().library, nullptr) << file;
    for (const std::string& problem : {found.front().problem, Refusal(FakePath(file))}) {
      ExpectHas(problem, release);
      ExpectHas(problem, "runs plans but builds none: Nacelle does not know the ONNX parser of TensorRT 9.x");
      ExpectHas(problem,
                "build with TensorRT 8.x, 10.x, 11.x, or build the plan with TensorRT's own tools and embed it");
    }
  }
}

}  // namespace
}  // namespace nacelle::tensorrt
