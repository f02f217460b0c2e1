#include "meeting.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace unrolled {

namespace {

constexpr int64_t kLeastSpin = 10'000, kMostSpin = 200'000, kTooLong = 100'000;  // nanoseconds
constexpr int64_t kFirstRest = 4'000'000, kLongestRest = 256'000'000;

int64_t now() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Sleeps unless *word is no longer `value`; may return early.
void sleep_while(int* word, int value) {
#ifdef __linux__
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
#else
  (void)word, (void)value;
  std::this_thread::sleep_for(std::chrono::microseconds(50));
#endif
}

void wake_all(int* word) {
#ifdef __linux__
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
#else
  (void)word;
#endif
}

std::atomic<int64_t> rest{0}, alone_until{0};  // nanoseconds

}  // namespace

Member::Member(int thread, int team, Meeting* meeting)
    : thread(thread), team(team), meeting(meeting), since(team > 1 ? now() : 0) {}

bool Member::meet() {
  if (team < 2) return false;
  const int64_t came = now();
  int* const phase = &meeting->phase;
  const int before = __atomic_load_n(phase, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_ACQ_REL) == team) {
    __atomic_store_n(&meeting->arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(phase, before + 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&meeting->sleepers, __ATOMIC_SEQ_CST) > 0) wake_all(phase);
    since = came;
    return false;
  }
  // To be woken takes some ten microseconds. Who has worked for long may look for long: an eighth of it.
  const int64_t worked = came - since, looks = std::clamp(worked / 8, kLeastSpin, kMostSpin);
  while (__atomic_load_n(phase, __ATOMIC_ACQUIRE) == before && now() - came < looks) pause();
  if (__atomic_load_n(phase, __ATOMIC_ACQUIRE) == before) {
    __atomic_add_fetch(&meeting->sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(phase, __ATOMIC_SEQ_CST) == before) sleep_while(phase, before);
    __atomic_sub_fetch(&meeting->sleepers, 1, __ATOMIC_SEQ_CST);
  }
  since = now();
  return since - came > kTooLong && since - came > worked;
}

bool Member::goes_on(int64_t step) {
  if (team < 2 || step < __atomic_load_n(&meeting->alone_from, __ATOMIC_RELAXED)) return true;
  meet();
  if (thread != 0) return false;
  team = 1;
  return true;
}

void Member::waited_too_long(int64_t step) {
  if (thread == 0 && team > 1 && step + 2 < __atomic_load_n(&meeting->alone_from, __ATOMIC_RELAXED))
    __atomic_store_n(&meeting->alone_from, step + 2, __ATOMIC_RELAXED);
}

int free_threads(int wanted) { return wanted > 1 && now() < alone_until.load(std::memory_order_relaxed) ? 1 : wanted; }

void remember(bool waited_too_long) {
  const int64_t last = rest.load(std::memory_order_relaxed);
  if (!waited_too_long) return rest.store(last / 2, std::memory_order_relaxed);
  const int64_t next = last < kFirstRest ? kFirstRest : last < kLongestRest / 2 ? 2 * last : kLongestRest;
  rest.store(next, std::memory_order_relaxed);
  alone_until.store(now() + next, std::memory_order_relaxed);
}

}  // namespace unrolled
