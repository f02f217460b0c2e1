// The threads: torch's own OpenMP team, as a second pool would fight with the first for the cores.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// work(thread, team) on each thread of a team of at most `threads`. A team of one stays on the caller's thread.
template <class Work>
void run_team(int threads, const Work& work) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    {
      const FlushDenormals flush;
      work(omp_get_thread_num(), omp_get_num_threads());
    }
    return;
  }
#endif
  (void)threads;
  const FlushDenormals flush;
  work(0, 1);
}

inline void wait_for_team(int team) {
#ifdef _OPENMP
  if (team > 1) {
#pragma omp barrier
  }
#endif
  (void)team;
}

}  // namespace unrolled::UNROLLED_ISA
