// Puts flows through the engines in C++ and writes their events: a program for AddressSanitizer and
// UBSan, in which nothing but our own code runs.
//
//     sanitized COMMANDS EVENTS < jobs
//
// A job is a line "engine orders symbols owners pages batch room timed count": a new engine of these
// sizes takes the next `count` commands of the file. For each job the number of its events goes to
// standard output. Every call has commands, events and ticks of its own that are just long enough,
// so that a look or a write behind them is seen. Engines:
//
//     ladder     in a buffer with poisoned gaps between its sections: otherwise one section could
//                run into the next and no sanitizer would notice
//     library    the C functions, batch by batch
//     callback   the C functions, events handed out while the batch is running
//     textbook   the baseline
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "exchange_lab.h"
#include "ladder.hpp"
#include "lay_out.hpp"
#include "textbook.hpp"

namespace {

using xlab::Command;
using xlab::Event;

struct Job {
    std::string engine;
    std::uint32_t orders, symbols, owners, pages;
    std::size_t batch, room;
    bool timed;
    std::size_t count;
};

struct Counts {
    std::size_t taken, written;
};

using Submit = std::function<Counts(const Command*, std::size_t, Event*, std::size_t,
                                    std::int64_t*)>;

constexpr int CLOCK = xlab::CLOCK_MONOTONIC_NS;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "sanitized: %s\n", what);
    std::exit(2);
}

// A ladder whose sections stand apart, with gaps that nobody may touch.
class GuardedLadder {
 public:
    explicit GuardedLadder(const Job& job) {
        const xlab::Sizes sizes = xlab::sizes_of(job.orders, job.symbols, job.owners, job.pages);
        if (sizes.orders == 0) fail("no ladder of these sizes");
        const xlab::Lengths lengths = xlab::lengths_of(sizes);
        bytes_ = xlab::bytes_needed(sizes) + GAP * xlab::SECTIONS;
        memory_ = static_cast<char*>(std::calloc(1, bytes_));
        xlab::Header header = xlab::new_header(sizes);
        static_assert(offsetof(xlab::Header, owners_at) - offsetof(xlab::Header, books_at) ==
                      sizeof header.books_at * (xlab::SECTIONS - 2));
        std::uint64_t* const begins = &header.books_at;  // of the sections after the header
        for (int section = 1; section < xlab::SECTIONS; ++section)
            begins[section - 1] += GAP * static_cast<std::uint64_t>(section);
        *reinterpret_cast<xlab::Header*>(memory_) = header;
        for (int section = 0; section < xlab::SECTIONS; ++section) {
            const std::uint64_t begin = section == 0 ? 0 : begins[section - 1];
            const std::uint64_t end = section + 1 < xlab::SECTIONS ? begins[section] : bytes_;
            const std::uint64_t used = begin + lengths.bytes[section];
            __asan_poison_memory_region(memory_ + used, end - used);
        }
        places_ = xlab::places_at(memory_);
    }

    ~GuardedLadder() {
        __asan_unpoison_memory_region(memory_, bytes_);
        std::free(memory_);
    }

    GuardedLadder(const GuardedLadder&) = delete;
    GuardedLadder& operator=(const GuardedLadder&) = delete;

    const xlab::Places& places() const { return places_; }

 private:
    static constexpr std::uint64_t GAP = 4096;
    std::uint64_t bytes_;
    char* memory_;
    xlab::Places places_;
};

std::shared_ptr<exchange_lab_engine> new_engine(const Job& job) {
    exchange_lab_engine* engine =
        exchange_lab_create(job.orders, job.symbols, job.owners, job.pages);
    if (engine == nullptr) fail("no engine of these sizes");
    return {engine, exchange_lab_destroy};
}

const exchange_lab_command* for_c(const Command* commands) {
    return reinterpret_cast<const exchange_lab_command*>(commands);
}

exchange_lab_event* for_c(Event* events) { return reinterpret_cast<exchange_lab_event*>(events); }

Submit submit_to_ladder(const Job& job) {
    auto ladder = std::make_shared<GuardedLadder>(job);
    return [ladder](const Command* commands, std::size_t count, Event* events, std::size_t room,
                    std::int64_t* ticks) -> Counts {
        const auto [taken, written] =
            xlab::submit(ladder->places(), commands, static_cast<std::int64_t>(count), events,
                         static_cast<std::int64_t>(room), ticks, CLOCK);
        return {static_cast<std::size_t>(taken), static_cast<std::size_t>(written)};
    };
}

Submit submit_to_library(const Job& job) {
    return [engine = new_engine(job)](const Command* commands, std::size_t count, Event* events,
                                      std::size_t room, std::int64_t* ticks) -> Counts {
        const exchange_lab_times times{ticks, EXCHANGE_LAB_MONOTONIC_NS};
        std::size_t written = 0;
        const std::size_t taken =
            exchange_lab_submit(engine.get(), for_c(commands), count, for_c(events), room,
                                ticks ? &times : nullptr, &written);
        return {taken, written};
    };
}

Submit submit_to_textbook(const Job& job) {
    auto engine = std::make_shared<xlab::textbook::Engine>(job.orders, job.symbols);
    return [engine](const Command* commands, std::size_t count, Event* events, std::size_t room,
                    std::int64_t* ticks) -> Counts {
        const auto [taken, written] =
            engine->submit(commands, count, events, room, ticks, CLOCK);
        const std::string problem = engine->problem();
        if (!problem.empty()) fail(problem.c_str());
        return {taken, written};
    };
}

std::vector<Event> in_batches(const Job& job, const Submit& submit,
                              const std::vector<Command>& commands) {
    std::vector<Event> told;
    std::size_t taken = 0, written = 0;
    do {
        const std::size_t given = std::min(job.batch, commands.size() - taken);
        const auto first = commands.begin() + static_cast<std::ptrdiff_t>(taken);
        const std::vector<Command> batch(first, first + static_cast<std::ptrdiff_t>(given));
        std::vector<Event> events(job.room);
        std::vector<std::int64_t> ticks(job.timed ? given : 0);
        const Counts counts = submit(batch.data(), given, events.data(), job.room,
                                     job.timed && given ? ticks.data() : nullptr);
        taken += counts.taken;
        written = counts.written;
        told.insert(told.end(), events.data(), events.data() + written);
    } while (taken < commands.size() || written == job.room);
    return told;
}

int receive(void* context, const exchange_lab_event* events, std::size_t count) {
    auto* const told = static_cast<std::vector<Event>*>(context);
    const auto* const first = reinterpret_cast<const Event*>(events);
    told->insert(told->end(), first, first + count);
    return 0;
}

std::vector<Event> by_callback(const Job& job, const std::vector<Command>& commands) {
    const auto engine = new_engine(job);
    std::vector<Event> told, events(job.room);
    const std::size_t taken =
        exchange_lab_run(engine.get(), for_c(commands.data()), commands.size(),
                         for_c(events.data()), job.room, job.batch, receive, &told);
    if (taken != commands.size()) fail("the batch ended early");
    return told;
}

std::vector<Event> run(const Job& job, const std::vector<Command>& commands) {
    if (job.engine == "ladder") return in_batches(job, submit_to_ladder(job), commands);
    if (job.engine == "library") return in_batches(job, submit_to_library(job), commands);
    if (job.engine == "textbook") return in_batches(job, submit_to_textbook(job), commands);
    if (job.engine == "callback") return by_callback(job, commands);
    fail("no such engine");
}

template <class Record>
std::streamsize bytes_of(const std::vector<Record>& records) {
    return static_cast<std::streamsize>(records.size() * sizeof(Record));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) fail("give COMMANDS EVENTS, and jobs on standard input");
    std::ifstream source(argv[1], std::ios::binary);
    std::ofstream out(argv[2], std::ios::binary);
    Job job;
    while (std::cin >> job.engine >> job.orders >> job.symbols >> job.owners >> job.pages >>
           job.batch >> job.room >> job.timed >> job.count) {
        std::vector<Command> commands(job.count);
        if (!source.read(reinterpret_cast<char*>(commands.data()), bytes_of(commands)))
            fail("the file of commands is too short");
        const std::vector<Event> events = run(job, commands);
        out.write(reinterpret_cast<const char*>(events.data()), bytes_of(events));
        std::cout << events.size() << '\n';
    }
    out.close();
    if (!std::cin.eof() || !out) fail("a job or the file of events is not as it should be");
}
