// The threads: torch's own OpenMP team, as a second pool would fight with the first for the cores.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

#include "meeting.h"
#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// work(member) on each thread of a team of at most `threads`. A team of one stays on the caller's thread.
template <class Work>
void run_team(int threads, const Work& work) {
  Meeting meeting;
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    {
      const FlushDenormals flush;
      const int thread = omp_get_thread_num(), team = omp_get_num_threads();
      Member member(thread, team, &meeting);
      work(member);
      member.team = team;
      const bool too_long = member.meet();
      if (thread == 0 && team > 1) remember(too_long);
    }
    return;
  }
#endif
  (void)threads;
  const FlushDenormals flush;
  Member member(0, 1, &meeting);
  work(member);
}

}  // namespace unrolled::UNROLLED_ISA
