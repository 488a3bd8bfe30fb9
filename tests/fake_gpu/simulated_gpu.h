// The GPUs behind gpu.h.
#ifndef NACELLE_TESTS_FAKE_GPU_SIMULATED_GPU_H_
#define NACELLE_TESTS_FAKE_GPU_SIMULATED_GPU_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/fake_gpu/gpu.h"

namespace nacelle::fake_gpu {

// The part of each stream that comes before a point, by the stream's index. A use of memory is ordered before a point
// if the point's clock has reached the use's place on its stream.
using Clock = std::vector<uint64_t>;

struct Graph;

// CUDA's state of each thread.
struct OfThread {
  int device = 0;
  bool has_context = false;
  int capture_mode = 0;  // CU_STREAM_CAPTURE_MODE_GLOBAL
  bool in_user_object = false;
};

inline OfThread& ThisThread() {
  static thread_local OfThread state;
  return state;
}

struct Stream {
  // Work, or a wait for a place on another stream.
  struct Item {
    Work work;
    Stream* awaited = nullptr;
    uint64_t place = 0;
  };

  int device = 0;
  size_t index = 0;
  uint64_t enqueued = 0;
  uint64_t done = 0;
  std::deque<Item> queue;
  Clock clock;                   // of the last item
  std::shared_ptr<Graph> graph;  // the graph being captured on the stream
  std::vector<size_t> frontier;  // the nodes that the next one depends on
  std::string Name() const;
};

struct Event {
  int device = 0;
  Stream* stream = nullptr;  // null: never recorded, or recorded in a capture
  uint64_t place = 0;
  Clock clock;
  std::shared_ptr<Graph> graph;  // the capture that it was recorded in
  std::vector<size_t> frontier;
};

struct UserObject {
  void* value = nullptr;
  void (*destroy)(void*) = nullptr;
};

// Memory of a device that was allocated at least once.
struct Block {
  // A use that later ones may conflict with.
  struct Use {
    const char* begin = nullptr;
    const char* end = nullptr;
    bool write = false;
    Stream* stream = nullptr;
    uint64_t place = 0;
    std::string name;
  };
  struct Recorded {
    Stream* stream = nullptr;
    uint64_t place = 0;
    Clock clock;  // of that place; set when the block is freed
  };

  char* begin = nullptr;
  size_t bytes = 0;
  Stream* stream = nullptr;
  bool in_use = false;
  const Graph* pool = nullptr;  // the graph that it belongs to
  std::vector<Use> uses;
  std::vector<Recorded> recorded;
};

// A captured graph. Lives as long as it is not destroyed or a launch of it waits to run.
struct Graph {
  struct Node {
    Work work;
    std::vector<bool> ancestors;  // by the numbers of the nodes before it
  };

  std::vector<Node> nodes;
  std::vector<UserObject*> objects;
  Stream* origin = nullptr;
  int mode = 0;
  std::thread::id thread;  // the one that captures
  bool broken = false;     // by a call that a capture forbids

  // True if node `before` comes before whatever depends on `frontier`.
  bool Reaches(const std::vector<size_t>& frontier, size_t before) const;
  void Run() const;
};

class SimulatedGpu final : public Gpu {
 public:
  SimulatedGpu();

  void SetSchedule(Schedule schedule, uint64_t seed) override;
  int CurrentDevice() override;
  void SetDevice(int device) override;
  bool HasContext() override;
  void ForgetContext() override;
  void* CreateStream(int device) override;
  void DestroyStream(void* stream) override;
  void Enqueue(StreamName stream, Work work) override;
  void WaitForStream(StreamName stream, StreamName before) override;
  bool Done(StreamName stream) override;
  void Synchronize(StreamName stream) override;
  void SynchronizeAll() override;
  Result CreateEvent(void** event) override;
  Result DestroyEvent(void* event) override;
  Result RecordEvent(void* event, StreamName stream) override;
  Result WaitEvent(StreamName stream, void* event) override;
  Result QueryEvent(void* event) override;
  Result SynchronizeEvent(void* event) override;
  Result QueryStream(StreamName stream) override;
  void* Allocate(StreamName stream, size_t bytes) override;
  void Free(void* memory) override;
  void RecordStream(const void* memory, StreamName stream) override;
  std::vector<StreamName> RecordedStreams(const void* memory) override;
  StreamName StreamOf(const void* memory) override;
  size_t BlocksInUse() override;
  Result BeginCapture(StreamName stream, int mode) override;
  Result EndCapture(StreamName stream, void** graph) override;
  bool Capturing(StreamName stream) override;
  void* GraphCapturedOn(StreamName stream) override;
  int ExchangeCaptureMode(int mode) override;
  void LaunchGraph(void* graph, StreamName stream) override;
  void DestroyGraph(void* graph) override;
  size_t GraphNodes(void* graph) override;
  Result CreateUserObject(void** object, void* value, void (*destroy)(void*)) override;
  Result ReleaseUserObject(void* object) override;
  Result RetainUserObject(void* graph, void* object) override;
  void AwaitUserObjects() override;
  bool Fails(const char* name) override;
  void FailAfter(int64_t after, bool for_good) override;
  std::string FailedCall() override;
  int64_t Calls() override;
  int64_t CallsOf(const std::string& name) override;
  void DropWaitAfter(int64_t after) override;
  bool DroppedWait() override;
  void Complain(const std::string& complaint) override;
  std::vector<std::string> TakeComplaints() override;
  size_t LiveEvents() override;
  size_t Pending() override;

 private:
  using Lock = std::lock_guard<std::recursive_mutex>;

  Stream& NewStream(int device);
  Stream* Find(StreamName name);
  Stream& Require(StreamName name, const char* what);
  StreamName NameOf(const Stream& stream) const;
  Event* FindEvent(void* event, const char* what);
  Block* FindBlock(const void* address);

  void Push(Stream& stream, Stream::Item item);
  void PushWait(Stream& stream, Stream& awaited, uint64_t place, const Clock& clock);
  void Capture(Stream& stream, Work work);
  void RunFront(Stream& stream);
  void RunTo(Stream& stream, uint64_t place);
  void Step(Stream& stream);
  void LetTimePass(Stream& stream);

  void Check(Stream& stream, const Work& work);
  Block* Usable(const Stream& stream, const Work& work, const Access& access);
  void CheckUse(Block& block, const Block::Use& use, const Clock& clock);
  void CheckNode(const Graph& graph, const Work& work, const std::vector<bool>& ancestors);
  bool Given(Block& block);
  Block* Reusable(const Stream& stream, size_t bytes);

  bool Forbidden(Stream* asked);
  void Gone(Graph& graph);
  void CallDestroy(UserObject* object);

  std::recursive_mutex mutex_;
  Schedule schedule_ = Schedule::kLazy;
  std::minstd_rand random_;
  std::vector<std::unique_ptr<Stream>> streams_;  // all that ever were; clocks have an entry for each
  std::set<void*> live_streams_;
  std::array<Stream*, kDevices> legacy_ = {};
  Clock host_;  // what the host knows to be done
  std::map<void*, std::unique_ptr<Event>> events_;
  std::set<void*> dead_events_;
  std::map<const char*, std::unique_ptr<Block>> blocks_;
  std::vector<Block*> free_;  // the one freed last comes last
  std::map<void*, std::shared_ptr<Graph>> graphs_;
  std::set<Graph*> open_;  // being captured
  std::set<UserObject*> objects_;
  std::vector<std::thread> destroying_;
  std::vector<std::string> complaints_;
  int64_t calls_ = 0;
  std::map<std::string, int64_t> calls_of_;
  int64_t fail_after_ = -1;
  bool fail_for_good_ = false;
  std::string failed_call_;
  int64_t waits_ = 0;
  int64_t drop_after_ = -1;
  bool dropped_ = false;
};

// Helpers of the parts of SimulatedGpu.

template <typename... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

inline uint64_t Reached(const Clock& clock, size_t index) { return index < clock.size() ? clock[index] : 0; }

inline void Join(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

inline bool Overlap(const char* begin, const char* end, const char* other_begin, const char* other_end) {
  return begin < other_end && other_begin < end;
}

inline const char* Begin(const Access& access) { return static_cast<const char*>(access.address); }
inline const char* End(const Access& access) { return Begin(access) + access.bytes; }
inline const char* Verb(bool write) { return write ? "writes" : "reads"; }

}  // namespace nacelle::fake_gpu

#endif  // NACELLE_TESTS_FAKE_GPU_SIMULATED_GPU_H_
