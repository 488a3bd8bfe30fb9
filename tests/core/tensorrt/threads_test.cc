// Does at once what the headers allow at once. Meant for --config=tsan too.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/tensorrt/handles.h"
#include "core/tensorrt/library.h"
#include "core/tensorrt/messages.h"
#include "tests/core/tensorrt/fake/fakes.h"

#if defined(__SANITIZE_THREAD__)
// The dynamic loader guards its own memory with a lock that ThreadSanitizer does not see.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "race:ld-linux-x86-64.so.2";
}
#endif

namespace nacelle::tensorrt {
namespace {

constexpr int kThreads = 4;

void InThreads(const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
}

// Sets up a context of its own and runs it with its own numbers; the number of right results.
int RunContexts(const CudaEngine& engine, int seed, int times) {
  int right = 0;
  for (int i = 0; i < times; ++i) {
    ExecutionContext context = engine.CreateExecutionContext();
    const int64_t rows = 1 + (seed + i) % 8;
    const std::vector<float> x(static_cast<size_t>(rows) * 3, static_cast<float>(seed));
    std::vector<float> twice(x.size());
    const bool ran = context.SetInputShape("x", Dims({rows, 3})) && context.SetInputTensorAddress("x", x.data()) &&
                     context.SetTensorAddress("twice", twice.data()) && context.Enqueue(&twice);
    right += ran && twice == std::vector<float>(x.size(), 2.0F * static_cast<float>(seed)) ? 1 : 0;
  }
  return right;
}

TEST(Threads, ShareAnEngine) {
  for (const char* file : {"libfake_8_5.so", "libfake_11_1.so"}) {
    const Runtime runtime = Runtime::Create(OpenFake(file));
    const CudaEngine engine = runtime.Deserialize("fake plan");
    std::atomic<int> right = 0;
    InThreads([&](int seed) { right += RunContexts(engine, seed, 100); });
    EXPECT_EQ(right, kThreads * 100) << file;
  }
}

TEST(Threads, ShareARuntime) {
  const Runtime runtime = Runtime::Create(OpenFake("libfake_10_0.so"));
  std::atomic<int> right = 0;
  InThreads([&](int seed) {
    for (int i = 0; i < 50; ++i) right += RunContexts(runtime.Deserialize("fake plan"), seed, 1);
  });
  EXPECT_EQ(right, kThreads * 50);
}

TEST(Threads, OpenTheSameLibrary) {
  std::vector<std::shared_ptr<const Library>> opened(kThreads);
  InThreads([&](int i) { opened[static_cast<size_t>(i)] = OpenFake("libfake_8_6.so"); });
  for (const auto& library : opened) EXPECT_EQ(library, opened[0]);
}

// Libraries of several releases, and files that are refused, with engines made and destroyed in between.
TEST(Threads, OpenManyLibrariesAndRefuseSome) {
  const std::vector<std::string> files = {"libfake_8_5.so", "libfake_8_6.so", "libfake_10_0.so", "libfake_11_1.so"};
  const std::vector<std::string> refused = {"libmajor_9.so", "libno_runtime.so", "libtoo_old.so", "libnowhere.so"};
  std::atomic<int> right = 0;
  InThreads([&](int seed) {
    for (int i = 0; i < 40; ++i) {
      const size_t turn = static_cast<size_t>(seed + i) % files.size();
      try {
        OpenFake(refused[turn]);
      } catch (const LibraryError& error) {
        const bool named = std::string(error.what()).find(refused[turn]) != std::string::npos;
        right += named ? RunContexts(Runtime::Create(OpenFake(files[turn])).Deserialize("fake plan"), seed, 1) : 0;
      }
    }
  });
  EXPECT_EQ(right, kThreads * 40);
}

TEST(Threads, KeepTheirMessagesApart) {
  const Runtime runtime = Runtime::Create(OpenFake("libfake_11_1.so"));
  const CudaEngine engine = runtime.Deserialize("fake plan");
  std::atomic<int> right = 0;
  InThreads([&](int seed) {
    ExecutionContext context = engine.CreateExecutionContext();
    const std::string name = "tensor" + std::to_string(seed);
    for (int i = 0; i < 100; ++i) {
      const MessageScope messages;
      context.SetInputShape(name.c_str(), Dims({1, 3}));
      right += messages.Text() == "[E] shape out of range for " + name ? 1 : 0;
    }
  });
  EXPECT_EQ(right, kThreads * 100);
}

}  // namespace
}  // namespace nacelle::tensorrt
