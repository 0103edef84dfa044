// The clock behind `ticks`, with the codes that engines.intrinsics.read_ticks has.
#pragma once

#include <time.h>

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <x86intrin.h>
#define XLAB_HAS_CYCLE_COUNTER 1
#else
#define XLAB_HAS_CYCLE_COUNTER 0
#endif

namespace xlab {

constexpr int CLOCK_CYCLES = 1, CLOCK_MONOTONIC_NS = 2;

inline std::int64_t read_ticks(int clock) {
#if XLAB_HAS_CYCLE_COUNTER
    if (clock == CLOCK_CYCLES) return static_cast<std::int64_t>(__rdtsc());
#endif
    if (clock != CLOCK_MONOTONIC_NS) return 0;
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

}  // namespace xlab
