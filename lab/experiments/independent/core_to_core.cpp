// How long a word takes from one CPU to another: two pinned threads hand it back and forth.
//
//     core_to_core compare-and-swap|flag TRIPS BATCHES FIRST,SECOND …
//
// In each turn every pair of CPUs makes BATCHES batches of TRIPS round trips, and one more ahead in
// which the threads meet. A turn's number is half a round trip of the median batch, in ns. Each
// batch has its words in another page, as an address decides which part of a cache keeps a line.
// Both sides add up the numbers that they were given; the digest has for how many pairs a sum was
// wrong, and how many round trips were made.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <thread>
#include <vector>

#include "turns.hpp"

namespace {

// Two lines for each word: a core fetches lines in pairs.
struct alignas(128) Word {
    std::atomic<std::int64_t> number{0};
};

constexpr std::size_t page = 4096;

struct Pair {
    int asks;
    int answers;
};

double now_ns() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

void pin(int cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (pthread_setaffinity_np(pthread_self(), sizeof only, &only) != 0) {
        std::fprintf(stderr, "cpu %d cannot be used by this process; choose another one\n", cpu);
        std::exit(3);
    }
}

// One word: whoever finds its own number makes the next one of it.
struct Swapped {
    Word ball;
    char apart[page];

    std::int64_t take(std::int64_t number) {
        for (;;) {
            std::int64_t found = number;
            if (ball.number.compare_exchange_strong(found, number + 1)) return number;
        }
    }
    std::int64_t ask(long trip) { return take(2 * trip); }
    std::int64_t answer(long trip) { return take(2 * trip + 1); }
    static std::int64_t right(long trips) { return trips * (trips - 1) + trips * trips; }
};

// A word for each direction, with one writer and one reader.
struct Flagged {
    Word question;
    Word reply;
    char apart[page];

    static std::int64_t wait(Word &word, std::int64_t number) {
        std::int64_t found;
        do found = word.number.load(std::memory_order_acquire);
        while (found != number);
        return found;
    }
    std::int64_t ask(long trip) {
        question.number.store(trip + 1, std::memory_order_release);
        return wait(reply, trip + 1);
    }
    std::int64_t answer(long trip) {
        const std::int64_t found = wait(question, trip + 1);
        reply.number.store(found, std::memory_order_release);
        return found;
    }
    static std::int64_t right(long trips) { return trips * (trips + 1); }
};

double median(std::vector<double> &values) {
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <class Between> bool run(Pair cpus, long trips, long batches, double &one_way_ns) {
    std::vector<Between> places(static_cast<std::size_t>(batches) + 1);
    std::int64_t answered = 0, asked = 0;
    std::thread other([&] {
        pin(cpus.answers);
        // Not into `answered` at once: where the stack lies decides whether that shares a line with
        // what the side that asks writes; some processes then took 140 ns and not 109 (EPYC).
        std::int64_t sum = 0;
        for (Between &between : places) {
            for (long trip = 0; trip < trips; ++trip) sum += between.answer(trip);
        }
        answered = sum;
    });
    pin(cpus.asks);
    std::vector<double> times;
    for (Between &between : places) {
        const double start_ns = now_ns();
        for (long trip = 0; trip < trips; ++trip) asked += between.ask(trip);
        times.push_back((now_ns() - start_ns) / static_cast<double>(2 * trips));
    }
    other.join();
    times.erase(times.begin());  // in which the threads met
    one_way_ns = median(times);
    return asked + answered == (batches + 1) * Between::right(trips);
}

std::string name_of(Pair cpus) {
    return "CPU " + std::to_string(cpus.asks) + " ↔ CPU " + std::to_string(cpus.answers);
}

}  // namespace

int main(int count, char **words) {
    const bool is_flag = count > 1 && std::strcmp(words[1], "flag") == 0;
    const bool is_swap = count > 1 && std::strcmp(words[1], "compare-and-swap") == 0;
    const long trips = count > 2 ? std::atol(words[2]) : 0;
    const long batches = count > 3 ? std::atol(words[3]) : 0;
    std::vector<Pair> pairs;
    for (int place = 4; place < count; ++place) {
        Pair cpus;
        if (std::sscanf(words[place], "%d,%d", &cpus.asks, &cpus.answers) == 2) {
            pairs.push_back(cpus);
        }
    }
    if ((!is_flag && !is_swap) || trips < 1 || batches < 1 || pairs.empty()) {
        std::fprintf(stderr, "core_to_core compare-and-swap|flag TRIPS BATCHES FIRST,SECOND …\n");
        return 2;
    }
    const std::string rival = std::string(words[1]) + ", C++";
    long turn;
    while (turns::next(turn)) {
        std::vector<turns::Reading> told;
        long wrong = 0;
        for (const Pair cpus : pairs) {
            double one_way_ns = 0;
            wrong += is_flag ? !run<Flagged>(cpus, trips, batches, one_way_ns)
                             : !run<Swapped>(cpus, trips, batches, one_way_ns);
            told.push_back({rival, "one_way", "ns", one_way_ns, trips * batches, name_of(cpus)});
        }
        char digest[40];
        const long made = trips * (batches + 1) * static_cast<long>(pairs.size());
        std::snprintf(digest, sizeof digest, "%04lx%012lx", wrong, made);
        turns::answer(digest, told);
    }
}
