// The part of ExecutionContext that is about shapes and profiles.
#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "reference/execution_context.h"

namespace nacelle::reference {

using tensorrt::ErrorCode;

bool ExecutionContext::CheckInputShape(const char* method, const Tensor& tensor, const Shape& shape) {
  const TensorSpec& spec = *tensor.spec;
  if (shape.size() != spec.shape.size()) {
    return Refuse(method, Cat(Describe(tensor), " has ", spec.shape.size(), " dimensions (", ShapeText(spec.shape),
                              "); got ", ShapeText(shape)));
  }
  if (spec.dynamic() && profile_ < 0) {
    return Refuse(method, Cat(Describe(tensor), ": no optimization profile is set"), ErrorCode::kINVALID_STATE);
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t min = spec.dynamic() ? spec.profiles[static_cast<size_t>(profile_)].min[i] : spec.shape[i];
    const int64_t max = spec.dynamic() ? spec.profiles[static_cast<size_t>(profile_)].max[i] : spec.shape[i];
    if (shape[i] >= min && shape[i] <= max) continue;
    const std::string range = min == max ? Cat(min) : Cat(min, " to ", max);
    const std::string profile = spec.dynamic() ? Cat(" in optimization profile ", profile_) : "";
    return Refuse(method, Cat(Describe(tensor), ", dimension ", i, ": ", shape[i], " of ", ShapeText(shape),
                              " is outside its range, ", range, profile));
  }
  return true;
}

template <typename Extents>
bool ExecutionContext::SetShape(const char* method, const Tensor& tensor, const Extents& extents) {
  Input& input = inputs_[tensor.index];
  if (input.specified && std::ranges::equal(input.shape, extents)) return true;
  const Shape shape(extents.begin(), extents.end());
  if (!CheckInputShape(method, tensor, shape)) return false;
  std::ranges::copy(shape, input.shape.begin());  // in place: views_ look at it
  input.specified = true;
  resolved_ = nullptr;
  return true;
}

template <typename D>
bool ExecutionContext::SetInputShape(const char* name, const D* dims) {
  const Tensor* tensor = FindOrRefuse("setInputShape", name);
  if (tensor == nullptr) return false;
  if (!tensor->is_input) return Refuse("setInputShape", Cat(Describe(*tensor), " is no input"));
  if (dims == nullptr || !dims->valid()) {
    return Refuse("setInputShape",
                  Cat(Describe(*tensor), ": ", dims == nullptr ? "no shape" : Cat(dims->rank, " dimensions"),
                      "; wanted ", tensor->spec->shape.size(), " dimensions"));
  }
  return SetShape("setInputShape", *tensor, dims->view());
}

std::vector<Shape> ExecutionContext::InputShapes() const {
  std::vector<Shape> shapes;
  for (const Input& input : inputs_) shapes.push_back(input.shape);
  return shapes;
}

// Returns the name of the first input without a shape; empty if all have one.
std::string ExecutionContext::MissingInput() const {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!inputs_[i].specified) return plan_->inputs()[i].name;
  }
  return "";
}

bool ExecutionContext::AllInputDimensionsSpecified() { return MissingInput().empty(); }

// Computes the outputs' shapes for the inputs' shapes, all of which are specified, unless that is done already.
bool ExecutionContext::Resolve(const char* method) {
  if (resolved_ != nullptr) return true;
  try {
    resolved_ = plan_->InferShapes(InputShapes());
    return true;
  } catch (const ExecutionError& error) {
    std::vector<std::string> shapes;
    for (const Input& input : inputs_) shapes.push_back(ShapeText(input.shape));
    return Refuse(method, Cat("no output shapes for inputs of the shapes ", Join(shapes, ", "), ": ", error.what()),
                  ErrorCode::kFAILED_EXECUTION);
  }
}

std::optional<Shape> ExecutionContext::CurrentShape(const Tensor& tensor) {
  if (tensor.is_input) return inputs_[tensor.index].shape;
  if (!AllInputDimensionsSpecified()) return tensor.spec->shape;
  if (!Resolve("getTensorShape")) return std::nullopt;
  return (*resolved_)[tensor.index];
}

std::optional<Shape> ExecutionContext::CurrentStrides(const Tensor& tensor) {
  std::optional<Shape> shape = CurrentShape(tensor);
  if (!shape.has_value()) return std::nullopt;
  Shape strides(shape->size());
  int64_t stride = 1;
  for (size_t i = shape->size(); i-- > 0;) {
    strides[i] = stride;
    stride = stride < 0 || (*shape)[i] < 0 ? -1 : stride * (*shape)[i];
  }
  return strides;
}

template <typename D>
D ExecutionContext::GetTensorShape(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorShape", name);
  if (tensor == nullptr) return D();
  if (!tensor->is_input && resolved_ != nullptr) return D::From((*resolved_)[tensor->index]);
  const std::optional<Shape> shape = CurrentShape(*tensor);
  return shape.has_value() ? D::From(*shape) : D();
}

template <typename D>
D ExecutionContext::GetTensorStrides(const char* name) {
  const Tensor* tensor = FindOrRefuse("getTensorStrides", name);
  if (tensor == nullptr) return D();
  const std::optional<Shape> strides = CurrentStrides(*tensor);
  return strides.has_value() ? D::From(*strides) : D();
}

int32_t ExecutionContext::InferShapes(int32_t capacity, const char** names) {
  int32_t missing = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i].specified) continue;
    if (missing < capacity && names != nullptr) names[missing] = plan_->inputs()[i].name.c_str();
    ++missing;
  }
  if (missing > 0) return missing;
  return Resolve("inferShapes") ? 0 : -1;
}

// Returns the output's bytes at the profile's largest shapes; -1 if its shape depends on values.
int64_t ExecutionContext::GetMaxOutputSize(const char* name) {
  const Tensor* tensor = FindOutput("getMaxOutputSize", name);
  if (tensor == nullptr || profile_ < 0) return -1;
  std::vector<Shape> largest;
  for (const TensorSpec& input : plan_->inputs()) {
    largest.push_back(input.dynamic() ? input.profiles[static_cast<size_t>(profile_)].max : input.shape);
  }
  try {
    int64_t bytes = tensor->dtype->bytes;
    for (const int64_t extent : (*plan_->InferShapes(largest))[tensor->index]) {
      if (extent < 0) return -1;
      bytes *= extent;
    }
    return bytes;
  } catch (const ExecutionError& error) {
    Refuse("getMaxOutputSize", Cat(Describe(*tensor), ": ", error.what()), ErrorCode::kFAILED_EXECUTION);
    return -1;
  }
}

// Profiles.

void ExecutionContext::ForgetShapes() {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const TensorSpec& spec = plan_->inputs()[i];
    std::ranges::copy(spec.shape, inputs_[i].shape.begin());
    inputs_[i].specified = !spec.dynamic();
  }
  resolved_ = nullptr;
}

bool ExecutionContext::ChangeProfile(const char* method, int32_t profile) {
  if (profile < 0 || profile >= plan_->profile_count()) {
    return Refuse(method, Cat("profile ", profile, "; wanted 0 to ", plan_->profile_count() - 1));
  }
  if (profile == profile_) return true;
  if (!plan_->TakeProfile(profile)) {
    return Refuse(method,
                  Cat("profile ", profile, " belongs to another context of this engine, as it may in ",
                      table().release.ToString(), "; take another profile, or destroy that context"),
                  ErrorCode::kINVALID_STATE);
  }
  if (profile_ >= 0) plan_->GiveBackProfile(profile_);
  profile_ = profile;
  ForgetShapes();
  return true;
}

bool ExecutionContext::SetOptimizationProfile(int32_t profile) {
  return ChangeProfile("setOptimizationProfile", profile);
}

bool ExecutionContext::SetOptimizationProfileAsync(int32_t profile, void* /*stream*/) {
  return ChangeProfile("setOptimizationProfileAsync", profile);
}

int32_t ExecutionContext::GetOptimizationProfile() { return profile_; }

template bool ExecutionContext::SetInputShape(const char*, const Dims32*);
template bool ExecutionContext::SetInputShape(const char*, const Dims64*);
template Dims32 ExecutionContext::GetTensorShape(const char*);
template Dims64 ExecutionContext::GetTensorShape(const char*);
template Dims32 ExecutionContext::GetTensorStrides(const char*);
template Dims64 ExecutionContext::GetTensorStrides(const char*);

Dims32 ExecutionContext::NoBindings() {
  Refuse("a method that takes the index of a binding", "use the one that takes a tensor's name");
  return {};
}

}  // namespace nacelle::reference
