// The two directions of a layer at once. For files that are compiled once, as the layers' own teams are not.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

#include "layer.h"
#include "meeting.h"

namespace unrolled {

constexpr double kWorthAThread = 1 << 20;  // products
constexpr int64_t kFewSequences = 6;

// Whether two layers like this do better on a thread each than one after the other on all threads: there are no more,
// or so few sequences that threads would have to share the units of a step.
template <class Real>
bool side_by_side(const Layer<Real>& layer) {
  const double products = double(layer.time) * double(layer.batch) * double(layer.hidden + layer.input) * double(layer.hidden);
  return (layer.threads == 2 || (layer.threads > 2 && layer.batch <= kFewSequences)) && products > kWorthAThread;
}

// Whether both pieces of work succeeded. Who is free takes one: both are the caller's if no other thread comes in time.
template <class One, class Other>
bool run_both(const One& one, const Other& other) {
  bool done[2] = {true, true};
  int taken = 0;
#ifdef _OPENMP
  if (free_threads(2) == 2) {
    Meeting meeting;
#pragma omp parallel num_threads(2)
    {
      Member me(omp_get_thread_num(), omp_get_num_threads(), &meeting);
      for (int piece; (piece = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED)) < 2;)
        done[piece] = piece == 0 ? one() : other();
      const bool too_long = me.meet();
      if (me.thread == 0) remember(too_long);
    }
    return done[0] && done[1];
  }
#endif
  (void)taken;
  return one() && other();
}

}  // namespace unrolled
