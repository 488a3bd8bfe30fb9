#include "examples/cpp/input_spec.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace nacelle::examples {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

TEST(ParseInputSpec, ReadsDtypeAndShape) {
  const InputSpec spec = ParseInputSpec("float32:1x3x224x224");
  EXPECT_FALSE(spec.index.has_value());
  EXPECT_EQ(spec.dtype, at::kFloat);
  EXPECT_THAT(spec.shape, ElementsAre(1, 3, 224, 224));
  EXPECT_EQ(spec.fill, InputSpec::Fill::kRandom);
}

TEST(ParseInputSpec, ReadsPlaceAndFill) {
  const InputSpec spec = ParseInputSpec("2=bool:8:zeros");
  EXPECT_EQ(spec.index, 2u);
  EXPECT_EQ(spec.dtype, at::kBool);
  EXPECT_THAT(spec.shape, ElementsAre(8));
  EXPECT_EQ(spec.fill, InputSpec::Fill::kZeros);
}

TEST(ParseInputSpec, ReadsNoDimensionsAndEmptyOnes) {
  EXPECT_THAT(ParseInputSpec("int64:").shape, IsEmpty());
  EXPECT_THAT(ParseInputSpec("int64::ones").shape, IsEmpty());
  EXPECT_THAT(ParseInputSpec("int64:0x4").shape, ElementsAre(0, 4));
}

TEST(ParseInputSpec, ReadsAFile) {
  const InputSpec spec = ParseInputSpec("1=folder/x.pt");
  EXPECT_EQ(spec.index, 1u);
  EXPECT_EQ(spec.file, "folder/x.pt");
}

class Malformed : public ::testing::TestWithParam<const char*> {};

TEST_P(Malformed, IsQuoted) {
  EXPECT_THAT([] { ParseInputSpec(GetParam()); },
              ThrowsMessage<std::invalid_argument>(HasSubstr(std::string("--input ") + GetParam() + ": ")));
}

INSTANTIATE_TEST_SUITE_P(All, Malformed,
                         ::testing::Values("", "0=", "x=float32:1", "-1=float32:1", "float:1", "float32:1x",
                                           "float32:x1", "float32:1xx2", "float32:-1", "float32:1,2",
                                           "float32:1:random:2", "float32:99999999999999999999", "float32:2:twos"));

TEST(MakeInput, HasDtypeShapeAndFill) {
  const at::Tensor ones = MakeInput(ParseInputSpec("float16:2x3:ones"));
  EXPECT_EQ(ones.scalar_type(), at::kHalf);
  EXPECT_THAT(ones.sizes().vec(), ElementsAre(2, 3));
  EXPECT_EQ(ones.sum().item<double>(), 6.0);
  const at::Tensor numbers = MakeInput(ParseInputSpec("uint8:1000"));
  EXPECT_EQ(numbers.scalar_type(), at::kByte);
  EXPECT_EQ(numbers.min().item<int>(), 0);
  EXPECT_EQ(numbers.max().item<int>(), 9);
  EXPECT_EQ(MakeInput(ParseInputSpec("bool:")).dim(), 0);
}

TEST(InPlaces, FillsPlacesThatAreNotNamed) {
  const auto specs = InPlaces({ParseInputSpec("1=b"), ParseInputSpec("a"), ParseInputSpec("c")}, 3);
  ASSERT_EQ(specs.size(), 3u);
  EXPECT_EQ(specs[0].file, "a");
  EXPECT_EQ(specs[1].file, "b");
  EXPECT_EQ(specs[2].file, "c");
  EXPECT_THAT(InPlaces({}, 0), IsEmpty());
}

TEST(InPlaces, NamesThePlaceThatIsWrong) {
  const auto place = [](std::vector<const char*> texts) {
    std::vector<InputSpec> specs;
    for (const char* text : texts) specs.push_back(ParseInputSpec(text));
    InPlaces(specs, 2);
  };
  EXPECT_THAT([&] { place({"a"}); }, ThrowsMessage<std::invalid_argument>(HasSubstr("input 1 (counted from 0)")));
  EXPECT_THAT([&] { place({"1=a", "1=b"}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("input 1 is given twice")));
  EXPECT_THAT([&] { place({"a", "b", "c"}); }, ThrowsMessage<std::invalid_argument>(HasSubstr("input 2 is given")));
}

}  // namespace
}  // namespace nacelle::examples
