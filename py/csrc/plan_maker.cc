#include "py/csrc/plan_maker.h"

#include <dlfcn.h>

#include <string>

#include "core/error.h"
#include "core/text.h"
#include "runtime/internal/reference_library.h"

namespace nacelle::python {
namespace {

// The library stays open until the process ends. It is this build's, whichever library runs the plans
// (NACELLE_REFERENCE_LIBRARY) and whichever release it presents (NACELLE_REFERENCE_RELEASE).
const reference::PlanMaker& Find() {
  const std::string path = runtime::FindReferenceLibrary();
  void* const file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) {
    throw LibraryError(Cat("the reference engine's library ", Quote(path), " cannot be loaded: ", dlerror()));
  }
  const auto get = reinterpret_cast<reference::GetPlanMaker*>(dlsym(file, reference::kGetPlanMaker));
  if (get == nullptr) {
    throw LibraryError(Cat("the reference engine's library ", Quote(path), " has no ", reference::kGetPlanMaker,
                           "; wanted the library of this build of torch_nacelle"));
  }
  return *get();
}

}  // namespace

const reference::PlanMaker& PlanMaker() {
  static const reference::PlanMaker& maker = Find();
  return maker;
}

}  // namespace nacelle::python
