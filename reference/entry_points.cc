#include "reference/entry_points.h"

#include <atomic>
#include <cstdio>
#include <exception>

#include "core/text.h"
#include "reference/client.h"
#include "reference/plan.h"
#include "reference/plugin_registry.h"
#include "reference/presented.h"
#include "reference/runtime.h"

namespace nacelle::reference {
namespace {

using tensorrt::SlotTable;

std::atomic<void*> last_logger{nullptr};

void Report(const SlotTable& table, void* logger, const std::string& message) {
  if (logger == nullptr) {
    std::fprintf(stderr, "nacelle reference engine: %s\n", message.c_str());
  } else {
    Reporter(table, logger).Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT, message);
  }
}

// Stands for the functions that make objects of a kind that the reference engine lacks.
void* Refuse(void* logger, const char* kind) noexcept {
  const SlotTable* table = PresentedTable();
  if (table != nullptr) {
    Report(*table, logger, Cat("the reference engine has no ", kind, "; it runs plans, and builds none"));
  }
  return nullptr;
}

Release PresentedRelease() {
  const SlotTable* table = PresentedTable();
  return table == nullptr ? Release{} : ReleaseOf(*table);
}

void* CreateRuntime(void* logger, int32_t version) {
  const SlotTable* table = PresentedTable();
  if (table == nullptr) return nullptr;  // stderr has the reason: the logger's layout is not known
  if (logger == nullptr) {
    Report(*table, nullptr, "createInferRuntime: no logger");
    return nullptr;
  }
  const Release release = ReleaseOf(*table);
  if (!IsVersionOf(release, version)) {
    Report(*table, logger,
           Cat("createInferRuntime: the caller was built for version ", version, "; this library presents itself as ",
               LibraryVersion(release), " (", release.ToString(), ")"));
    return nullptr;
  }
  last_logger.store(logger);
  return new Runtime(*table, logger);
}

}  // namespace
}  // namespace nacelle::reference

namespace reference = nacelle::reference;

// The version script (exports.lds) exports these functions alone.
#pragma GCC visibility push(default)
extern "C" {

void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
  try {
    return reference::CreateRuntime(logger, version);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nacelle reference engine: createInferRuntime: %s\n", error.what());
    return nullptr;
  }
}

int32_t getInferLibVersion() noexcept { return reference::LibraryVersion(reference::PresentedRelease()); }
int32_t getInferLibMajorVersion() noexcept { return reference::PresentedRelease().major; }
int32_t getInferLibMinorVersion() noexcept { return reference::PresentedRelease().minor; }
int32_t getInferLibPatchVersion() noexcept { return reference::PresentedRelease().patch; }
int32_t getInferLibBuildVersion() noexcept { return reference::PresentedRelease().build; }

int32_t nacelle_reference_version() noexcept { return reference::kPlanFormatVersion; }

// The rest of libnvinfer.

void* createInferBuilder_INTERNAL(void* logger, int32_t /*version*/) noexcept {
  return reference::Refuse(logger, "builder");
}
void* createInferRefitter_INTERNAL(void* /*engine*/, void* logger, int32_t /*version*/) noexcept {
  return reference::Refuse(logger, "refitter");
}
void* getPluginRegistry() noexcept { return reference::GlobalPluginRegistry().face(); }
void* getBuilderPluginRegistry(int32_t /*capability*/) noexcept { return reference::GlobalPluginRegistry().face(); }
// Returns the logger of the runtime that was made last.
void* getLogger() noexcept { return reference::last_logger.load(); }

// The functions of libnvinfer_plugin and libnvonnxparser.

bool initLibNvInferPlugins(void* /*logger*/, const char* /*library_namespace*/) noexcept { return true; }
void* createNvOnnxParser_INTERNAL(void* /*network*/, void* logger, int32_t /*version*/) noexcept {
  return reference::Refuse(logger, "ONNX parser");
}
void* createNvOnnxParserRefitter_INTERNAL(void* /*refitter*/, void* logger, int32_t /*version*/) noexcept {
  return reference::Refuse(logger, "ONNX refitter");
}
int32_t getNvOnnxParserVersion() noexcept { return getInferLibVersion(); }

// The functions of libnvparsers 8.6.1: C++ functions by their mangled names. The bindings link to them and do not call
// them at import.

void* _ZN11nvuffparser15createUffParserEv() noexcept { return nullptr; }
void _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi(void* /*self*/) noexcept {}
void* _ZN14nvcaffeparser117createCaffeParserEv() noexcept { return nullptr; }
void _ZN14nvcaffeparser123shutdownProtobufLibraryEv() noexcept {}

}  // extern "C"
#pragma GCC visibility pop
