// A library that stands for TensorRT's builder and ONNX parser, and only remembers which slots of its objects were
// called. NVIDIA's bindings call it (builder_slots_test.py), and so show the slot in which they expect each function.
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

constexpr int kKinds = 7;
constexpr size_t kSlots = 100;

// The layout of an object: the interface object points to an implementation, which here is another such object.
struct Probe {
  const void* const* vptr;
  Probe* implementation;
};

struct Called {
  int kind;
  int slot;
};

intptr_t results[kKinds];
std::vector<Called> called;

template <int Kind, size_t Slot>
intptr_t Remember() {
  called.push_back({Kind, static_cast<int>(Slot)});
  return results[Kind];
}

template <int Kind, size_t... Slot>
const void* const* Table(std::index_sequence<Slot...>) {
  // Offset to top and run-time type come first: pybind11 looks at them.
  static const void* const table[] = {nullptr, nullptr, reinterpret_cast<const void*>(&Remember<Kind, Slot>)...};
  return table + 2;
}

template <int Kind>
Probe* Make() {
  static const void* const* const table = Table<Kind>(std::make_index_sequence<kSlots>());
  static Probe implementation = {table, nullptr};
  static Probe object = {table, &implementation};
  return &object;
}

using Maker = Probe* (*)();
constexpr Maker kMakers[kKinds] = {Make<0>, Make<1>, Make<2>, Make<3>, Make<4>, Make<5>, Make<6>};

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// The object of a kind; the kinds are the test's.
Probe* probe_object(int kind) { return kMakers[kind](); }
// The result of all functions of a kind from now on.
void probe_set_result(int kind, intptr_t result) { results[kind] = result; }
// Calls since the last time, kind * 1000 + slot each; how many there are.
int probe_take(int* calls, int limit) {
  int count = 0;
  for (const Called& call : called) {
    if (count < limit) calls[count++] = call.kind * 1000 + call.slot;
  }
  called.clear();
  return count;
}

void* createInferBuilder_INTERNAL(void*, int32_t) { return probe_object(0); }
void* createNvOnnxParser_INTERNAL(void*, void*, int32_t) { return probe_object(2); }
void* createInferRuntime_INTERNAL(void*, int32_t) { return nullptr; }
void* createInferRefitter_INTERNAL(void*, void*, int32_t) { return nullptr; }
void* createNvOnnxParserRefitter_INTERNAL(void*, void*, int32_t) { return nullptr; }
void* getPluginRegistry() { return probe_object(5); }
void* getBuilderPluginRegistry(int32_t) { return probe_object(5); }
bool initLibNvInferPlugins(void*, const char*) { return true; }
int32_t getInferLibVersion() { return 0; }
int32_t getInferLibBuildVersion() { return 0; }
int32_t getInferLibMajorVersion() { return 0; }
int32_t getInferLibMinorVersion() { return 0; }
int32_t getInferLibPatchVersion() { return 0; }
int32_t getNvOnnxParserVersion() { return 0; }
void* getLogger() { return nullptr; }

// Further functions that 8.6.1's bindings link to; nothing calls these at import.
void* _ZN11nvuffparser15createUffParserEv() { return nullptr; }
void _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi() {}
void* _ZN14nvcaffeparser117createCaffeParserEv() { return nullptr; }
void _ZN14nvcaffeparser123shutdownProtobufLibraryEv() {}

}  // extern "C"
#pragma GCC visibility pop
