#include "reference/open_mp.h"

#include <dlfcn.h>
#include <pthread.h>

namespace nacelle::reference {
namespace {

// omp_pause_resource_all of OpenMP 5.0, with omp_pause_soft: what is set for OpenMP stays set.
using PauseAll = int (*)(int kind);
constexpr int kPauseSoft = 1;

PauseAll pause_all = nullptr;

// Called from within a parallel region it fails, and changes nothing.
void EndTeamOfThisThread() { pause_all(kPauseSoft); }

bool Prepare() {
  // LLVM's and Intel's have this function, and GNU's have not.
  if (dlsym(RTLD_DEFAULT, "__kmpc_fork_call") != nullptr) return false;
  pause_all = reinterpret_cast<PauseAll>(dlsym(RTLD_DEFAULT, "omp_pause_resource_all"));
  return pause_all != nullptr && pthread_atfork(&EndTeamOfThisThread, nullptr, nullptr) == 0;
}

}  // namespace

void PrepareOpenMpForForks() { [[maybe_unused]] static const bool prepared = Prepare(); }

}  // namespace nacelle::reference
