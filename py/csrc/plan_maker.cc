#include "py/csrc/plan_maker.h"

#include <dlfcn.h>

#include <memory>

#include "core/error.h"
#include "core/tensorrt/library.h"
#include "core/text.h"
#include "runtime/internal/reference_library.h"

namespace nacelle::python {
namespace {

const reference::PlanMaker& Find() {
  const std::shared_ptr<const tensorrt::Library> library = runtime::OpenReferenceLibrary();
  // The library stays open: one more count of it does no harm.
  void* const file = dlopen(library->path().c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  const auto get =
      file == nullptr ? nullptr : reinterpret_cast<reference::GetPlanMaker*>(dlsym(file, reference::kGetPlanMaker));
  if (get == nullptr) {
    throw LibraryError(Cat("the reference engine's library ", Quote(library->path()), " has no ",
                           reference::kGetPlanMaker, "; wanted the library of this build of torch_nacelle"));
  }
  return *get();
}

}  // namespace

const reference::PlanMaker& PlanMaker() {
  static const reference::PlanMaker& maker = Find();
  return maker;
}

}  // namespace nacelle::python
