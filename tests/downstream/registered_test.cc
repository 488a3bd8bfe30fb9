// Linking @torch_nacelle//runtime is enough: nothing of it is called.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/custom_class.h>

#include <iostream>

int main() {
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const char* name : {"tensorrt::execute_engine", "trt::execute_engine"}) {
    if (!dispatcher.findSchema({name, ""})) {
      std::cerr << "there is no operator " << name << "\n";
      return 1;
    }
  }
  if (torch::getCustomClass("__torch__.torch.classes.tensorrt.Engine") == nullptr) {
    std::cerr << "there is no class torch.classes.tensorrt.Engine\n";
    return 1;
  }
  return 0;
}
