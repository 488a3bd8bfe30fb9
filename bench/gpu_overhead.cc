// Measures the runtime's cost beside TensorRT's own enqueueV3, on a GPU: bazel run //bench:gpu_overhead -- --help.
//
// The floor is measured in the same run, through the same handles: enqueueV3 alone, with addresses and shapes set once,
// each thread with a context and a stream of its own.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/device/cuda_driver.h"
#include "core/device/cuda_event.h"
#include "core/error.h"
#include "core/plan/plan_header.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/library_choice.h"
#include "runtime/embed.h"
#include "runtime/engine.h"
#include "runtime/execute.h"
#include "runtime/internal/context_stream.h"
#include "runtime/internal/output_memory.h"
#include "runtime/program.h"

namespace nacelle {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kUsage =
    "usage: gpu_overhead DYNAMIC_PLAN FIXED_PLAN [SECONDS [PACKAGE]]\n"
    "  DYNAMIC_PLAN  for latency, called with its optimum's shape but a batch of 1\n"
    "  FIXED_PLAN    for latency, and for throughput by threads, called with its shape\n"
    "  SECONDS       how long to measure each row; 1 unless given\n"
    "  PACKAGE       an AOTInductor package of DYNAMIC_PLAN, as nacelle.save writes it\n"
    "Both are plans of the TensorRT that NACELLE_TENSORRT_PATH names.\n";

const c10::Device kDevice(at::kCUDA, 0);

c10::Stream NewStream() { return c10::impl::VirtualGuardImpl(at::kCUDA).getStreamFromGlobalPool(kDevice); }
c10::Stream DefaultStream() { return c10::impl::VirtualGuardImpl(at::kCUDA).getDefaultStream(kDevice); }

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "%s cannot be read\n", path);
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

double Microseconds(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

double Median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

// Microseconds a call.
struct Latency {
  double host = 0;       // time until the call returns, with no other work under way
  double sustained = 0;  // calls one after the other, until all is done
};

// A kind of call, and the stream that is current for it.
struct Row {
  const char* name;
  c10::Stream stream;
  std::function<void()> call;
  std::vector<Latency> turns = {};

  // Some milliseconds of it.
  Latency Turn() const {
    constexpr int kAlone = 10;
    constexpr int kBlock = 50;
    const c10::StreamGuard guard(stream);
    std::vector<double> host;
    for (int i = 0; i < kAlone; ++i) {
      const auto start = Clock::now();
      call();
      host.push_back(Microseconds(Clock::now() - start));
      stream.synchronize();
    }
    const auto start = Clock::now();
    for (int i = 0; i < kBlock; ++i) call();
    stream.synchronize();
    return {Median(std::move(host)), Microseconds(Clock::now() - start) / kBlock};
  }
};

// Clocks change while this runs, so the rows are measured turn by turn for `seconds` each. Prints the medians of the
// turns, and of each turn's ratio to the first row's just before.
void PrintMedians(const char* title, std::vector<Row> rows, double seconds) {
  for (const Row& row : rows) {
    for (int i = 0; i < 5; ++i) row.Turn();
  }
  const auto length = std::chrono::duration<double>(seconds * static_cast<double>(rows.size()));
  for (const auto end = Clock::now() + length; Clock::now() < end;) {
    for (Row& row : rows) row.turns.push_back(row.Turn());
  }
  const auto median = [](const Row& row, const auto& of) {
    std::vector<double> values;
    for (size_t i = 0; i < row.turns.size(); ++i) values.push_back(of(i));
    return Median(std::move(values));
  };
  const std::vector<Latency>& floor = rows.front().turns;
  std::printf("\n%-48s %9s %9s %9s %9s\n", title, "host", "over", "sustained", "over");
  for (const Row& row : rows) {
    const std::vector<Latency>& turns = row.turns;
    std::printf("%-48s %9.2f %9.2f %9.2f %9.2f\n", row.name, median(row, [&](size_t i) { return turns[i].host; }),
                median(row, [&](size_t i) { return turns[i].host - floor[i].host; }),
                median(row, [&](size_t i) { return turns[i].sustained; }),
                median(row, [&](size_t i) { return turns[i].sustained - floor[i].sustained; }));
  }
}

// A plan with an execution context, bound to tensors of its own.
class Raw {
 public:
  Raw(const tensorrt::CudaEngine& engine, at::IntArrayRef sizes, int profile, void* stream)
      : context_(engine.CreateExecutionContext()) {
    if (context_.OptimizationProfile() != profile) context_.SetOptimizationProfile(profile, stream);
    for (int i = 0; i < engine.NumIoTensors(); ++i) {
      const char* name = engine.IoTensorName(i);
      if (engine.IoMode(name) == tensorrt::TensorIOMode::kINPUT) {
        context_.SetInputShape(name, tensorrt::Dims(std::span(sizes.data(), sizes.size())));
        input_ = name;
        sizes_ = sizes.vec();
      }
    }
    for (int i = 0; i < engine.NumIoTensors(); ++i) {
      names_.push_back(engine.IoTensorName(i));
      const auto dims = context_.TensorShape(names_.back());
      const std::vector<int64_t> shape(dims.extents().begin(), dims.extents().end());
      tensors_.push_back(at::zeros(shape, at::TensorOptions().device(kDevice)));
      context_.SetTensorAddress(names_.back(), tensors_.back().data_ptr());
    }
  }

  void Enqueue(void* stream) {
    if (!context_.Enqueue(stream)) throw ExecutionError("enqueueV3 failed");
  }

  // Does the work of a runtime that remembers nothing before each enqueue.
  void SetAll() {
    context_.SetInputShape(input_, tensorrt::Dims(std::span<const int64_t>(sizes_)));
    for (size_t i = 0; i < names_.size(); ++i) context_.SetTensorAddress(names_[i], tensors_[i].data_ptr());
  }

 private:
  tensorrt::ExecutionContext context_;
  const char* input_ = nullptr;
  std::vector<int64_t> sizes_;
  std::vector<const char*> names_;
  std::vector<at::Tensor> tensors_;
};

tensorrt::CudaEngine Deserialize(const std::string& plan) {
  tensorrt::LibraryChoice choice(plan::ParsePlanHeader(plan));
  const auto library = choice.Next();
  if (library == nullptr) choice.Throw();
  return tensorrt::Runtime::Create(library).Deserialize(plan);
}

std::vector<int64_t> InputSizes(const tensorrt::CudaEngine& engine) {
  for (int i = 0; i < engine.NumIoTensors(); ++i) {
    const char* name = engine.IoTensorName(i);
    if (engine.IoMode(name) != tensorrt::TensorIOMode::kINPUT) continue;
    const auto dims = engine.ProfileShape(name, 0, tensorrt::OptProfileSelector::kOPT);
    std::vector<int64_t> sizes(dims.extents().begin(), dims.extents().end());
    sizes[0] = 1;
    return sizes;
  }
  std::fprintf(stderr, "the plan has no input\n");
  std::exit(2);
}

torch::jit::Module Embedded(const std::string& plan, bool pack_outputs = false) {
  runtime::EmbedOptions options;
  options.name = "bench";
  torch::jit::Module module = runtime::EmbedEngine(plan, options);
  if (pack_outputs) {
    runtime::Settings settings;
    settings.pack_outputs = true;
    runtime::FindEngines(module).at(0).engine()->Configure(settings);
  }
  return module;
}

// `package` is the path of an AOTInductor package of the plan, or null.
void MeasureLatency(const char* title, const std::string& plan, bool dynamic, double seconds, const char* package) {
  const tensorrt::CudaEngine raw_engine = Deserialize(plan);
  const std::vector<int64_t> sizes = InputSizes(raw_engine);
  const c10::Stream stream = NewStream();
  torch::jit::Module module = Embedded(plan);
  torch::jit::Module packed = Embedded(plan, true);
  const auto engine = runtime::FindEngines(module).at(0).engine();
  Raw raw(raw_engine, sizes, 0, nullptr);
  const at::Tensor x = at::randn(sizes, at::TensorOptions().device(kDevice));
  std::vector<int64_t> twice = sizes;
  twice[0] = 2;
  const at::Tensor y = at::randn(twice, at::TensorOptions().device(kDevice));
  DefaultStream().synchronize();
  bool odd = false;
  std::vector<Row> rows = {
      {"enqueueV3 alone", stream, [&] { raw.Enqueue(stream.native_handle()); }},
      {"enqueueV3, shape and addresses set anew", stream, [&] { raw.SetAll(), raw.Enqueue(stream.native_handle()); }},
      {"runtime::Execute, side stream", stream, [&] { runtime::Execute(*engine, {x}); }},
      {"TorchScript, side stream", stream, [&] { module.forward({x}); }},
      {"TorchScript, default stream", DefaultStream(), [&] { module.forward({x}); }},
      {"TorchScript, side stream, pack_outputs", stream, [&] { packed.forward({x}); }},
      {"TorchScript, default stream, pack_outputs", DefaultStream(), [&] { packed.forward({x}); }},
  };
  if (dynamic) {
    rows.push_back(
        {"TorchScript, side stream, batch 1 and 2 in turn", stream, [&] { module.forward({(odd = !odd) ? x : y}); }});
  }
  std::unique_ptr<torch::inductor::AOTIModelPackageLoader> loaded;
  const std::vector<at::Tensor> inputs = {x};
  if (package != nullptr) {
    loaded = std::make_unique<torch::inductor::AOTIModelPackageLoader>(package);
    rows.push_back({"AOTInductor package, side stream", stream, [&] { loaded->run(inputs); }});
    rows.push_back({"AOTInductor package, default stream", DefaultStream(), [&] { loaded->run(inputs); }});
  }
  PrintMedians(title, std::move(rows), seconds);
}

// Calls a second of `threads` threads, each with what `make` gives it: a call and the stream it works on.
using MakeCall = std::function<std::function<void()>(const c10::Stream& stream)>;

double Throughput(int threads, const MakeCall& make, double seconds) {
  std::atomic<bool> go = false;
  std::atomic<bool> stop = false;
  std::atomic<int> ready = 0;
  std::atomic<int64_t> calls = 0;
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      const c10::DeviceGuard on_device(kDevice);
      device::UseDevice(kDevice.index());
      const c10::Stream stream = NewStream();
      const c10::StreamGuard guard(stream);
      const auto call = make(stream);
      for (int i = 0; i < 100; ++i) call();
      stream.synchronize();
      ++ready;
      while (!go) std::this_thread::yield();
      int64_t done = 0;
      while (!stop) {
        for (int i = 0; i < 50; ++i) call();
        done += 50;
        stream.synchronize();
      }
      calls += done;
    });
  }
  while (ready != threads) std::this_thread::yield();
  const auto start = Clock::now();
  go = true;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& worker : workers) worker.join();
  return static_cast<double>(calls) / std::chrono::duration<double>(Clock::now() - start).count();
}

// A part of the runtime's work for a call.
struct Part {
  const char* name;
  std::function<void(const c10::Stream&)> run;
};

std::vector<Part> Parts() {
  static const runtime::EmptyTensors tensors(at::kFloat, kDevice);
  return {
      {"device guard, caller's stream", [](const c10::Stream&) { const runtime::CallerStream caller(kDevice); }},
      {"is a graph being captured",
       [](const c10::Stream& stream) { device::CudaDriver::Process().Capturing(stream.native_handle()); }},
      {"two outputs made and freed",
       [](const c10::Stream&) {
         const at::Tensor first = tensors.Make({1, 10});
         const at::Tensor second = tensors.Make({1, 4});
       }},
      {"the same in one block (pack_outputs)",
       [](const c10::Stream&) {
         const c10::Storage block = tensors.MakeBlock(512);
         const at::Tensor first = tensors.MakeIn(block, 0, {1, 10});
         const at::Tensor second = tensors.MakeIn(block, 256, {1, 4});
       }},
      {"fork and join of another stream",
       [](const c10::Stream& stream) {
         thread_local device::CudaEvent before;
         thread_local device::CudaEvent after;
         thread_local c10::Stream side = NewStream();
         before.Record(stream.native_handle());
         before.Block(side.native_handle());
         after.Record(side.native_handle());
         after.Block(stream.native_handle());
       }},
  };
}

void MeasureParts(double seconds) {
  std::printf("\n%-44s %9s %9s\n", "parts of a call alone, µs", "1 thread", "8 threads");
  for (const Part& part : Parts()) {
    const MakeCall make = [&](const c10::Stream& stream) { return [&part, stream] { part.run(stream); }; };
    const auto time = [&](int threads) { return threads * 1e6 / Throughput(threads, make, seconds / 4); };
    std::printf("%-44s %9.2f %9.2f\n", part.name, time(1), time(8));
  }
}

void MeasureThroughput(const std::string& plan, double seconds) {
  const tensorrt::CudaEngine raw_engine = Deserialize(plan);
  const std::vector<int64_t> sizes = InputSizes(raw_engine);
  torch::jit::Module module = Embedded(plan);
  torch::jit::Module packed = Embedded(plan, true);
  const MakeCall raw = [&](const c10::Stream& stream) {
    auto own = std::make_shared<Raw>(raw_engine, sizes, 0, stream.native_handle());
    return [own, handle = stream.native_handle()] { own->Enqueue(handle); };
  };
  const auto engine = runtime::FindEngines(module).at(0).engine();
  const MakeCall direct = [&](const c10::Stream&) {
    const at::Tensor x = at::randn(sizes, at::TensorOptions().device(kDevice));
    return [&engine, x] { runtime::Execute(*engine, {x}); };
  };
  const auto scripted_by = [&](torch::jit::Module& program) -> MakeCall {
    return [&](const c10::Stream&) {
      const at::Tensor x = at::randn(sizes, at::TensorOptions().device(kDevice));
      return [&program, x] { program.forward({x}); };
    };
  };
  const MakeCall scripted = scripted_by(module);
  const MakeCall scripted_packed = scripted_by(packed);
  std::printf("\n%-24s %10s %14s %6s %14s %6s %14s %6s\n", "threads, calls a second", "enqueueV3", "Execute", "share",
              "TorchScript", "share", "+ pack_outputs", "share");
  for (const int threads : {1, 2, 4, 8}) {
    // Turn by turn, since clocks change while this runs; medians of the turns, and of the shares in each.
    constexpr int kTurns = 9;
    std::array<std::vector<double>, 4> rates;
    std::array<std::vector<double>, 4> shares;
    const std::array<const MakeCall*, 4> calls = {&raw, &direct, &scripted, &scripted_packed};
    for (int turn = 0; turn < kTurns; ++turn) {
      for (size_t i = 0; i < calls.size(); ++i) {
        rates[i].push_back(Throughput(threads, *calls[i], seconds / 5));
        shares[i].push_back(rates[i].back() / rates[0].back());
      }
    }
    std::printf("%-24d %10.0f", threads, Median(rates[0]));
    for (size_t i = 1; i < calls.size(); ++i) std::printf(" %14.0f %6.2f", Median(rates[i]), Median(shares[i]));
    std::printf("\n");
  }
}

}  // namespace
}  // namespace nacelle

int main(int argc, char** argv) {
  if (argc < 3 || std::strcmp(argv[1], "--help") == 0) {
    std::fputs(nacelle::kUsage, stderr);
    return 2;
  }
  const double seconds = argc > 3 ? std::atof(argv[3]) : 1.0;
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  try {
    const c10::DeviceGuard device(nacelle::kDevice);
    const char* package = argc > 4 ? argv[4] : nullptr;
    nacelle::MeasureLatency("dynamic plan, µs a call (median)", nacelle::ReadFile(argv[1]), true, seconds, package);
    nacelle::MeasureLatency("fixed plan, µs a call (median)", nacelle::ReadFile(argv[2]), false, seconds, nullptr);
    nacelle::MeasureThroughput(nacelle::ReadFile(argv[2]), seconds);
    nacelle::MeasureParts(seconds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
