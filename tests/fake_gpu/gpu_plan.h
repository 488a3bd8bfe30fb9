// Plans of the fake TensorRT.
#ifndef NACELLE_TESTS_FAKE_GPU_GPU_PLAN_H_
#define NACELLE_TESTS_FAKE_GPU_GPU_PLAN_H_

#include <cstddef>
#include <string>

namespace nacelle::fake_gpu {

inline constexpr size_t kHeaderBytes = 32;

// A plan of the reference engine as one of TensorRT's, of the release that the reference engine presents.
std::string GpuPlan(const std::string& reference_plan);

}  // namespace nacelle::fake_gpu

#endif  // NACELLE_TESTS_FAKE_GPU_GPU_PLAN_H_
