// What a load takes that waits for the one before, through ever more memory, in a random order.
//
//     memory_latency RIVAL LOADS CACHE_BYTES SEED BYTES=CASE …
//
// Each size, which the answers call CASE, has memory of its own in small pages, through whose lines a random cycle of pointers
// runs. In each turn a cycle is followed once round, or for as many loads as the cache has lines
// where the size is more than twice that; then come LOADS loads in 16 parts, and the median part's
// time of a load is the turn's number. The digest has for how many sizes, and for how many lines in
// all, the last load ended where it had to.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "turns.hpp"

namespace {

constexpr std::size_t line = 64;
constexpr std::size_t parts = 16;

struct Cycle {
    std::size_t bytes;
    std::string name;
    char *memory;
    std::vector<std::uint32_t> order;
    void **place = nullptr;
    std::size_t done = 0;
    bool is_right = true;

    Cycle(std::size_t size, const char *called, std::uint64_t seed)
        : bytes(size), name(called), order(size / line) {
        void *mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED) {
            std::fprintf(stderr, "%zu bytes could not be mapped; ask for less\n", size);
            std::exit(3);
        }
        madvise(mapped, size, MADV_NOHUGEPAGE);
        memory = static_cast<char *>(mapped);
        std::memset(memory, 0, size);
        std::iota(order.begin(), order.end(), 0u);
        std::mt19937_64 random(seed);
        std::shuffle(order.begin(), order.end(), random);
        for (std::size_t i = 0; i < order.size(); ++i) *at(i) = at((i + 1) % order.size());
        place = at(0);
    }

    void **at(std::size_t step) const {
        return reinterpret_cast<void **>(memory + line * order[step]);
    }

    double follow(std::size_t loads) {
        const auto start = std::chrono::steady_clock::now();
        void **next = place;
        for (std::size_t left = loads; left > 0; --left) next = static_cast<void **>(*next);
        const auto end = std::chrono::steady_clock::now();
        place = next;
        done = (done + loads) % order.size();
        is_right = is_right && place == at(done);
        return std::chrono::duration<double, std::nano>(end - start).count() /
               static_cast<double>(loads);
    }

    double turn(std::size_t loads, std::size_t cache_bytes) {
        follow(bytes <= 2 * cache_bytes ? order.size() : cache_bytes / line);
        std::vector<double> times;
        for (std::size_t part = 0; part < parts; ++part) times.push_back(follow(loads / parts));
        std::sort(times.begin(), times.end());
        return (times[parts / 2 - 1] + times[parts / 2]) / 2;
    }
};

}  // namespace

int main(int count, char **words) {
    if (count < 6) {
        std::fprintf(stderr, "memory_latency RIVAL LOADS CACHE_BYTES SEED BYTES=CASE ...\n");
        return 2;
    }
    const std::string rival = words[1];
    const std::size_t loads = std::strtoull(words[2], nullptr, 10);
    const std::size_t cache_bytes = std::strtoull(words[3], nullptr, 10);
    const std::uint64_t seed = std::strtoull(words[4], nullptr, 10);
    std::vector<Cycle> cycles;
    cycles.reserve(static_cast<std::size_t>(count));
    for (int word = 5; word < count; ++word) {
        char *rest;
        const std::size_t bytes = std::strtoull(words[word], &rest, 10);
        cycles.emplace_back(bytes, rest + (*rest == '='), seed + std::uint64_t(word));
    }
    for (long turn; turns::next(turn);) {
        std::vector<turns::Reading> readings;
        std::size_t sizes = 0, lines = 0;
        for (Cycle &cycle : cycles) {
            const double ns = cycle.turn(loads, cache_bytes);
            sizes += cycle.is_right;
            lines += cycle.is_right ? cycle.order.size() : 0;
            readings.push_back({rival, "load_latency", "ns", ns, static_cast<long>(loads),
                                cycle.name, static_cast<double>(cycle.bytes)});
        }
        char digest[17];
        std::snprintf(digest, sizeof digest, "%04zx%012zx", sizes, lines);
        turns::answer(digest, readings);
    }
    return 0;
}
