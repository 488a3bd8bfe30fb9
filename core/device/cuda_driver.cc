#include "core/device/cuda_driver.h"

#include <cuda.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/device/cuda_api.h"
#include "core/error.h"
#include "core/fork.h"
#include "core/text.h"

namespace nacelle::device {
namespace {

// Reads the facts about one GPU; on failure returns nothing and sets `why_not`.
std::optional<Device> ReadDevice(const CudaApi& api, int ordinal, std::string& why_not) {
  const auto failed = [&](const char* call, CUresult result) {
    if (result == CUDA_SUCCESS) return false;
    why_not = Cat(call, " of GPU ", ordinal, ": ", api.Describe(result));
    return true;
  };
  CUdevice handle = 0;
  if (failed("cuDeviceGet", api.cuDeviceGet(&handle, ordinal))) return std::nullopt;
  std::array<char, 256> name{};
  Device device;
  device.id = ordinal;
  if (failed("cuDeviceGetName", api.cuDeviceGetName(name.data(), static_cast<int>(name.size()) - 1, handle)) ||
      failed("cuDeviceGetAttribute",
             api.cuDeviceGetAttribute(&device.major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle)) ||
      failed("cuDeviceGetAttribute",
             api.cuDeviceGetAttribute(&device.minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle))) {
    return std::nullopt;
  }
  device.name = name.data();
  std::replace(device.name.begin(), device.name.end(), '%', '_');  // records separate with it
  return device;
}

// Returns a note about CUDA_VISIBLE_DEVICES if it is set, since it hides GPUs.
std::string Visibility() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible == nullptr ? "" : Cat(" (CUDA_VISIBLE_DEVICES is ", Quote(visible), ")");
}

}  // namespace

const std::string& ForkedText() {
  static const std::string text =
      "this process was forked from one that had initialized CUDA, which CUDA does not allow; start processes with the "
      "method \"spawn\" or \"forkserver\" of Python's multiprocessing, or load the program after the fork and use no "
      "CUDA before it";
  return text;
}

struct CudaDriver::State {
  explicit State(std::string path) : library(std::move(path)) {}

  // Fills the members below. Runs once, before any reader.
  void Open() {
    generation = ForkGeneration();
    void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* const error = dlerror();
      why_not = error != nullptr ? error : Cat(library, ": cannot be opened");
      return;
    }
    if (const auto missing = api.Load(handle)) {
      why_not = Cat(library, " has no function ", *missing,
                    ": it is not NVIDIA's driver, or far too old; see which file the system finds with ldconfig "
                    "-p, and what LD_LIBRARY_PATH names");
      return;
    }
    if (api.cuDriverGetVersion(&version) != CUDA_SUCCESS) version = 0;
    ListDevices();
    // If one GPU is missing from the list, the choice of another would be a guess.
    if (!why_not.empty()) devices.clear();
    usable = why_not.empty();
  }

  void ListDevices() {
    if (const CUresult result = api.cuInit(0); result != CUDA_SUCCESS) {
      why_not = Cat(library, ": cuInit: ", api.Describe(result), Visibility());
      // Something else of the parent had initialized CUDA.
      if (result == CUDA_ERROR_NOT_INITIALIZED && ForkGeneration() > 0) why_not += "; " + ForkedText();
      return;
    }
    int count = 0;
    if (const CUresult result = api.cuDeviceGetCount(&count); result != CUDA_SUCCESS) {
      why_not = Cat(library, ": cuDeviceGetCount: ", api.Describe(result), Visibility());
      return;
    }
    if (count <= 0) why_not = Cat(library, ": the driver lists no GPU", Visibility());
    for (int ordinal = 0; ordinal < count && why_not.empty(); ++ordinal) {
      if (auto device = ReadDevice(api, ordinal, why_not)) devices.push_back(*std::move(device));
    }
  }

  std::optional<int> Current() const {
    CUcontext context = nullptr;
    CUdevice device = 0;
    // Without a context cuCtxGetDevice fails, and with one it gives the ordinal.
    if (api.cuCtxGetCurrent(&context) != CUDA_SUCCESS || context == nullptr) return std::nullopt;
    if (api.cuCtxGetDevice(&device) != CUDA_SUCCESS) return std::nullopt;
    return device;
  }

  const std::string library;
  // True in the process that opened the driver, and not in its forked children.
  bool own() const { return generation == ForkGeneration(); }

  std::once_flag opened;
  int generation = 0;  // of the process that opened the driver
  CudaApi api;
  bool usable = false;
  std::string why_not;
  int version = 0;
  std::vector<Device> devices;
};

CudaDriver::CudaDriver(std::string library) : state_(std::make_unique<State>(std::move(library))) {}

CudaDriver::~CudaDriver() = default;

CudaDriver& CudaDriver::Process() {
  static auto* const driver = new CudaDriver();  // never deleted: threads may still ask while the process ends
  return *driver;
}

CudaDriver::State& CudaDriver::Ready() {
  std::call_once(state_->opened, [this] { state_->Open(); });
  return *state_;
}

bool CudaDriver::available() { return Ready().usable && state_->own(); }

const std::string& CudaDriver::why_not() {
  const State& state = Ready();
  return state.usable && !state.own() ? ForkedText() : state.why_not;
}

void CudaDriver::CheckNotForked() {
  const State& state = Ready();
  if (state.usable && !state.own()) throw DeviceError(ForkedText());
}

int CudaDriver::driver_version() { return Ready().version; }

Inventory CudaDriver::Devices() {
  if (!available()) return {.devices = {}, .current = std::nullopt, .why_none = why_not()};
  const State& state = *state_;
  return {.devices = state.devices, .current = state.Current(), .why_none = ""};
}

size_t CudaDriver::MemoryOf(int id) {
  const State& state = Ready();
  CUdevice device = 0;
  size_t bytes = 0;
  const bool told = state.usable && state.api.cuDeviceGet(&device, id) == CUDA_SUCCESS &&
                    state.api.cuDeviceTotalMem(&bytes, device) == CUDA_SUCCESS;
  return told ? bytes : 0;
}

bool CudaDriver::Capturing(void* stream) {
  const State& state = Ready();
  if (!state.usable) return false;
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult result = state.api.cuStreamIsCapturing(static_cast<CUstream>(stream), &status);
  if (result != CUDA_SUCCESS) throw DeviceError(Cat("cuStreamIsCapturing: ", state.api.Describe(result)));
  return status != CU_STREAM_CAPTURE_STATUS_NONE;
}

bool CudaDriver::ExchangeCaptureMode(int& mode) {
  const State& state = Ready();
  auto wire = static_cast<CUstreamCaptureMode>(mode);
  if (!state.usable || state.api.cuThreadExchangeStreamCaptureMode(&wire) != CUDA_SUCCESS) return false;
  mode = wire;
  return true;
}

const CudaApi& ProcessCuda() {
  CudaDriver::State& state = CudaDriver::Process().Ready();
  if (!state.usable) throw DeviceError(state.why_not);
  return state.api;
}

RelaxedCapture::RelaxedCapture()
    : mode_(CU_STREAM_CAPTURE_MODE_RELAXED), exchanged_(CudaDriver::Process().ExchangeCaptureMode(mode_)) {}

RelaxedCapture::~RelaxedCapture() {
  if (exchanged_) CudaDriver::Process().ExchangeCaptureMode(mode_);
}

}  // namespace nacelle::device
