// Memory that is kept from call to call: fresh pages from the system cost as much as a fifth of a training step.
#pragma once

#include <cstddef>

namespace unrolled {

// At least `bytes`, aligned to 64, with any content; null when there is none. Any thread may call either.
void* take_memory(size_t bytes);
void give_memory(void* memory);

}  // namespace unrolled
