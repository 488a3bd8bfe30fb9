#include "tests/fake_gpu/simulated_gpu.h"

#include <cuda.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace nacelle::fake_gpu {

std::string Stream::Name() const {
  return index < kDevices ? Text("the default stream of GPU ", device) : Text("stream ", index, " of GPU ", device);
}

SimulatedGpu::SimulatedGpu() {
  for (int device = 0; device < kDevices; ++device) legacy_[static_cast<size_t>(device)] = &NewStream(device);
}

// Names.

Stream& SimulatedGpu::NewStream(int device) {
  auto stream = std::make_unique<Stream>();
  stream->device = device;
  stream->index = streams_.size();
  streams_.push_back(std::move(stream));
  return *streams_.back();
}

Stream* SimulatedGpu::Find(StreamName name) {
  if (name.device < 0 || name.device >= kDevices) return nullptr;
  if (name.handle == nullptr) return legacy_[static_cast<size_t>(name.device)];
  return live_streams_.contains(name.handle) ? static_cast<Stream*>(name.handle) : nullptr;
}

// Returns the stream. If there is none, complains and returns one that nobody else uses.
Stream& SimulatedGpu::Require(StreamName name, const char* what) {
  Stream* const stream = Find(name);
  if (stream == nullptr) {
    Complain(Text(what, " on stream ", name.handle, ", which does not exist"));
    return NewStream(0);
  }
  if (stream->device != name.device) {
    Complain(Text(what, " on ", stream->Name(), " as if it was one of GPU ", name.device));
  }
  return *stream;
}

StreamName SimulatedGpu::NameOf(const Stream& stream) const {
  const bool legacy = &stream == legacy_[static_cast<size_t>(stream.device)];
  return {stream.device, legacy ? nullptr : const_cast<Stream*>(&stream)};
}

Event* SimulatedGpu::FindEvent(void* event, const char* what) {
  const auto found = events_.find(event);
  if (found != events_.end()) return found->second.get();
  Complain(dead_events_.contains(event) ? Text(what, " of an event that was destroyed")
                                        : Text(what, " of an event that never was"));
  return nullptr;
}

Block* SimulatedGpu::FindBlock(const void* address) {
  auto block = blocks_.upper_bound(static_cast<const char*>(address));
  if (block == blocks_.begin()) return nullptr;
  Block& before = *std::prev(block)->second;
  return static_cast<const char*>(address) < before.begin + before.bytes ? &before : nullptr;
}

// Devices.

int SimulatedGpu::CurrentDevice() { return ThisThread().device; }

void SimulatedGpu::SetDevice(int device) {
  if (device < 0 || device >= kDevices) {
    Complain(Text("GPU ", device, " is made current, and there is none"));
    return;
  }
  ThisThread().device = device;
  ThisThread().has_context = true;
}

bool SimulatedGpu::HasContext() { return ThisThread().has_context; }

void SimulatedGpu::ForgetContext() {
  ThisThread().has_context = false;
  ThisThread().device = 0;
}

// Work.

void SimulatedGpu::SetSchedule(Schedule schedule, uint64_t seed) {
  const Lock lock(mutex_);
  schedule_ = schedule;
  random_.seed(static_cast<std::minstd_rand::result_type>(seed));
}

void* SimulatedGpu::CreateStream(int device) {
  const Lock lock(mutex_);
  Stream& stream = NewStream(device);
  live_streams_.insert(&stream);
  return &stream;
}

void SimulatedGpu::DestroyStream(void* stream) {
  const Lock lock(mutex_);
  if (live_streams_.erase(stream) == 0) {
    Complain("a stream is destroyed that does not exist");
    return;
  }
  // CUDA lets the work run later; it is as good to run it now.
  RunTo(*static_cast<Stream*>(stream), static_cast<Stream*>(stream)->enqueued);
}

void SimulatedGpu::Push(Stream& stream, Stream::Item item) {
  ++stream.enqueued;
  if (stream.clock.size() <= stream.index) stream.clock.resize(stream.index + 1);
  stream.clock[stream.index] = stream.enqueued;
  Join(stream.clock, host_);
  if (item.awaited == nullptr) Check(stream, item.work);
  stream.queue.push_back(std::move(item));
  LetTimePass(stream);
}

void SimulatedGpu::PushWait(Stream& stream, Stream& awaited, uint64_t place, const Clock& clock) {
  Join(stream.clock, clock);
  if (&stream != &awaited) Push(stream, {{}, &awaited, place});
}

void SimulatedGpu::Enqueue(StreamName name, Work work) {
  const Lock lock(mutex_);
  ThisThread().has_context = true;
  Stream& stream = Require(name, work.name.c_str());
  if (stream.graph != nullptr) {
    Capture(stream, std::move(work));
  } else {
    Push(stream, {std::move(work), nullptr, 0});
  }
}

void SimulatedGpu::WaitForStream(StreamName name, StreamName before) {
  const Lock lock(mutex_);
  Stream& first = Require(before, "a wait");
  PushWait(Require(name, "a wait"), first, first.enqueued, first.clock);
}

void SimulatedGpu::RunFront(Stream& stream) {
  const Stream* const awaited = stream.queue.front().awaited;
  if (awaited != nullptr) RunTo(*stream.queue.front().awaited, stream.queue.front().place);
  const Stream::Item item = std::move(stream.queue.front());
  stream.queue.pop_front();
  try {
    if (item.work.run) item.work.run();
  } catch (const std::exception& error) {
    Complain(Text(item.work.name, " failed on ", stream.Name(), ": ", error.what()));
  }
  ++stream.done;
}

void SimulatedGpu::RunTo(Stream& stream, uint64_t place) {
  while (stream.done < place) RunFront(stream);
}

// Runs one item, of the stream or of one that it waits for.
void SimulatedGpu::Step(Stream& stream) {
  if (stream.queue.empty()) return;
  const Stream::Item& next = stream.queue.front();
  if (next.awaited != nullptr && next.awaited->done < next.place) {
    Step(*next.awaited);
  } else {
    RunFront(stream);
  }
}

void SimulatedGpu::LetTimePass(Stream& stream) {
  switch (schedule_) {
    case Schedule::kEager:
      RunTo(stream, stream.enqueued);
      break;
    case Schedule::kLazy:
      break;
    case Schedule::kRandom:
      for (auto steps = random_() % 4; steps > 0; --steps) Step(*streams_[random_() % streams_.size()]);
      break;
  }
}

bool SimulatedGpu::Done(StreamName name) {
  const Lock lock(mutex_);
  return Require(name, "a question").queue.empty();
}

void SimulatedGpu::Synchronize(StreamName name) {
  const Lock lock(mutex_);
  Stream& stream = Require(name, "a synchronization");
  if (stream.graph != nullptr) {
    stream.graph->broken = true;
    Complain(Text(stream.Name(), " is synchronized while a graph is captured on it"));
    return;
  }
  RunTo(stream, stream.enqueued);
  Join(host_, stream.clock);
}

void SimulatedGpu::SynchronizeAll() {
  const Lock lock(mutex_);
  for (size_t i = 0; i < streams_.size(); ++i) {
    RunTo(*streams_[i], streams_[i]->enqueued);
    Join(host_, streams_[i]->clock);
  }
}

size_t SimulatedGpu::Pending() {
  const Lock lock(mutex_);
  size_t count = 0;
  for (const auto& stream : streams_) count += stream->queue.size();
  return count;
}

// Events.

Result SimulatedGpu::CreateEvent(void** event) {
  const Lock lock(mutex_);
  auto made = std::make_unique<Event>();
  made->device = ThisThread().device;
  *event = made.get();
  dead_events_.erase(*event);
  events_[*event] = std::move(made);
  return kSuccess;
}

Result SimulatedGpu::DestroyEvent(void* event) {
  const Lock lock(mutex_);
  if (FindEvent(event, "the destruction") == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  events_.erase(event);
  dead_events_.insert(event);
  return kSuccess;
}

Result SimulatedGpu::RecordEvent(void* handle, StreamName name) {
  const Lock lock(mutex_);
  Event* const event = FindEvent(handle, "the record");
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Stream& stream = Require(name, "the record of an event");
  if (event->device != stream.device) {
    Complain(Text("an event of GPU ", event->device, " is recorded on ", stream.Name()));
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream.graph != nullptr) {
    *event = {event->device, nullptr, 0, {}, stream.graph, stream.frontier};
    return kSuccess;
  }
  Join(stream.clock, host_);
  *event = {event->device, &stream, stream.enqueued, stream.clock, nullptr, {}};
  return kSuccess;
}

Result SimulatedGpu::WaitEvent(StreamName name, void* handle) {
  const Lock lock(mutex_);
  if (drop_after_ >= 0 && waits_++ == drop_after_) {
    dropped_ = true;
    return kSuccess;
  }
  Event* const event = FindEvent(handle, "a wait");
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Stream& stream = Require(name, "a wait for an event");
  if (event->graph != nullptr) {
    if (!open_.contains(event->graph.get()) || (stream.graph != nullptr && stream.graph != event->graph)) {
      if (stream.graph != nullptr) stream.graph->broken = true;
      Complain(Text(stream.Name(), " waits for an event of a capture that it is not part of"));
      return stream.graph != nullptr ? CUDA_ERROR_STREAM_CAPTURE_MERGE : CUDA_ERROR_CAPTURED_EVENT;
    }
    if (stream.graph == nullptr) stream.frontier.clear();
    stream.graph = event->graph;
    stream.frontier.insert(stream.frontier.end(), event->frontier.begin(), event->frontier.end());
    return kSuccess;
  }
  if (event->stream == nullptr) {
    Complain(Text(stream.Name(), " waits for an event that was never recorded"));
    return kSuccess;
  }
  if (stream.graph != nullptr) {
    stream.graph->broken = true;
    Complain(Text(stream.Name(), " waits, while a graph is captured on it, for work outside of the graph"));
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  PushWait(stream, *event->stream, event->place, event->clock);
  return kSuccess;
}

// True if a capture forbids the calling thread to ask; it is broken then.
bool SimulatedGpu::Forbidden(Stream* asked) {
  bool forbidden = false;
  for (Graph* const graph : open_) {
    const bool own = graph->thread == std::this_thread::get_id() && graph->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    const bool others =
        graph->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && ThisThread().capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    const bool on_it = asked != nullptr && asked->graph.get() == graph;
    if (!on_it && (ThisThread().capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED || !(own || others))) continue;
    graph->broken = true;
    forbidden = true;
  }
  if (forbidden) Complain("the driver is asked for what a capture forbids");
  return forbidden;
}

Result SimulatedGpu::QueryEvent(void* handle) {
  const Lock lock(mutex_);
  Event* const event = FindEvent(handle, "a query");
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (Forbidden(nullptr)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (event->graph != nullptr) {
    Complain("an event of a capture is asked whether it is done");
    return CUDA_ERROR_CAPTURED_EVENT;
  }
  if (event->stream == nullptr) return kSuccess;
  if (event->stream->done >= event->place) {
    Join(host_, event->clock);
    return kSuccess;
  }
  Step(*event->stream);
  return CUDA_ERROR_NOT_READY;
}

Result SimulatedGpu::SynchronizeEvent(void* handle) {
  const Lock lock(mutex_);
  Event* const event = FindEvent(handle, "a synchronization");
  if (event == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (event->graph != nullptr) return CUDA_ERROR_CAPTURED_EVENT;
  if (event->stream != nullptr) RunTo(*event->stream, event->place);
  Join(host_, event->clock);
  return kSuccess;
}

Result SimulatedGpu::QueryStream(StreamName name) {
  const Lock lock(mutex_);
  Stream& stream = Require(name, "a query");
  if (Forbidden(&stream)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream.queue.empty()) {
    Join(host_, stream.clock);
    return kSuccess;
  }
  Step(stream);
  return CUDA_ERROR_NOT_READY;
}

size_t SimulatedGpu::LiveEvents() {
  const Lock lock(mutex_);
  return events_.size();
}

// Functions for tests.

bool SimulatedGpu::Fails(const char* name) {
  const Lock lock(mutex_);
  if (ThisThread().in_user_object) Complain(Text(name, " is called while a graph's user object is destroyed"));
  ++calls_of_[name];
  const int64_t call = calls_++;
  if (fail_after_ < 0 || call < fail_after_ || (call > fail_after_ && !fail_for_good_)) return false;
  if (call == fail_after_) failed_call_ = name;
  return true;
}

void SimulatedGpu::FailAfter(int64_t after, bool for_good) {
  const Lock lock(mutex_);
  fail_for_good_ = for_good;
  fail_after_ = after;
  failed_call_.clear();
  calls_ = 0;
  calls_of_.clear();
}

std::string SimulatedGpu::FailedCall() {
  const Lock lock(mutex_);
  return failed_call_;
}

int64_t SimulatedGpu::Calls() {
  const Lock lock(mutex_);
  return calls_;
}

int64_t SimulatedGpu::CallsOf(const std::string& name) {
  const Lock lock(mutex_);
  const auto found = calls_of_.find(name);
  return found == calls_of_.end() ? 0 : found->second;
}

void SimulatedGpu::DropWaitAfter(int64_t after) {
  const Lock lock(mutex_);
  drop_after_ = after;
  waits_ = 0;
  dropped_ = false;
}

bool SimulatedGpu::DroppedWait() {
  const Lock lock(mutex_);
  return dropped_;
}

void SimulatedGpu::Complain(const std::string& complaint) {
  const Lock lock(mutex_);
  complaints_.push_back(complaint);
}

std::vector<std::string> SimulatedGpu::TakeComplaints() {
  const Lock lock(mutex_);
  return std::exchange(complaints_, {});
}

}  // namespace nacelle::fake_gpu
