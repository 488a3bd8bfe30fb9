#include "core/tensorrt/builder/options.h"

#include <gtest/gtest.h>

#include <string>
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

std::string Refusal(const char* library, const BuildOptions& options) {
  return MessageOf<InputError>([&] { ResolveFor(library, options); });
}

BuildOptions With(auto BuildOptions::* option, auto value) {
  BuildOptions options;
  options.*option = value;
  return options;
}

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
  EXPECT_EQ(ResolveFor(k10, With(&BuildOptions::strongly_typed, true)).network_flags, 3u);
  EXPECT_EQ(ResolveFor(k11, {}).network_flags, 1u);  // strongly typed, which has another number there
  EXPECT_EQ(ResolveFor(kRtx, {}).network_flags, 1u);
}

TEST(BuildOptions, FlagsAreSetAndCleared) {
  EXPECT_EQ(ResolveFor(k8_5, With(&BuildOptions::fp32_layers, std::vector<std::string>{"*"})).set,
            std::vector{Flag::kBuilderFlag_OBEY_PRECISION_CONSTRAINTS});
  EXPECT_EQ(ResolveFor(k8_5, With(&BuildOptions::fp16, true)).set, std::vector{Flag::kBuilderFlag_FP16});
  EXPECT_EQ(ResolveFor(k11, With(&BuildOptions::tf32, false)).clear, std::vector{Flag::kBuilderFlag_TF32});
  // Not to have what the release lacks anyway is no error.
  EXPECT_TRUE(ResolveFor(k8_5, With(&BuildOptions::version_compatible, false)).clear.empty());
}

TEST(BuildOptions, TacticSourcesAreBits) {
  const auto only = [](std::vector<std::string> names) { return With(&BuildOptions::tactic_sources, names); };
  EXPECT_EQ(ResolveFor(k8_5, only({})).tactic_sources, 0u);
  EXPECT_TRUE(ResolveFor(k8_5, only({"jit_convolutions"})).without_external_tactics);
  EXPECT_FALSE(ResolveFor(k8_5, only({"cudnn"})).without_external_tactics);
  EXPECT_FALSE(ResolveFor(k10, only({})).without_external_tactics) << "later releases do without them anyway";
  EXPECT_EQ(ResolveFor(k8_5, only({"cublas", "jit_convolutions"})).tactic_sources, 0b10001u);
  EXPECT_EQ(ResolveFor(k11, only({"jit_convolutions"})).tactic_sources, 0b10u);
  ExpectHas(Refusal(k11, only({"cublas"})), "The option tactic_sources with cublas is not there in TensorRT 11.1.0.");
  ExpectHas(Refusal(k8_5, only({"blas"})),
            "tactic_sources is \"blas\"; it may be cublas, cublas_lt, cudnn, edge_mask_convolutions, jit_convolutions");
}

struct Missing {
  const char* name;
  const char* library;
  BuildOptions options;
  const char* said;
};

class MissingOption : public testing::TestWithParam<Missing> {};

TEST_P(MissingOption, IsRefusedWithTheReleasesThatHaveIt) {
  const std::string message = Refusal(GetParam().library, GetParam().options);
  ExpectHas(message, std::string("The option ") + GetParam().name + " ");
  ExpectHas(message, GetParam().said);
}

INSTANTIATE_TEST_SUITE_P(
    All, MissingOption,
    testing::Values(
        Missing{"bf16", k8_5, With(&BuildOptions::bf16, true), "TensorRT 10.0.0.6 to 10.16.0.72 have it"},
        Missing{"fp16", k11, With(&BuildOptions::fp16, true), "Convert the model (model.half()"},
        Missing{"fp32_layers", k11, With(&BuildOptions::fp32_layers, std::vector<std::string>{"*"}),
                "TensorRT 8.5.1.7 to 10.16.0.72 have it"},
        Missing{"int8", kRtx, With(&BuildOptions::int8, true), "TensorRT 8.5.1.7 to 10.16.0.72 have it"},
        Missing{"strongly_typed", k8_6, With(&BuildOptions::strongly_typed, true), "TensorRT 10.0.0.6 and later"},
        Missing{"strongly_typed", k11, With(&BuildOptions::strongly_typed, false), "always have the dtypes"},
        Missing{"version_compatible", k8_5, With(&BuildOptions::version_compatible, true),
                "TensorRT 8.6.0.12 and later have it"},
        Missing{"weight_stripped", k8_6, With(&BuildOptions::weight_stripped, true), "TensorRT 10.0.0.6 and later"},
        Missing{"optimization_level", k8_5, With(&BuildOptions::optimization_level, 3), "TensorRT 8.6.0.12 and later"},
        Missing{"optimization_level", k10, With(&BuildOptions::optimization_level, 6), "it may be 0 to 5"},
        Missing{"avg_timing_iterations", k8_5, With(&BuildOptions::avg_timing_iterations, 0), "it may be 1 or more"},
        Missing{"max_aux_streams", k8_5, With(&BuildOptions::max_aux_streams, 1), "TensorRT 8.6.0.12 and later"},
        Missing{"max_aux_streams", k10, With(&BuildOptions::max_aux_streams, -1), "it may be 0 or more"},
        Missing{"workspace", k10, With(&BuildOptions::workspace, 0), "a number of bytes, above 0"},
        Missing{"hardware_compatibility", k8_5, With(&BuildOptions::hardware_compatibility, "ampere_plus"),
                "TensorRT 8.6.0.12 and later"},
        Missing{"hardware_compatibility", k10, With(&BuildOptions::hardware_compatibility, "same_compute_capability"),
                "TensorRT 10.9.0.34 and later"},
        Missing{"hardware_compatibility", k10, With(&BuildOptions::hardware_compatibility, "all"),
                "it may be none, ampere_plus, same_compute_capability"},
        Missing{"profiling_verbosity", k10, With(&BuildOptions::profiling_verbosity, "verbose"),
                "it may be none, layer_names_only, detailed"},
        Missing{"exclude_lean_runtime", k10, With(&BuildOptions::exclude_lean_runtime, true), "version_compatible"}),
    [](const testing::TestParamInfo<Missing>& info) { return info.param.name + std::to_string(info.index); });

TEST(BuildOptions, StronglyTypedAndAPrecisionContradictEachOther) {
  BuildOptions options;
  options.strongly_typed = true;
  options.fp16 = true;
  ExpectHas(Refusal(k10, options), "strongly_typed and fp16 contradict each other");
  options.fp16.reset();
  options.fp32_layers = {"*"};
  ExpectHas(Refusal(k10, options), "strongly_typed and fp32_layers contradict each other");
}

}  // namespace
}  // namespace nacelle::tensorrt
