#ifndef NACELLE_PY_CSRC_WITHOUT_GIL_H_
#define NACELLE_PY_CSRC_WITHOUT_GIL_H_

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

namespace nacelle::python {

// Lets other threads of Python run until the end of a scope:
//
//   const WithoutGil released;
//   return torch::jit::load(path);
//
// A daemon thread that returns while the interpreter ends does not get the lock. Python before 3.14 then unwinds the
// thread's stack, and C++ ends the process for that. This class parks the thread instead, as Python 3.14 does.
// (py::gil_scoped_release does not catch it.)
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (const ::abi::__forced_unwind&) {
      while (true) pause();
    }
  }

 private:
  PyThreadState* const state_;
};

}  // namespace nacelle::python

#endif  // NACELLE_PY_CSRC_WITHOUT_GIL_H_
