// A plan ready to run, shared by an engine object, its contexts and its inspectors.
#ifndef NACELLE_REFERENCE_LOADED_PLAN_H_
#define NACELLE_REFERENCE_LOADED_PLAN_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/fork.h"
#include "core/stored_bytes.h"
#include "core/tensorrt/data_type.h"
#include "core/tensorrt/slot_table.h"
#include "reference/dims.h"
#include "reference/network.h"
#include "reference/plan.h"
#include "reference/shape_cache.h"

namespace nacelle::reference {

// An input or output, in TensorRT's order: the inputs, then the outputs.
struct Tensor {
  const TensorSpec* spec = nullptr;
  const tensorrt::DataTypeInfo* dtype = nullptr;
  bool is_input = false;
  size_t index = 0;  // among the inputs, or among the outputs
};

// Names a tensor in a message: input "x".
std::string Describe(const Tensor& tensor);

// A deserialized plan. Any thread may call any method at any time.
class LoadedPlan {
 public:
  // Throws PlanError for bytes that are no plan, and for a plan with a dtype that `table`'s release lacks, or extents
  // that its Dims cannot hold.
  LoadedPlan(std::string bytes, const tensorrt::SlotTable& table);

  // Large plans lie in a temporary file: what runs is the network, which has its own copy of the weights.
  const std::shared_ptr<const StoredBytes>& bytes() const { return bytes_; }
  const std::string& name() const { return plan_.name; }
  int profile_count() const { return plan_.profile_count; }
  bool dynamic() const { return dynamic_; }  // true if some input has a dynamic extent
  const std::vector<TensorSpec>& inputs() const { return plan_.inputs; }
  const std::vector<TensorSpec>& outputs() const { return plan_.outputs; }
  std::span<const Tensor> tensors() const { return tensors_; }
  const Network& network() const { return *network_; }
  size_t module_bytes() const { return module_bytes_; }

  // Returns the tensor called `name`; null for an unknown name and for null. Quickest for a pointer that
  // getIOTensorName returned.
  const Tensor* Find(const char* name) const;

  // Returns the message for a name that Find does not find, with the names that there are.
  std::string WhyNotFound(const char* name) const;

  // Returns the outputs' shapes for these shapes of the inputs, with -1 for extents that depend on values. Throws
  // ExecutionError if the module fails or contradicts the plan.
  OutputShapes InferShapes(std::span<const Shape> inputs) const;

  // Returns the reason why the output cannot have `shape`; empty if it can.
  std::string CheckOutputShape(size_t output, std::span<const int64_t> shape) const;

  // Takes a profile for a context; false if another context has it. Before 8.6 a profile with dynamic shapes belongs to
  // one context at a time. Return it with GiveBackProfile.
  bool TakeProfile(int profile);
  void GiveBackProfile(int profile);

 private:
  void CheckRelease(const tensorrt::SlotTable& table) const;

  std::shared_ptr<const StoredBytes> bytes_;
  Plan plan_;  // without its module
  size_t module_bytes_ = 0;
  std::vector<Tensor> tensors_;
  bool dynamic_ = false;
  bool infers_ = false;  // true if some output's shape must be inferred: dynamic, and not data-dependent
  bool exclusive_profiles_ = false;
  std::unique_ptr<Network> network_;
  mutable ShapeCache shapes_{256};
  OutputShapes declared_;  // the plan's own
  ForkableMutex<> profiles_mutex_;
  std::vector<bool> profile_taken_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_LOADED_PLAN_H_
