// The part of SimulatedGpu that is about memory and who uses it in which order.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "tests/fake_gpu/simulated_gpu.h"

namespace nacelle::fake_gpu {
namespace {

constexpr size_t kGranule = 512;         // torch's blocks of CUDA memory are multiples of this
constexpr unsigned char kPoison = 0xCB;  // what new memory holds

}  // namespace

// The order of uses.

// The block of an access; null if it is none of a device's. Complains if the work must not use it.
Block* SimulatedGpu::Usable(const Stream& stream, const Work& work, const Access& access) {
  if (access.bytes == 0) return nullptr;
  Block* const block = FindBlock(access.address);
  if (block == nullptr) return nullptr;
  if (!block->in_use && block->pool == nullptr) {
    Complain(Text(work.name, " on ", stream.Name(), " ", Verb(access.write), " memory that was freed"));
  } else if (End(access) > block->begin + block->bytes) {
    Complain(Text(work.name, " on ", stream.Name(), " ", Verb(access.write), " beyond the end of its memory"));
  } else if (block->stream->device != stream.device && !work.peer) {
    Complain(Text(work.name, " on ", stream.Name(), " ", Verb(access.write), " memory of GPU ", block->stream->device));
  }
  return block;
}

void SimulatedGpu::CheckUse(Block& block, const Block::Use& use, const Clock& clock) {
  const auto ordered = [&](const Block::Use& before) { return before.place <= Reached(clock, before.stream->index); };
  const Block::Use* conflict = nullptr;
  for (const Block::Use& before : block.uses) {
    const bool both = Overlap(before.begin, before.end, use.begin, use.end) && (before.write || use.write);
    if (both && !ordered(before)) conflict = &before;
  }
  if (conflict != nullptr) {
    Complain(Text("use before a wait: ", use.name, " on ", use.stream->Name(), " ", Verb(use.write), " what ",
                  conflict->name, " on ", conflict->stream->Name(), " ", Verb(conflict->write)));
  }
  // Forgets earlier uses that this one covers and is ordered after: later uses need not be compared with them.
  std::erase_if(block.uses, [&](const Block::Use& before) {
    const bool covered = use.begin <= before.begin && before.end <= use.end;
    return covered && ordered(before) && (use.write || (!before.write && before.stream == use.stream));
  });
  block.uses.push_back(use);
}

void SimulatedGpu::Check(Stream& stream, const Work& work) {
  // Its own accesses do not conflict.
  std::vector<std::pair<Block*, Block::Use>> uses;
  for (const Access& access : work.accesses) {
    Block* const block = Usable(stream, work, access);
    if (block != nullptr) {
      uses.push_back({block, {Begin(access), End(access), access.write, &stream, stream.enqueued, work.name}});
    }
  }
  for (auto& [block, use] : uses) CheckUse(*block, use, stream.clock);
}

void SimulatedGpu::CheckNode(const Graph& graph, const Work& work, const std::vector<bool>& ancestors) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (ancestors[i]) continue;
    for (const Access& before : graph.nodes[i].work.accesses) {
      for (const Access& access : work.accesses) {
        if (!Overlap(Begin(before), End(before), Begin(access), End(access)) || (!before.write && !access.write)) {
          continue;
        }
        Complain(Text("use before a wait, in a graph: ", work.name, " ", Verb(access.write), " what ",
                      graph.nodes[i].work.name, " ", Verb(before.write)));
      }
    }
  }
}

// Memory.

// True if the streams that were recorded for a freed block are done with it.
bool SimulatedGpu::Given(Block& block) {
  for (const Block::Recorded& recorded : block.recorded) {
    if (recorded.stream->done < recorded.place) return false;
  }
  for (const Block::Recorded& recorded : block.recorded) Join(host_, recorded.clock);
  block.recorded.clear();
  return true;
}

Block* SimulatedGpu::Reusable(const Stream& stream, size_t bytes) {
  for (size_t i = free_.size(); i-- > 0;) {
    Block* const block = free_[i];
    if (block->stream != &stream || block->bytes != bytes || block->pool != stream.graph.get() || !Given(*block)) {
      continue;
    }
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
    return block;
  }
  return nullptr;
}

void* SimulatedGpu::Allocate(StreamName name, size_t bytes) {
  if (bytes == 0) return nullptr;
  const Lock lock(mutex_);
  ThisThread().has_context = true;
  Stream& stream = Require(name, "an allocation");
  bytes = (bytes + kGranule - 1) / kGranule * kGranule;
  Block* block = Reusable(stream, bytes);
  if (block == nullptr) {
    auto* const begin = static_cast<char*>(std::aligned_alloc(kGranule, bytes));
    if (begin == nullptr) throw std::bad_alloc();
    auto made = std::make_unique<Block>();
    block = made.get();
    block->begin = begin;
    block->bytes = bytes;
    block->stream = &stream;
    block->pool = stream.graph.get();
    blocks_[begin] = std::move(made);
  }
  block->in_use = true;
  const auto done = [](const Block::Use& use) { return use.place <= use.stream->done; };
  if (std::ranges::all_of(block->uses, done)) std::memset(block->begin, kPoison, bytes);
  if (stream.graph == nullptr) {
    // Whoever uses the memory comes after its allocation, and finds nothing of its last user's.
    Enqueue(name, {.name = "the allocation", .accesses = {{block->begin, bytes, true}}, .run = [block] {
                     std::memset(block->begin, kPoison, block->bytes);
                   }});
  }
  return block->begin;
}

void SimulatedGpu::Free(void* memory) {
  if (memory == nullptr) return;
  const Lock lock(mutex_);
  Block* const block = FindBlock(memory);
  if (block == nullptr || block->begin != memory || !block->in_use) {
    Complain("memory is freed that is not in use");
    return;
  }
  Clock clock = block->stream->clock;
  Join(clock, host_);
  for (Block::Recorded& recorded : block->recorded) {
    recorded.place = recorded.stream->enqueued;
    recorded.clock = recorded.stream->clock;
    Join(clock, recorded.clock);
  }
  for (const Block::Use& use : block->uses) {
    if (use.place <= Reached(clock, use.stream->index)) continue;
    Complain(Text("freed too early: ", use.name, " on ", use.stream->Name(), " ", Verb(use.write),
                  " memory that was freed for ", block->stream->Name(), ", which does not wait for it"));
  }
  block->in_use = false;
  free_.push_back(block);
}

void SimulatedGpu::RecordStream(const void* memory, StreamName name) {
  const Lock lock(mutex_);
  Block* const block = FindBlock(memory);
  if (block == nullptr) {
    Complain("a stream is recorded for memory that is no GPU's");
    return;
  }
  Stream& stream = Require(name, "record_stream");
  if (&stream == block->stream) return;
  const auto same = [&](const Block::Recorded& recorded) { return recorded.stream == &stream; };
  if (std::ranges::none_of(block->recorded, same)) block->recorded.push_back({&stream, 0, {}});
}

std::vector<StreamName> SimulatedGpu::RecordedStreams(const void* memory) {
  const Lock lock(mutex_);
  std::vector<StreamName> names;
  const Block* const block = FindBlock(memory);
  if (block == nullptr) return names;
  for (const Block::Recorded& recorded : block->recorded) names.push_back(NameOf(*recorded.stream));
  return names;
}

StreamName SimulatedGpu::StreamOf(const void* memory) {
  const Lock lock(mutex_);
  const Block* const block = FindBlock(memory);
  return block == nullptr ? StreamName{-1, nullptr} : NameOf(*block->stream);
}

size_t SimulatedGpu::BlocksInUse() {
  const Lock lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(blocks_, [](const auto& item) { return item.second->in_use; }));
}

}  // namespace nacelle::fake_gpu
