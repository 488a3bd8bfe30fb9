// A library that registers what Torch-TensorRT registers, when it is told to: for tests of what then happens.
#include <torch/custom_class.h>
#include <torch/library.h>

#include <string>

namespace {

struct PeerEngine : torch::CustomClassHolder {};

}  // namespace

// Registers; returns an empty text, or what torch says against it. The text lives until the next call.
extern "C" __attribute__((visibility("default"))) const char* RegisterPeer() {
  static std::string problem;
  try {
    static torch::Library library(torch::Library::DEF, "tensorrt", std::nullopt, "peer", 1);
    library.class_<PeerEngine>("Engine").def(torch::init<>());
    library.def("execute_engine(Tensor[] input_tensors, __torch__.torch.classes.tensorrt.Engine engine) -> Tensor[]");
    problem.clear();
  } catch (const c10::Error& error) {
    problem = error.what_without_backtrace();
  }
  return problem.c_str();
}
