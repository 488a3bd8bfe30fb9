// The part of SimulatedGpu that is about captures.
#include <cuda.h>

#include <algorithm>
#include <utility>

#include "tests/fake_gpu/simulated_gpu.h"

namespace nacelle::fake_gpu {

bool Graph::Reaches(const std::vector<size_t>& frontier, size_t before) const {
  return std::ranges::any_of(frontier, [&](size_t node) {
    return node == before || (before < nodes[node].ancestors.size() && nodes[node].ancestors[before]);
  });
}

// In an order that is as far from that of the capture as the nodes' dependencies allow.
void Graph::Run() const {
  std::vector<bool> done(nodes.size());
  const auto ready = [&](size_t node) {
    for (size_t i = 0; i < nodes[node].ancestors.size(); ++i) {
      if (nodes[node].ancestors[i] && !done[i]) return false;
    }
    return !done[node];
  };
  for (size_t count = 0; count < nodes.size(); ++count) {
    size_t next = nodes.size() - 1;
    while (!ready(next)) --next;
    if (nodes[next].work.run) nodes[next].work.run();
    done[next] = true;
  }
}

// Captures.

Result SimulatedGpu::BeginCapture(StreamName name, int mode) {
  const Lock lock(mutex_);
  Stream& stream = Require(name, "a capture");
  if (name.handle == nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream.graph != nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  stream.graph = std::shared_ptr<Graph>(new Graph, [this](Graph* graph) {
    Gone(*graph);
    delete graph;
  });
  stream.graph->origin = &stream;
  stream.graph->mode = mode;
  stream.graph->thread = std::this_thread::get_id();
  stream.frontier.clear();
  open_.insert(stream.graph.get());
  return kSuccess;
}

void SimulatedGpu::Capture(Stream& stream, Work work) {
  Graph& graph = *stream.graph;
  std::vector<bool> ancestors(graph.nodes.size());
  for (size_t i = 0; i < ancestors.size(); ++i) ancestors[i] = graph.Reaches(stream.frontier, i);
  for (const Access& access : work.accesses) Usable(stream, work, access);
  CheckNode(graph, work, ancestors);
  stream.frontier = {graph.nodes.size()};
  graph.nodes.push_back({std::move(work), std::move(ancestors)});
}

Result SimulatedGpu::EndCapture(StreamName name, void** graph) {
  const Lock lock(mutex_);
  *graph = nullptr;
  Stream& origin = Require(name, "the end of a capture");
  if (origin.graph == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  if (origin.graph->origin != &origin) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  const std::shared_ptr<Graph> captured = origin.graph;
  bool joined = true;
  for (const auto& stream : streams_) {
    if (stream->graph != captured) continue;
    for (const size_t node : stream->frontier) joined = joined && captured->Reaches(origin.frontier, node);
  }
  for (const auto& stream : streams_) {
    if (stream->graph != captured) continue;
    stream->graph = nullptr;
    stream->frontier.clear();
  }
  open_.erase(captured.get());
  if (captured->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!joined) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  *graph = captured.get();
  graphs_[*graph] = captured;
  return kSuccess;
}

bool SimulatedGpu::Capturing(StreamName name) {
  const Lock lock(mutex_);
  return Require(name, "a question").graph != nullptr;
}

void* SimulatedGpu::GraphCapturedOn(StreamName name) {
  const Lock lock(mutex_);
  return Require(name, "a question").graph.get();
}

int SimulatedGpu::ExchangeCaptureMode(int mode) { return std::exchange(ThisThread().capture_mode, mode); }

void SimulatedGpu::LaunchGraph(void* handle, StreamName name) {
  const Lock lock(mutex_);
  const auto found = graphs_.find(handle);
  if (found == graphs_.end()) {
    Complain("a graph is launched that does not exist");
    return;
  }
  Work work;
  work.name = "a graph";
  for (const Graph::Node& node : found->second->nodes) {
    work.accesses.insert(work.accesses.end(), node.work.accesses.begin(), node.work.accesses.end());
  }
  work.run = [graph = found->second] { graph->Run(); };
  Enqueue(name, std::move(work));
}

void SimulatedGpu::DestroyGraph(void* graph) {
  const Lock lock(mutex_);
  if (graphs_.erase(graph) == 0) Complain("a graph is destroyed that does not exist");
}

size_t SimulatedGpu::GraphNodes(void* graph) {
  const Lock lock(mutex_);
  const auto found = graphs_.find(graph);
  return found == graphs_.end() ? 0 : found->second->nodes.size();
}

// Called when the last reference goes, which is under the lock.
void SimulatedGpu::Gone(Graph& graph) {
  for (UserObject* const object : graph.objects) CallDestroy(object);
  // Nothing that comes gets the blocks: torch gives such memory back to the driver.
  std::erase_if(free_, [&](const Block* block) { return block->pool == &graph; });
  for (auto& [begin, block] : blocks_) {
    if (block->pool == &graph) block->pool = nullptr;
  }
}

// User objects.

Result SimulatedGpu::CreateUserObject(void** object, void* value, void (*destroy)(void*)) {
  const Lock lock(mutex_);
  auto* const made = new UserObject{value, destroy};
  objects_.insert(made);
  *object = made;
  return kSuccess;
}

// In a thread of its own, as the driver does it.
void SimulatedGpu::CallDestroy(UserObject* object) {
  objects_.erase(object);
  destroying_.emplace_back([object] {
    ThisThread().in_user_object = true;
    object->destroy(object->value);
    delete object;
  });
}

Result SimulatedGpu::ReleaseUserObject(void* object) {
  const Lock lock(mutex_);
  auto* const known = static_cast<UserObject*>(object);
  if (!objects_.contains(known)) return CUDA_ERROR_INVALID_VALUE;
  CallDestroy(known);
  return kSuccess;
}

Result SimulatedGpu::RetainUserObject(void* graph, void* object) {
  const Lock lock(mutex_);
  auto* const known = static_cast<UserObject*>(object);
  const auto open = std::ranges::find(open_, static_cast<Graph*>(graph));
  if (open == open_.end() || !objects_.contains(known)) return CUDA_ERROR_INVALID_VALUE;
  (*open)->objects.push_back(known);
  return kSuccess;
}

void SimulatedGpu::AwaitUserObjects() {
  std::vector<std::thread> threads;
  {
    const Lock lock(mutex_);
    threads.swap(destroying_);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace nacelle::fake_gpu
