// A TorchScript module ready to run. Above this header the engine knows nothing of torch.
#ifndef NACELLE_REFERENCE_NETWORK_H_
#define NACELLE_REFERENCE_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensorrt/slot_tables.h"
#include "reference/dims.h"
#include "reference/fill.h"

namespace nacelle::reference {

// A contiguous tensor in the caller's memory. `data` is not null, even if the tensor has no elements.
struct TensorView {
  tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
  std::span<const int64_t> shape;
  void* data = nullptr;

  size_t bytes() const;
};

// The dtype and shape of a tensor.
struct TensorType {
  tensorrt::DataType dtype = tensorrt::DataType::kFLOAT;
  Shape shape;
};

// An operation of the module's graph, which TensorRT's interface calls a layer.
struct Layer {
  std::string name;  // "aten::conv2d:3": the operation and its number in the graph
  std::string type;  // "aten::conv2d"
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// A loaded module. Immutable: any number of threads may call every method at once.
class Network {
 public:
  // The number of outputs to give if it is not known.
  static constexpr size_t kAnyNumber = 0;

  // Loads a TorchScript archive whose forward takes `inputs` tensors and returns `outputs` tensors: one alone, a tuple
  // or a list. `archive` is not needed after the call. Runs no code of the archive: it refuses one that is not in the
  // form that MakeArchive writes before torch reads it, and computes nothing in advance. Throws PlanError for such an
  // archive, one that torch does not read, and one whose forward takes another number of inputs.
  static std::unique_ptr<Network> Load(std::string_view archive, size_t inputs, size_t outputs);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const std::vector<Layer>& layers() const;

  // Returns the shapes that forward returns for inputs of these types. It runs forward on zeros, or on ones if forward
  // refuses zeros: the same code as in a real run, so the results agree. Throws ExecutionError with the module's own
  // message.
  std::vector<Shape> InferShapes(std::span<const TensorType> inputs) const;

  // True if a run wrote to a tensor that the module owns, so that the module keeps state.
  bool StateChanged() const;

 private:
  friend class Workspace;
  struct State;
  explicit Network(std::unique_ptr<State> state);

  const std::unique_ptr<const State> state_;
};

// The inputs and outputs of one run. For one thread at a time; its network must outlive it.
class Workspace {
 public:
  explicit Workspace(const Network& network);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Runs forward, in inference mode and without autocast, whatever the caller's thread has set. Keeps the outputs
  // until Release or the next run. Throws ExecutionError with the module's own message.
  void Run(std::span<const TensorView> inputs);

  // Runs forward on made-up values, or on those that `values` has for an input (by index; int32 and int64 only, all
  // elements). Afterwards only the outputs' types may be read, not their elements: an output may be a view of an input,
  // whose memory is gone.
  void RunOn(std::span<const TensorType> inputs, Fill fill, std::span<const std::vector<int64_t>> values = {});

  // Returns the first input that the last RunOn wrote to, through any view; nullopt: none.
  std::optional<size_t> written_input() const;

  // The outputs of the last run, by index.
  size_t outputs() const;
  std::span<const int64_t> shape(size_t output) const;
  // Returns nullopt for a dtype that TensorRT lacks.
  std::optional<tensorrt::DataType> dtype(size_t output) const;
  // Returns torch's name of the dtype, for messages.
  std::string dtype_name(size_t output) const;
  size_t bytes(size_t output) const;
  // Copies the elements, contiguous, to the bytes(output) bytes at `to`. Throws ExecutionError.
  void Copy(size_t output, void* to) const;

  // Gives memory of its own to every output that is a view of one of `inputs`, those of the last run, so that the
  // inputs may be overwritten.
  void CopyFromInputs(std::span<const TensorView> inputs);

  // Releases the outputs, and the memory of inputs that they share.
  void Release();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace nacelle::reference

#endif  // NACELLE_REFERENCE_NETWORK_H_
