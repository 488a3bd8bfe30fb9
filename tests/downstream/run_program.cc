// Loads a TorchScript program and runs it on ones of the shape that is given: run_program model.ts 2 3 8 8
#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: run_program PROGRAM.ts [SIZE ...]\n";
    return 2;
  }
  std::vector<int64_t> shape;
  for (int i = 2; i < argc; ++i) shape.push_back(std::stoll(argv[i]));
  try {
    torch::jit::Module program = torch::jit::load(argv[1]);
    std::cout << program.forward({at::ones(shape)}).toTensor().sum().item<double>() << "\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
