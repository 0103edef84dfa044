// What a reading of each clock costs: batches of readings back to back, timed from outside.
//
//     timers READINGS BATCHES
//
// In each turn every source is read in BATCHES batches of READINGS readings (sources that enter the
// kernel: a fifth), one batch of each source after the other, so that what slows the machine
// for a while slows all alike. A turn's number is the median batch's, in ns a reading. The digest
// has how many readings of a batch lay before its first or after its last, which is none, and how
// many were made.
#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <time.h>
#include <vector>

#include "turns.hpp"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace {

template <clockid_t clock> std::int64_t clock_ns() {
    timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * std::int64_t{1000000000} + now.tv_nsec;
}

#if defined(__x86_64__)
std::int64_t counter() { return static_cast<std::int64_t>(__rdtsc()); }

std::int64_t counter_after_loads() {
    _mm_lfence();
    return static_cast<std::int64_t>(__rdtsc());
}

std::int64_t counter_late() {
    unsigned cpu;
    return static_cast<std::int64_t>(__rdtscp(&cpu));
}
#endif

struct Batch {
    double ns_a_reading;
    bool is_in_order;
};

// The reader is a template's argument, so that it is inlined as it would be where it is used.
template <std::int64_t (*read)()> Batch run(long readings) {
    const std::int64_t start_ns = clock_ns<CLOCK_MONOTONIC>();
    const std::int64_t first = read();
    std::int64_t since_first = 0;
    for (long left = readings - 2; left; --left) since_first += read() - first;
    const std::int64_t last = read();
    const std::int64_t end_ns = clock_ns<CLOCK_MONOTONIC>();
    const bool is_in_order = since_first >= 0 && since_first <= (readings - 2) * (last - first);
    return {static_cast<double>(end_ns - start_ns) / static_cast<double>(readings), is_in_order};
}

struct Source {
    const char *name;
    Batch (*run)(long readings);
    bool is_slow;  // it enters the kernel
};

const Source sources[] = {
#if defined(__x86_64__)
    {"rdtsc", run<counter>, false},
    {"lfence rdtsc", run<counter_after_loads>, false},
    {"rdtscp", run<counter_late>, false},
#endif
    {"clock_gettime", run<clock_ns<CLOCK_MONOTONIC>>, false},
#if defined(__linux__)
    {"clock_gettime raw", run<clock_ns<CLOCK_MONOTONIC_RAW>>, false},
    {"clock_gettime coarse", run<clock_ns<CLOCK_MONOTONIC_COARSE>>, false},
#endif
    {"thread time", run<clock_ns<CLOCK_THREAD_CPUTIME_ID>>, true},
};

double median(std::vector<double> &values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

int main(int count, char **words) {
    const long readings = count > 1 ? std::atol(words[1]) : 0;
    const long batches = count > 2 ? std::atol(words[2]) : 0;
    if (readings < 60 || batches < 1) {
        std::fprintf(stderr, "timers READINGS BATCHES: at least 60 readings and 1 batch\n");
        return 2;
    }
    const std::size_t many = sizeof sources / sizeof *sources;
    std::vector<std::vector<double>> costs(many);
    long turn;
    while (turns::next(turn)) {
        for (auto &found : costs) found.clear();
        long wrong = 0;
        for (long batch = 0; batch < batches; ++batch) {
            for (std::size_t step = 0; step < many; ++step) {
                // Another source begins each time: none is always the one after the slow one.
                const std::size_t place = (step + static_cast<std::size_t>(batch + turn)) % many;
                const long own = sources[place].is_slow ? readings / 5 : readings;
                const Batch found = sources[place].run(own);
                costs[place].push_back(found.ns_a_reading);
                wrong += !found.is_in_order;
            }
        }
        std::vector<turns::Reading> told;
        for (std::size_t place = 0; place < many; ++place) {
            const long own = sources[place].is_slow ? readings / 5 : readings;
            told.push_back({std::string(sources[place].name) + ", C++", "cost", "ns",
                            median(costs[place]), own * batches});
        }
        char digest[40];
        std::snprintf(digest, sizeof digest, "%08lx%08lx", wrong, readings * batches);
        turns::answer(digest, told);
    }
}
