#include "tests/reference/engine_fixture.h"

#include <cstdlib>

namespace nacelle::reference {

using tensorrt::Library;
using tensorrt::Method;

std::shared_ptr<const Library> ReferenceLibrary() {
  static const std::shared_ptr<const Library> library = [] {
    const char* path = std::getenv("NACELLE_REFERENCE_LIBRARY");
    return Library::Open(path != nullptr ? path : "./reference/libnacelle_reference.so");
  }();
  return library;
}

bool AtLeast(int major, int minor) { return ReferenceLibrary()->release() >= Release{major, minor, 0, 0}; }

std::string EngineTest::TakeMessages() {
  std::string text = messages_->Text();
  messages_ = nullptr;  // scopes nest: the old one goes before the new one comes
  messages_ = std::make_unique<tensorrt::MessageScope>();
  return text;
}

void EngineTest::ExpectRefused(bool succeeded, const std::string& part) {
  EXPECT_FALSE(succeeded);
  const std::string text = TakeMessages();
  EXPECT_NE(text.find(part), std::string::npos) << "no " << part << " in: " << text;
}

Raw::~Raw() {
  if (object_ == nullptr) return;
  void** const table = *static_cast<void***>(object_);
  reinterpret_cast<void (*)(void*)>(table[1])(object_);
}

Raw RawRuntime() { return Raw(ReferenceLibrary()->CreateRuntimeObject()); }

Raw RawEngine(const Raw& runtime, const std::string& plan) {
  // The third argument is what 8.x takes; later releases do not look at it.
  return Raw(runtime.Call<void*>(Method::kRuntime_deserializeCudaEngine, static_cast<const void*>(plan.data()),
                                 static_cast<uint64_t>(plan.size()), static_cast<void*>(nullptr)));
}

Raw RawContext(const Raw& engine) {
  return Raw(engine.Call<void*>(Method::kCudaEngine_createExecutionContext, int32_t{0}));
}

}  // namespace nacelle::reference
