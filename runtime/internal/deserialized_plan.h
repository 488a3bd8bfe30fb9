// Plans that a library has deserialized. Engines of a process with the same bytes on the same device share one.
#ifndef NACELLE_RUNTIME_INTERNAL_DESERIALIZED_PLAN_H_
#define NACELLE_RUNTIME_INTERNAL_DESERIALIZED_PLAN_H_

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/fork.h"
#include "core/stored_bytes.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"

namespace nacelle::runtime {

// An ICudaEngine with its library and device. Constant except for the storage of its bytes; any thread.
class DeserializedPlan {
 public:
  // Reads `plan` (not needed afterwards) on `device`. Throws PlanError with the library's reason.
  DeserializedPlan(std::shared_ptr<const tensorrt::Library> library, c10::Device device, std::string_view plan);
  // The same, and keeps `plan`: see bytes().
  DeserializedPlan(std::shared_ptr<const tensorrt::Library> library, c10::Device device,
                   std::shared_ptr<const StoredBytes> plan);
  ~DeserializedPlan();
  DeserializedPlan(const DeserializedPlan&) = delete;
  DeserializedPlan& operator=(const DeserializedPlan&) = delete;

  // Returns the process's DeserializedPlan for these bytes; see SharedPlans::Get.
  static std::shared_ptr<const DeserializedPlan> Shared(const std::shared_ptr<const tensorrt::Library>& library,
                                                        c10::Device device,
                                                        const std::shared_ptr<const StoredBytes>& plan);

  // True if several execution contexts can use the same optimization profile at once.
  bool AllowsManyContexts() const;

  const tensorrt::CudaEngine& engine() const { return *engine_; }
  c10::Device device() const { return device_; }
  uint64_t id() const { return id_; }  // no other one of this process has or had it
  const std::shared_ptr<const tensorrt::Library>& library() const { return library_; }

  // The bytes that it was read from; null if it was made without keeping them. Engines hold these in place of equal
  // bytes of their own, so that a process has one copy of a plan.
  std::shared_ptr<const StoredBytes> bytes() const;

  // Moves bytes() to a file, if one can be made. Holders of the former bytes keep them.
  void MoveBytesToFile() const;

 private:
  const std::shared_ptr<const tensorrt::Library> library_;
  const c10::Device device_;
  const uint64_t id_;
  std::unique_ptr<tensorrt::CudaEngine> engine_;  // keeps its IRuntime
  mutable ForkableMutex<> bytes_mutex_;
  mutable std::shared_ptr<const StoredBytes> bytes_;
};

// Finds the DeserializedPlan that engines with the same bytes share. Any thread.
class SharedPlans {
 public:
  using Hash = std::function<size_t(std::string_view)>;

  // `hash` only makes finding fast: plans are shared if their bytes are equal.
  explicit SharedPlans(Hash hash) : hash_(std::move(hash)) {}

  // Returns the DeserializedPlan that exists for the same library, device and bytes, and the same answer of
  // EngineHostCodeAllowed(); else makes a new one. Plans with dynamic shapes before TensorRT 10 are not shared: an
  // optimization profile belongs to one context there, and engines would take the profiles from each other. Threads
  // that ask for one plan at once wait for the first of them. Throws PlanError with the library's reason.
  std::shared_ptr<const DeserializedPlan> Get(const std::shared_ptr<const tensorrt::Library>& library,
                                              c10::Device device, const std::shared_ptr<const StoredBytes>& plan);

 private:
  struct Entry {
    ForkableMutex<> mutex;  // held while the plan is read
    std::weak_ptr<const DeserializedPlan> plan;
  };
  // Library, device, size and hash of the plan, and EngineHostCodeAllowed(): an engine that is set up while host code
  // is forbidden must not get a plan that was read while it was allowed.
  using Key = std::tuple<const tensorrt::Library*, c10::DeviceIndex, size_t, size_t, bool>;
  // Entries of plans with one key: almost always one.
  using Chain = std::vector<std::shared_ptr<Entry>>;

  std::shared_ptr<Entry> EntryAt(const Key& key, size_t index);

  const Hash hash_;
  ForkableMutex<> mutex_;
  std::map<Key, Chain> chains_;
};

}  // namespace nacelle::runtime

#endif  // NACELLE_RUNTIME_INTERNAL_DESERIALIZED_PLAN_H_
