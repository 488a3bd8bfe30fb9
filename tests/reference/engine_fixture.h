// Fixtures for the tests of libnacelle_reference.so. They drive it as a caller drives TensorRT: opened with dlopen,
// called through the slots of the release that NACELLE_REFERENCE_RELEASE names, each test program once per release.
#ifndef NACELLE_TESTS_REFERENCE_ENGINE_FIXTURE_H_
#define NACELLE_TESTS_REFERENCE_ENGINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"
#include "core/tensorrt/messages.h"

namespace nacelle::reference {

// The library under test, opened once.
std::shared_ptr<const tensorrt::Library> ReferenceLibrary();

// True if the presented release is at least this one.
bool AtLeast(int major, int minor);

class EngineTest : public ::testing::Test {
 protected:
  tensorrt::CudaEngine Load(const std::string& plan) { return runtime_.Deserialize(plan); }

  // Expects `succeeded` to be false, and the messages since the last call to hold `part`.
  void ExpectRefused(bool succeeded, const std::string& part);
  // The messages since the last call.
  std::string TakeMessages();

  tensorrt::Runtime runtime_ = tensorrt::Runtime::Create(ReferenceLibrary());
  std::unique_ptr<tensorrt::MessageScope> messages_ = std::make_unique<tensorrt::MessageScope>();
};

// An object called by slot, for methods that the handles of core/tensorrt do not have. Deletes it, as C++ does.
class Raw {
 public:
  explicit Raw(void* object) : object_(object) {}
  Raw(Raw&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Raw& operator=(Raw&&) = delete;
  ~Raw();

  void* object() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  static bool Has(tensorrt::Method method) { return ReferenceLibrary()->table().has(method); }

  // Arguments exactly as the method has them.
  template <typename R, typename... Args>
  R Call(tensorrt::Method method, Args... args) const {
    const int slot = ReferenceLibrary()->table().slot(method);
    EXPECT_GE(slot, 0) << tensorrt::MethodName(method);
    void* const implementation = static_cast<void**>(object_)[1];
    void** const table = *static_cast<void***>(implementation);
    return reinterpret_cast<R (*)(void*, Args...)>(table[slot])(implementation, args...);
  }

 private:
  void* object_;
};

// A runtime, an engine of `plan` and a context, by slot.
Raw RawRuntime();
Raw RawEngine(const Raw& runtime, const std::string& plan);
Raw RawContext(const Raw& engine);

}  // namespace nacelle::reference

#endif  // NACELLE_TESTS_REFERENCE_ENGINE_FIXTURE_H_
