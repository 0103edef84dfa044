// Look-ahead: while one command is carried out, the memory that the next ones need is on its way.
//
// A command about a live order walks id table → order → level and neighbours, each step a miss once
// the book is larger than the cache, and none can be begun before the one before it is there. So
// each command is looked at three times, a few commands apart, and each time one step further. What
// is read ahead may be stale by the time it is used: it decides what to fetch and nothing else.
#pragma once

#include "index.hpp"

namespace xlab {

class Ahead {
 public:
    static constexpr std::int64_t FIRST = 12, SECOND = 8, THIRD = 4;
    // A smaller book stays in the cache: 18 % slower at 10,000 live orders, even at 50,000, 1.6
    // times as fast at 100,000, 1.9 at a million (EPYC, 1 MiB of L2 a core).
#ifdef XLAB_CHECKED
    static constexpr std::uint32_t WORTH_IT = 0;  // so that every test has it looked through
#else
    static constexpr std::uint32_t WORTH_IT = 48 * 1024;  // live orders
#endif

    XLAB_INLINE Ahead(const Places& s, const Command* commands, std::int64_t count)
        : s_(s), commands_(commands), end_(count - FIRST), has_many_books_(s.header->symbols > 1) {
        if (s.header->live_orders < WORTH_IT) end_ = 0;
        if (end_ <= 0) return;
        for (std::int64_t i = 0; i < FIRST; ++i) first(i);
        for (std::int64_t i = 0; i < SECOND; ++i) second(i);
        for (std::int64_t i = 0; i < THIRD; ++i) third(i);
    }

    // Fetches for the commands that follow number `i`, but for the last few of a batch. (GCC drops
    // a function that only prefetches unless it is inlined.)
    XLAB_INLINE void look(std::int64_t i) {
        if (i >= end_) return;
        first(i + FIRST);
        second(i + SECOND);
        third(i + THIRD);
    }

 private:
    // What is known of a command: where its search begins, and what it will find there.
    struct Trace {
        std::uint64_t key;   // of an id: its tag; of a new order's page: the directory's key
        std::uint64_t home;  // where that stands in its table if nothing is in the way
        std::uint64_t slot;  // the order, 0 if there is none that is known
    };

    XLAB_INLINE Trace& trace(std::int64_t i) { return traces_[i & 15]; }

    // Where its id and its price stand in the tables.
    XLAB_INLINE void first(std::int64_t i) {
        const Command& c = commands_[i];
        Trace& found = trace(i);
        found = {0, 0, 0};
        if (c.symbol >= s_.header->symbols) return;
        if (has_many_books_) {
            __builtin_prefetch(s_.books + c.symbol, 1);
            __builtin_prefetch(s_.sides + SIDES * c.symbol, 1);
        }
        const std::uint64_t tag = id_tag(c.symbol, c.order_id);
        const std::uint64_t home = tag >> s_.header->id_shift;
        __builtin_prefetch(s_.ids + home, 1);
        if (c.kind == NEW) {
            found.key = directory_key(c.symbol, c.side & 1, 0, (c.price & PRICE_MAX) >> 6);
            found.home = directory_home(s_, found.key);
            __builtin_prefetch(s_.directory + found.home);
        } else {
            found.key = tag;
            found.home = home;
        }
    }

    // Its order, or the level that it will stand at.
    XLAB_INLINE void second(std::int64_t i) {
        const Command& c = commands_[i];
        Trace& found = trace(i);
        if (c.kind == NEW) {
            const std::uint64_t entry = s_.directory[found.home];
            if (entry >> 20 != found.key) return;
            const std::uint64_t page = entry & LOW_20;
            __builtin_prefetch(s_.pages + page, 1);
            __builtin_prefetch(s_.levels + (page << 6 | (c.price & 63)), 1);
        } else {
            const std::uint64_t entry = s_.ids[found.home];
            if (entry >> 32 != found.key) return;
            found.slot = entry & LOW_32;
            __builtin_prefetch(s_.orders + found.slot, 1);
        }
    }

    // Its order's level and neighbours.
    XLAB_INLINE void third(std::int64_t i) {
        const std::uint64_t slot = trace(i).slot;
        if (slot == 0) return;
        const Slot& order = s_.orders[slot];
        __builtin_prefetch(s_.levels + order.level, 1);
        __builtin_prefetch(s_.pages + (order.level >> 6), 1);
        __builtin_prefetch(s_.orders + order.next, 1);
        __builtin_prefetch(s_.orders + order.prev, 1);
    }

    const Places& s_;
    const Command* commands_;
    std::int64_t end_;
    bool has_many_books_;
    Trace traces_[16];
};

}  // namespace xlab
