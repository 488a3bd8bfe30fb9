// Paths of the fake TensorRT libraries, for tests.
#ifndef NACELLE_TESTS_CORE_TENSORRT_FAKE_FAKES_H_
#define NACELLE_TESTS_CORE_TENSORRT_FAKE_FAKES_H_

#include <dlfcn.h>

#include <memory>
#include <string>

#include "core/tensorrt/library.h"

namespace nacelle::tensorrt {

// Tests run in the root of their runfiles.
inline std::string FakePath(const std::string& file) { return "tests/core/tensorrt/fake/" + file; }

inline std::shared_ptr<const Library> OpenFake(const std::string& file) { return Library::Open(FakePath(file)); }

// The events in the fake library since the last call: "~context ~engine".
inline std::string TakeEvents(const Library& library) {
  void* const file = dlopen(library.path().c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (file == nullptr) return "the library is not loaded";
  const auto take = reinterpret_cast<const char* (*)()>(dlsym(file, "fake_events"));
  const std::string events = take == nullptr ? "no fake_events" : take();
  dlclose(file);
  return events;
}

}  // namespace nacelle::tensorrt

#endif  // NACELLE_TESTS_CORE_TENSORRT_FAKE_FAKES_H_
