#include "core/tensorrt/builder/options.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/slot_table.h"
#include "tests/core/tensorrt/fake/fakes.h"
#include "tests/core/throws.h"

namespace nacelle::tensorrt {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

constexpr const char* k8_5 = "libfake_8_5.so";
constexpr const char* k8_6 = "libfake_8_6.so";
constexpr const char* k10 = "libfake_10_0.so";
constexpr const char* k11 = "libfake_11_1.so";
constexpr const char* kRtx = "libtensorrt_rtx_fake.so";

ResolvedOptions ResolveFor(const char* library, const BuildOptions& options) {
  return Resolve(options, *OpenFake(library));
}

std::string RefusalOf(const char* library, const BuildOptions& options) {
  return MessageOf<InputError>([&] { ResolveFor(library, options); });
}

BuildOptions With(const char* name, OptionValue value) {
  BuildOptions options;
  options.Set(name, std::move(value), "a value");
  return options;
}

using List = std::vector<std::string>;

TEST(BuildOptions, NothingIsAskedForWhereNothingIsSet) {
  for (const char* library : {k8_5, k8_6, k10, k11, kRtx}) {
    const ResolvedOptions resolved = ResolveFor(library, {});
    EXPECT_TRUE(resolved.set.empty());
    EXPECT_TRUE(resolved.clear.empty());
    EXPECT_FALSE(resolved.tactic_sources.has_value());
    EXPECT_FALSE(resolved.hardware_compatibility.has_value());
    EXPECT_FALSE(resolved.profiling_verbosity.has_value());
  }
}

TEST(BuildOptions, NetworksAreMadeAsTheReleaseWantsThem) {
  EXPECT_EQ(ResolveFor(k8_5, {}).network_flags, 1u);  // explicit batch
  EXPECT_EQ(ResolveFor(k10, {}).network_flags, 1u);
  EXPECT_EQ(ResolveFor(k10, With("strongly_typed", true)).network_flags, 3u);
  EXPECT_EQ(ResolveFor(k11, {}).network_flags, 1u);  // strongly typed, which has another number there
  EXPECT_EQ(ResolveFor(kRtx, {}).network_flags, 1u);
}

TEST(BuildOptions, FlagsAreSetAndCleared) {
  EXPECT_EQ(ResolveFor(k8_5, With("fp32_layers", List{"*"})).set,
            std::vector{Flag::kBuilderFlag_OBEY_PRECISION_CONSTRAINTS});
  EXPECT_EQ(ResolveFor(k8_5, With("fp16", true)).set, std::vector{Flag::kBuilderFlag_FP16});
  EXPECT_EQ(ResolveFor(k11, With("tf32", false)).clear, std::vector{Flag::kBuilderFlag_TF32});
  // A release need not have what is switched off.
  EXPECT_TRUE(ResolveFor(k8_5, With("version_compatible", false)).clear.empty());
  EXPECT_TRUE(ResolveFor(k11, With("fp16", false)).clear.empty());
}

TEST(BuildOptions, TacticSourcesAreBits) {
  const auto only = [](List names) { return With("tactic_sources", std::move(names)); };
  EXPECT_EQ(ResolveFor(k8_5, only({})).tactic_sources, 0u);
  EXPECT_TRUE(ResolveFor(k8_5, only({"jit_convolutions"})).without_external_tactics);
  EXPECT_FALSE(ResolveFor(k8_5, only({"cudnn"})).without_external_tactics);
  EXPECT_FALSE(ResolveFor(k10, only({})).without_external_tactics) << "later releases do without them anyway";
  EXPECT_EQ(ResolveFor(k8_5, only({"cublas", "jit_convolutions"})).tactic_sources, 0b10001u);
  EXPECT_EQ(ResolveFor(k11, only({"jit_convolutions"})).tactic_sources, 0b10u);
  ExpectHas(RefusalOf(k11, only({"cublas"})),
            "build option tactic_sources with cublas is not in TensorRT 11.1.0.77; wanted TensorRT 8.5 to 10: ");
}

// Options that a release lacks.
struct Missing {
  const char* name;
  const char* library;
  OptionValue value;
  const char* message;
};

class MissingOption : public testing::TestWithParam<Missing> {};

TEST_P(MissingOption, IsRefusedWithTheReleasesThatHaveIt) {
  const std::string message = RefusalOf(GetParam().library, With(GetParam().name, GetParam().value));
  ExpectHas(message, std::string("build option ") + GetParam().name + " ");
  ExpectHas(message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, MissingOption,
    testing::Values(
        Missing{"bf16", k8_5, true, "is not in TensorRT 8.5.3.1; wanted TensorRT 10: leave it out, or build with one"},
        Missing{"fp16", k11, true, "wanted TensorRT 8.5 to 10: engines of later releases have the dtypes of the model"},
        Missing{"fp32_layers", k11, List{"*"}, "wanted TensorRT 8.5 to 10: "},
        Missing{"int8", kRtx, true, "is not in TensorRT-RTX 1.7.1.0; wanted TensorRT 8.5 to 10: "},
        Missing{"strongly_typed", k8_6, true, "wanted TensorRT 10.0 and later: "},
        Missing{"strongly_typed", k11, false, "is False; wanted True, or none: engines of TensorRT 11.1.0"},
        Missing{"version_compatible", k8_5, true, "wanted TensorRT 8.6 and later: "},
        Missing{"weight_stripped", k8_6, true, "wanted TensorRT 10.0 and later: "},
        Missing{"optimization_level", k8_5, int64_t{3}, "wanted TensorRT 8.6 and later: "},
        Missing{"max_aux_streams", k8_5, int64_t{1}, "wanted TensorRT 8.6 and later: "},
        Missing{"hardware_compatibility", k8_5, "ampere_plus",
                "with ampere_plus is not in TensorRT 8.5.3.1; wanted "
                "TensorRT 8.6 and later: "},
        Missing{"hardware_compatibility", k10, "same_compute_capability", "wanted TensorRT 10.9 and later: "}),
    [](const testing::TestParamInfo<Missing>& info) { return info.param.name + std::to_string(info.index); });

// Values that no release takes.
struct Wrong {
  const char* name;
  std::optional<OptionValue> value;
  const char* found;
  const char* message;
};

class WrongValue : public testing::TestWithParam<Wrong> {};

TEST_P(WrongValue, IsRefusedWithWhatTheOptionTakes) {
  BuildOptions options;
  EXPECT_EQ(MessageOf<InputError>([&] { options.Set(GetParam().name, GetParam().value, GetParam().found); }),
            std::string("build option ") + GetParam().name + " is " + GetParam().message);
  EXPECT_EQ(options.Find(GetParam().name), nullptr);
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongValue,
    testing::Values(Wrong{"fp16", int64_t{1}, "1", "1; wanted True or False"},
                    Wrong{"tf32", std::nullopt, "None", "None; wanted True or False"},
                    Wrong{"workspace", int64_t{-1}, "-1", "-1; wanted a number of bytes of 1 or more"},
                    Wrong{"workspace", true, "True", "True; wanted a number of bytes of 1 or more"},
                    Wrong{"optimization_level", int64_t{6}, "6", "6; wanted a whole number from 0 to 5"},
                    Wrong{"avg_timing_iterations", int64_t{0}, "0", "0; wanted a whole number from 1 to 2147483647"},
                    Wrong{"max_aux_streams", int64_t{1} << 31, "2147483648",
                          "2147483648; wanted a whole number from 0 to "
                          "2147483647"},
                    Wrong{"hardware_compatibility", "all", "'all'",
                          "'all'; wanted one of none, ampere_plus, "
                          "same_compute_capability"},
                    Wrong{"profiling_verbosity", List{"none"}, "['none']",
                          "['none']; wanted one of none, layer_names_only, "
                          "detailed"},
                    Wrong{"tactic_sources", List{"cublas", "blas"}, "['cublas', 'blas']",
                          "['cublas', 'blas']; wanted a list with "
                          "any of cublas, cublas_lt, cudnn, edge_mask_convolutions, "
                          "jit_convolutions"},
                    Wrong{"fp32_layers", List{}, "[]", "[]; wanted a list of one name or more"},
                    Wrong{"fp32_layers", List{""}, "['']", "['']; wanted a list of one name or more"},
                    Wrong{"library", true, "True", "True; wanted a path"},
                    Wrong{"timing_cache", int64_t{3}, "3", "3; wanted True, False or a folder's path"}),
    [](const testing::TestParamInfo<Wrong>& info) { return info.param.name + std::to_string(info.index); });

TEST(BuildOptions, UnknownNamesAreRefusedWithThoseThereAre) {
  BuildOptions options;
  const std::string message = MessageOf<InputError>([&] { options.Set("fp61", true, "True"); });
  ExpectHas(message, "build option \"fp61\" is unknown; wanted one of fp16, bf16, ");
  ExpectHas(message, ", engine_cache_size");
}

TEST(BuildOptions, ValuesAreKept) {
  BuildOptions options;
  EXPECT_EQ(options.Get<bool>("fp16"), nullptr);
  options.Set("fp16", true, "True");
  options.Set("workspace", int64_t{1} << 40, "");
  options.Set("timing_cache", "/a/folder", "");
  options.Set("timing_cache", true, "True");
  EXPECT_TRUE(*options.Get<bool>("fp16"));
  EXPECT_EQ(*options.Get<int64_t>("workspace"), int64_t{1} << 40);
  EXPECT_EQ(*options.Find("timing_cache"), OptionValue(true));
}

// The text made from the table has one option on each line, and Python compares names.
TEST(BuildOptions, RowsAreWellFormed) {
  std::set<std::string> names;
  for (const BuildOption& option : kBuildOptions) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    const std::string_view help = option.help;
    EXPECT_EQ(help.find_first_of("\t\n\"\\"), std::string_view::npos) << option.name;
    EXPECT_TRUE(help.ends_with('.')) << option.name;
    EXPECT_EQ(option.choices.empty(), option.type != OptionType::kChoice && option.type != OptionType::kChoices)
        << option.name;
  }
}

TEST(BuildOptions, StronglyTypedAndAPrecisionContradictEachOther) {
  for (const auto& [name, value] : {std::pair<const char*, OptionValue>{"fp16", true}, {"fp32_layers", List{"*"}}}) {
    BuildOptions options = With("strongly_typed", true);
    options.Set(name, value, "");
    ExpectHas(RefusalOf(k10, options),
              std::string("build options strongly_typed and ") + name + " contradict each other: ");
  }
  BuildOptions options = With("strongly_typed", true);
  options.Set("fp16", false, "False");
  EXPECT_TRUE(ResolveFor(k10, options).set.empty());
}

TEST(BuildOptions, OnlyVersionCompatiblePlansHaveARuntimeToLeaveOut) {
  BuildOptions options = With("exclude_lean_runtime", true);
  ExpectHas(RefusalOf(k10, options), "exclude_lean_runtime is given without version_compatible; wanted both: ");
  options.Set("version_compatible", true, "True");
  EXPECT_EQ(ResolveFor(k10, options).set.size(), 2U);
}

}  // namespace
}  // namespace nacelle::tensorrt
