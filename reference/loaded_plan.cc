#include "reference/loaded_plan.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace nacelle::reference {
namespace {

// Bytes from which on it is worth a file that they are not in memory twice, here and as the network's weights.
constexpr size_t kMinBytesInFile = size_t{1} << 20;

}  // namespace

std::string Describe(const Tensor& tensor) {
  return Cat(tensor.is_input ? "input " : "output ", Quote(tensor.spec->name));
}

LoadedPlan::LoadedPlan(std::string bytes, const tensorrt::SlotTable& table)
    : bytes_(std::make_shared<const StoredBytes>(std::move(bytes))), plan_(ReadPlan(bytes_->bytes())) {
  CheckRelease(table);
  network_ = Network::Load(plan_.module, plan_.inputs.size(), plan_.outputs.size());
  module_bytes_ = plan_.module.size();
  plan_.module = std::string();
  if (bytes_->bytes().size() >= kMinBytesInFile) {
    if (std::shared_ptr<const StoredBytes> stored = StoredBytes::InFile(bytes_->bytes())) bytes_ = std::move(stored);
  }
  for (size_t i = 0; i < plan_.inputs.size(); ++i) {
    tensors_.push_back({&plan_.inputs[i], tensorrt::FindDataType(plan_.inputs[i].dtype), /*is_input=*/true, i});
    dynamic_ = dynamic_ || plan_.inputs[i].dynamic();
  }
  auto declared = std::make_shared<std::vector<Shape>>();
  for (size_t i = 0; i < plan_.outputs.size(); ++i) {
    const TensorSpec& output = plan_.outputs[i];
    tensors_.push_back({&output, tensorrt::FindDataType(output.dtype), /*is_input=*/false, i});
    infers_ = infers_ || (output.dynamic() && !output.data_dependent);
    declared->push_back(output.shape);
  }
  declared_ = std::move(declared);
  exclusive_profiles_ = dynamic_ && table.release < Release{8, 6, 0, 0};
  profile_taken_.resize(static_cast<size_t>(plan_.profile_count), false);
}

void LoadedPlan::CheckRelease(const tensorrt::SlotTable& table) const {
  const auto check = [&](const TensorSpec& tensor) {
    const tensorrt::DataTypeInfo& dtype = *tensorrt::FindDataType(tensor.dtype);
    if (table.release < dtype.since) {
      throw PlanError(Cat("reference plan: tensor ", Quote(tensor.name), " is ", dtype.name,
                          ", which TensorRT has from ", dtype.since.major, ".", dtype.since.minor,
                          " on; this library presents itself as ", table.release.ToString(),
                          "; set NACELLE_REFERENCE_RELEASE to a later one, or leave it unset"));
    }
    constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
    const auto fits = [](const Shape& shape) {
      return std::ranges::all_of(shape, [](int64_t i) { return i <= kMax; });
    };
    if (table.dims64) return;
    if (!fits(tensor.shape) || !std::ranges::all_of(tensor.profiles, fits, &ShapeRange::max)) {
      throw PlanError(Cat("reference plan: tensor ", Quote(tensor.name), " has an extent above ", kMax,
                          ", the most that ", table.release.ToString(), " can express"));
    }
  };
  std::ranges::for_each(plan_.inputs, check);
  std::ranges::for_each(plan_.outputs, check);
}

const Tensor* LoadedPlan::Find(const char* name) const {
  if (name == nullptr) return nullptr;
  for (const Tensor& tensor : tensors_) {
    if (tensor.spec->name.c_str() == name) return &tensor;
  }
  for (const Tensor& tensor : tensors_) {
    if (std::strcmp(tensor.spec->name.c_str(), name) == 0) return &tensor;
  }
  return nullptr;
}

std::string LoadedPlan::WhyNotFound(const char* name) const {
  std::vector<std::string> names;
  for (const Tensor& known : tensors_) names.push_back(Quote(known.spec->name));
  return Cat("no tensor has the name ", name == nullptr ? "(null)" : Quote(name), "; the names are ",
             Join(names, ", "));
}

OutputShapes LoadedPlan::InferShapes(std::span<const Shape> inputs) const {
  if (!infers_) return declared_;
  Shape key;
  for (const Shape& shape : inputs) key.insert(key.end(), shape.begin(), shape.end());
  if (OutputShapes known = shapes_.Find(key)) return known;
  std::vector<TensorType> types;
  for (size_t i = 0; i < inputs.size(); ++i) types.push_back({plan_.inputs[i].dtype, inputs[i]});
  auto shapes = std::make_shared<std::vector<Shape>>(network_->InferShapes(types));
  for (size_t i = 0; i < shapes->size(); ++i) {
    if (plan_.outputs[i].data_dependent) {
      (*shapes)[i] = plan_.outputs[i].shape;
    } else if (const std::string problem = CheckOutputShape(i, (*shapes)[i]); !problem.empty()) {
      throw ExecutionError(problem);
    }
  }
  shapes_.Insert(key, shapes);
  return shapes;
}

std::string LoadedPlan::CheckOutputShape(size_t output, std::span<const int64_t> shape) const {
  const TensorSpec& spec = plan_.outputs[output];
  const auto fits = [](int64_t extent, int64_t planned) { return planned < 0 || extent == planned; };
  if (std::ranges::equal(shape, spec.shape, fits)) return "";
  return Cat("the module gave output ", Quote(spec.name), " the shape ", ShapeText(shape), "; the plan says ",
             ShapeText(spec.shape),
             "; build it with profiles that cover the shapes in use, or with this output as data-dependent");
}

bool LoadedPlan::TakeProfile(int profile) {
  if (!exclusive_profiles_) return true;
  const std::lock_guard lock(profiles_mutex_);
  if (profile_taken_[static_cast<size_t>(profile)]) return false;
  profile_taken_[static_cast<size_t>(profile)] = true;
  return true;
}

void LoadedPlan::GiveBackProfile(int profile) {
  const std::lock_guard lock(profiles_mutex_);
  profile_taken_[static_cast<size_t>(profile)] = false;
}

}  // namespace nacelle::reference
