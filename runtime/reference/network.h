// A TorchScript module ready to run: the one place of the engine that knows torch.
#ifndef NACELLE_RUNTIME_REFERENCE_NETWORK_H_
#define NACELLE_RUNTIME_REFERENCE_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensorrt/slot_tables.h"
#include "runtime/reference/dims.h"
#include "runtime/reference/fill.h"

namespace nacelle::reference {

// A contiguous tensor in memory that somebody else owns. `data` is not nullptr, also where the tensor has no elements.
struct TensorView {
  tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
  std::span<const int64_t> shape;
  void* data = nullptr;

  size_t bytes() const;
};

struct TensorType {
  tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
  Shape shape;
};

// An operation of the module's graph, for the inspector and the number of layers.
struct Layer {
  std::string name;  // "aten::conv2d:3": the operation and its number in the graph
  std::string type;  // "aten::conv2d"
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// Immutable once loaded: every method may be called from any number of threads at once.
class Network {
 public:
  // For a module of which it is not known how many tensors it returns.
  static constexpr size_t kAnyNumber = 0;

  // From the bytes of a TorchScript archive whose forward takes `inputs` tensors and returns `outputs` tensors: one
  // alone, a tuple or a list. `archive` is needed for the call alone. Runs nothing of the archive: one that is not in
  // the form that MakeArchive writes is refused before torch reads it, and nothing is computed in advance. Throws
  // PlanError for such an archive, if torch does not read it, and if forward takes another number.
  static std::unique_ptr<Network> Load(std::string_view archive, size_t inputs, size_t outputs);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const std::vector<Layer>& layers() const;

  // What forward returns for inputs of these types, found by running it on zeros (on ones, should it refuse zeros): the
  // same code as in a real run, so there is nothing that it could say differently. Costs a run. Throws ExecutionError
  // with the module's own message.
  std::vector<Shape> InferShapes(std::span<const TensorType> inputs) const;

  // True if a run wrote to a tensor that the module owns, so that it keeps something for the next one.
  bool StateChanged() const;

 private:
  friend class Workspace;
  struct State;
  explicit Network(std::unique_ptr<State> state);

  const std::unique_ptr<const State> state_;
};

// What one run needs and leaves. One thread at a time; outlived by its network.
class Workspace {
 public:
  explicit Workspace(const Network& network);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Runs forward, in inference mode and without autocast, whatever the caller's thread has set. Keeps the outputs
  // until Release or the next Run. Throws ExecutionError with the module's own message.
  void Run(std::span<const TensorView> inputs);

  // The same on made-up values, but for inputs for which `values` has some (all of them, by the input's index; of int32
  // and int64 only). What comes out may be looked at by its type, not by its elements: an output may be a view of an
  // input, whose memory is gone.
  void RunOn(std::span<const TensorType> inputs, Fill fill, std::span<const std::vector<int64_t>> values = {});

  // The first input that the last RunOn wrote to, through whatever view; nullopt: none.
  std::optional<size_t> written_input() const;

  // The outputs of the last run, by their index.
  size_t outputs() const;
  std::span<const int64_t> shape(size_t output) const;
  // nullopt: a dtype that TensorRT lacks.
  std::optional<tensorrt::DataType> dtype(size_t output) const;
  // As torch names it, for messages.
  std::string dtype_name(size_t output) const;
  size_t bytes(size_t output) const;
  // Writes the elements to `to`, contiguous, bytes(output) of them. Throws ExecutionError.
  void Copy(size_t output, void* to) const;

  // Gives every output that is a view of one of `inputs`, which are those of the last run, memory of its own, so that
  // the inputs may be overwritten.
  void CopyFromInputs(std::span<const TensorView> inputs);

  // Lets go of the outputs, and with them of what they hold of the inputs.
  void Release();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_RUNTIME_REFERENCE_NETWORK_H_
