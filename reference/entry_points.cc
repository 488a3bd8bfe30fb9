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

void Say(const SlotTable& table, void* logger, const std::string& message) {
  if (logger == nullptr) {
    std::fprintf(stderr, "nacelle reference engine: %s\n", message.c_str());
  } else {
    Reporter(table, logger).Fail(tensorrt::ErrorCode::kINVALID_ARGUMENT, message);
  }
}

// What creates an object of a kind that a runtime alone does not have.
void* Refuse(void* logger, const char* what) noexcept {
  const SlotTable* table = PresentedTable();
  if (table != nullptr)
    Say(*table, logger, Cat("the reference engine has no ", what, "; it runs plans, and builds none"));
  return nullptr;
}

Release PresentedRelease() {
  const SlotTable* table = PresentedTable();
  return table == nullptr ? Release{} : ReleaseOf(*table);
}

void* CreateRuntime(void* logger, int32_t version) {
  const SlotTable* table = PresentedTable();
  if (table == nullptr) return nullptr;  // said on stderr: the logger's layout is not known
  if (logger == nullptr) {
    Say(*table, nullptr, "createInferRuntime: no logger");
    return nullptr;
  }
  const Release release = ReleaseOf(*table);
  const int wanted = LibraryVersion(release);
  if (!IsVersionOf(release, version)) {
    Say(*table, logger,
        Cat("createInferRuntime: the caller was built for version ", version, "; this library presents itself as ",
            wanted, " (", release.ToString(), ")"));
    return nullptr;
  }
  last_logger.store(logger);
  return new Runtime(*table, logger);
}

}  // namespace
}  // namespace nacelle::reference

namespace reference = nacelle::reference;

// The version script (exports.lds) lets these out, and nothing else.
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
// The logger of the last runtime that was made.
void* getLogger() noexcept { return reference::last_logger.load(); }

// Libnvinfer_plugin, libnvonnxparser.

bool initLibNvInferPlugins(void* /*logger*/, const char* /*library_namespace*/) noexcept { return true; }
void* createNvOnnxParser_INTERNAL(void* /*network*/, void* logger, int32_t /*version*/) noexcept {
  return reference::Refuse(logger, "ONNX parser");
}
void* createNvOnnxParserRefitter_INTERNAL(void* /*refitter*/, void* logger, int32_t /*version*/) noexcept {
  return reference::Refuse(logger, "ONNX refitter");
}
int32_t getNvOnnxParserVersion() noexcept { return getInferLibVersion(); }

// Libnvparsers of 8.6.1: C++ functions, by the names that the compiler gave them; nothing calls them at import.

void* _ZN11nvuffparser15createUffParserEv() noexcept { return nullptr; }
void _ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi(void* /*self*/) noexcept {}
void* _ZN14nvcaffeparser117createCaffeParserEv() noexcept { return nullptr; }
void _ZN14nvcaffeparser123shutdownProtobufLibraryEv() noexcept {}

}  // extern "C"
#pragma GCC visibility pop
