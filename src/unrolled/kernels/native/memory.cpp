#include "memory.h"

#include <cstdint>
#include <cstdlib>
#include <mutex>

namespace unrolled {

namespace {

constexpr size_t kLine = 64;
#ifdef UNROLLED_SANITIZE
constexpr size_t kKeptBytes = 0;  // a block of one's own for every call: an overflow is then seen
#else
constexpr size_t kKeptBytes = size_t(256) << 20;
#endif
constexpr int kKeptBlocks = 32;
constexpr size_t kSmallBytes = size_t(32) << 10;  // up to here malloc is as fast, and keeps what it needs itself

// What stands in the line before a block's memory.
struct Block {
  size_t bytes;
  void* start;
};

std::mutex guard;
Block* kept[kKeptBlocks];  // the longest unused first
int kept_count = 0;
size_t kept_bytes = 0;

Block* remove(int place) {
  Block* block = kept[place];
  for (int i = place + 1; i < kept_count; ++i) kept[i - 1] = kept[i];
  --kept_count;
  kept_bytes -= block->bytes;
  return block;
}

void* memory_of(Block* block) { return reinterpret_cast<char*>(block) + kLine; }

}  // namespace

void* take_memory(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  bytes = (bytes + kLine - 1) / kLine * kLine;
  if (bytes > kSmallBytes) {
    const std::lock_guard<std::mutex> lock(guard);
    for (int i = kept_count - 1; i >= 0; --i)
      if (kept[i]->bytes >= bytes && kept[i]->bytes <= bytes + bytes / 4) return memory_of(remove(i));
  }
  void* start = std::malloc(bytes + 2 * kLine);
  if (!start) return nullptr;
  Block* block = reinterpret_cast<Block*>((reinterpret_cast<uintptr_t>(start) + kLine - 1) / kLine * kLine);
  *block = {bytes, start};
  return memory_of(block);
}

void give_memory(void* memory) {
  if (!memory) return;
  Block* block = reinterpret_cast<Block*>(static_cast<char*>(memory) - kLine);
  if (block->bytes <= kSmallBytes) return std::free(block->start);
  const std::lock_guard<std::mutex> lock(guard);
  if (block->bytes > kKeptBytes) return std::free(block->start);
  while (kept_count == kKeptBlocks || kept_bytes + block->bytes > kKeptBytes) std::free(remove(0)->start);
  kept[kept_count++] = block;
  kept_bytes += block->bytes;
}

}  // namespace unrolled
