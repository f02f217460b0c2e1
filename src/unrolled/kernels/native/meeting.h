// Threads that wait for one another, compiled once for every instruction set. Nobody spins for long: who waits sleeps
// after a few microseconds, and while others keep the processors busy one thread works alone.
#pragma once

#include <cstdint>

namespace unrolled {

// Where the threads of a team wait for one another.
struct Meeting {
  int arrived = 0, phase = 0, sleepers = 0;
  int64_t alone_from = INT64_MAX;  // the step from which the first thread goes on by itself
};

// A thread's place in a team.
struct Member {
  int thread, team;
  Meeting* meeting;
  int64_t since;  // when it last left a meeting, in nanoseconds

  Member(int thread, int team, Meeting* meeting);

  // Returns when all have come, with whether this thread has waited for longer than it had worked: then another one
  // has no processor of its own.
  bool meet();

  // Whether this thread goes on with a step. From two steps after a meeting at which the first thread waited too long
  // it goes on alone, as a team of one.
  bool goes_on(int64_t step);
  void waited_too_long(int64_t step);
};

// How many threads a call should use: one while other processes keep the processors busy.
int free_threads(int wanted);
// How the last meeting of a call went.
void remember(bool waited_too_long);

}  // namespace unrolled
