#include "core/device/cuda_driver.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/core/in_child.h"
#include "tests/core/throws.h"

namespace nacelle::device {
namespace {

using testing_support::ExpectHas;
using testing_support::MessageOf;

const std::string kFake = "./tests/core/device/libfake_cuda.so";
const std::string kNotCuda = "./tests/core/device/libfake_not_cuda.so";

// The library, if this process has it open; does not open it.
void* Opened(const std::string& path) {
  void* const handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle != nullptr) dlclose(handle);  // the count that this look added
  return handle;
}

int InitCount() { return reinterpret_cast<int (*)()>(dlsym(Opened(kFake), "nacelle_fake_init_count"))(); }

// Sets an environment variable until the end of the scope.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }

 private:
  const char* name_;
};

// First in this file: nothing before it opens the fake driver.
TEST(CudaDriver, OpensTheLibraryAtTheFirstCallOnly) {
  ASSERT_EQ(Opened(kFake), nullptr);
  CudaDriver driver(kFake);
  EXPECT_EQ(Opened(kFake), nullptr);
  EXPECT_TRUE(driver.available());
  ASSERT_NE(Opened(kFake), nullptr);
  EXPECT_EQ(InitCount(), 1);
}

TEST(CudaDriver, ListsEveryGpu) {
  CudaDriver driver(kFake);
  const Inventory here = driver.Devices();
  const std::vector<Device> wanted = {{0, 8, 6, Type::kGpu, "Fake A10"},
                                      {1, 9, 0, Type::kGpu, "Fake 100_ H100"},  // '%' separates in records
                                      {2, 8, 6, Type::kGpu, "Fake A10"}};
  EXPECT_EQ(here.devices, wanted);
  EXPECT_EQ(here.current, std::nullopt);
  EXPECT_EQ(here.why_none, "");
  EXPECT_TRUE(driver.available());
  EXPECT_EQ(driver.why_not(), "");
  EXPECT_EQ(driver.driver_version(), 13020);
  for (const Device& device : here.devices) EXPECT_EQ(Device::Parse(device.ToString()), device);
}

TEST(CudaDriver, TellsTheMemoryOfAGpu) {
  CudaDriver driver(kFake);
  EXPECT_EQ(driver.MemoryOf(0), size_t{24} << 30);
  EXPECT_EQ(driver.MemoryOf(2), size_t{26} << 30);
  EXPECT_EQ(driver.MemoryOf(3), 0);
  CudaDriver none("libnacelle_no_such_driver.so");
  EXPECT_EQ(none.MemoryOf(0), 0);
}

TEST(CudaDriver, AsksForTheCurrentDeviceEachTime) {
  CudaDriver driver(kFake);
  EXPECT_EQ(driver.Devices().current, std::nullopt);
  {
    const Environment current("NACELLE_FAKE_CUDA_CURRENT", "2");
    EXPECT_EQ(driver.Devices().current, 2);
    EXPECT_EQ(Choose({0, 8, 6, Type::kGpu, "Fake A10"}, false, driver.Devices()).id, 2);
  }
  EXPECT_EQ(driver.Devices().current, std::nullopt);
  EXPECT_EQ(Choose({0, 8, 6, Type::kGpu, "Fake A10"}, false, driver.Devices()).id, 0);
}

void ExpectNone(CudaDriver& driver, const std::vector<std::string>& reasons) {
  const Inventory here = driver.Devices();
  EXPECT_TRUE(here.devices.empty());
  EXPECT_EQ(here.current, std::nullopt);
  EXPECT_FALSE(driver.available());
  EXPECT_EQ(here.why_none, driver.why_not());
  for (const std::string& reason : reasons) ExpectHas(driver.why_not(), reason);
}

TEST(CudaDriver, KnowsWhichStreamIsBeingCaptured) {
  CudaDriver driver(kFake);
  EXPECT_TRUE(driver.Capturing(reinterpret_cast<void*>(0x1000)));
  EXPECT_FALSE(driver.Capturing(reinterpret_cast<void*>(0x2000)));
  CudaDriver none("libnacelle_no_such_driver.so");
  EXPECT_FALSE(none.Capturing(reinterpret_cast<void*>(0x1000)));
}

TEST(CudaDriver, WorksInNoChildOfAProcessThatHasOpenedIt) {
  CudaDriver driver(kFake);
  CudaDriver unopened(kFake);
  ASSERT_TRUE(driver.available());
  const auto told = [](CudaDriver& of) {
    const Inventory here = of.Devices();
    std::string text = std::to_string(here.devices.size()) + " GPUs" + here.why_none;
    try {
      of.CheckNotForked();
    } catch (const DeviceError& error) {
      text += error.what();
    }
    return of.available() ? text : "not available: " + text;
  };
  EXPECT_EQ(testing_support::InChild([&] { return told(driver); }),
            "not available: 0 GPUs" + ForkedText() + ForkedText());
  EXPECT_EQ(told(driver), "3 GPUs");
  EXPECT_EQ(testing_support::InChild([&] { return told(unopened); }), "3 GPUs");
}

// The parent opened the driver by other means: CUDA tells the child this only.
TEST(CudaDriver, TellsOfTheForkIfOthersHadInitializedCuda) {
  const Environment fake("NACELLE_FAKE_CUDA", "not_initialized");
  CudaDriver here(kFake);
  ExpectNone(here, {"cuInit: CUDA_ERROR_NOT_INITIALIZED"});
  EXPECT_EQ(here.why_not().find(ForkedText()), std::string::npos);
  CudaDriver unopened(kFake);
  const std::string in_child = testing_support::InChild([&] { return unopened.why_not(); });
  ExpectHas(in_child, "cuInit: CUDA_ERROR_NOT_INITIALIZED");
  ExpectHas(in_child, ForkedText());
}

TEST(CudaDriver, NoGpu) {
  const Environment fake("NACELLE_FAKE_CUDA", "no_device");
  const Environment visible("CUDA_VISIBLE_DEVICES", "-1");
  CudaDriver driver(kFake);
  ExpectNone(driver, {"cuInit: CUDA_ERROR_NO_DEVICE (100: no CUDA-capable device is detected)",
                      "CUDA_VISIBLE_DEVICES is \"-1\""});
  EXPECT_EQ(driver.driver_version(), 13020);  // the driver itself is there
}

TEST(CudaDriver, ZeroGpus) {
  const Environment fake("NACELLE_FAKE_CUDA", "zero");
  CudaDriver driver(kFake);
  ExpectNone(driver, {"the driver lists no GPU"});
}

TEST(CudaDriver, AGpuThatDoesNotAnswer) {
  const Environment fake("NACELLE_FAKE_CUDA", "nameless");
  CudaDriver driver(kFake);
  ExpectNone(driver, {"cuDeviceGetName of GPU 1: CUDA_ERROR_UNKNOWN"});
}

TEST(CudaDriver, AnotherLibrary) {
  CudaDriver driver(kNotCuda);
  ExpectNone(driver, {"libfake_not_cuda.so has no function cuDriverGetVersion"});
  EXPECT_EQ(driver.driver_version(), 0);
}

TEST(CudaDriver, NoLibrary) {
  CudaDriver driver("libcuda_that_is_not_there.so.1");
  ExpectNone(driver, {"libcuda_that_is_not_there.so.1: cannot open shared object file"});
  EXPECT_EQ(driver.driver_version(), 0);
  ExpectHas(MessageOf<DeviceError>([&] { Choose({0, 9, 0, Type::kGpu, "H100"}, false, driver.Devices()); }),
            "found none: libcuda_that_is_not_there.so.1: cannot open");
}

TEST(CudaDriver, TheFirstOutcomeStands) {
  CudaDriver driver(kFake);
  {
    const Environment fake("NACELLE_FAKE_CUDA", "no_device");
    EXPECT_FALSE(driver.available());
  }
  EXPECT_FALSE(driver.available());
  EXPECT_NE(driver.Devices().why_none, "");
}

TEST(CudaDriver, ManyThreadsOpenItOnce) {
  CudaDriver before(kFake);
  ASSERT_TRUE(before.available());  // so that the library is open and counts
  const int count = InitCount();
  CudaDriver driver(kFake);
  std::vector<std::thread> threads;
  std::vector<size_t> found(8);
  for (size_t& each : found) threads.emplace_back([&] { each = driver.Devices().devices.size(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, std::vector<size_t>(8, 3));
  EXPECT_EQ(InitCount(), count + 1);
}

// On any machine, with a GPU or without: either devices or the reason why there are none.
TEST(CudaDriver, TheDriverOfThisMachine) {
  CudaDriver& driver = CudaDriver::Process();
  EXPECT_EQ(&driver, &CudaDriver::Process());
  const Inventory here = driver.Devices();
  if (driver.available()) {
    ASSERT_FALSE(here.devices.empty());
    EXPECT_EQ(here.why_none, "");
    EXPECT_GT(driver.driver_version(), 11000);
    for (const Device& device : here.devices) {
      EXPECT_GE(device.major, 5) << device.Describe();
      EXPECT_EQ(Device::Parse(device.ToString()), device);
      EXPECT_EQ(Choose(device, false, {here.devices, device.id, ""}), device);
    }
  } else {
    ExpectNone(driver, {"libcuda.so.1"});
  }
}

}  // namespace
}  // namespace nacelle::device
