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
    // A smaller book stays in the cache, and a smaller batch is over before anything arrives.
    static constexpr std::uint32_t WORTH_IT = 4096;  // live orders
    static constexpr std::int64_t BATCH = FIRST;

    XLAB_INLINE Ahead(const Places& s, const Command* commands, std::int64_t count)
        : s_(s), commands_(commands), count_(count) {
        if (count < BATCH || s.header->live_orders < WORTH_IT) count_ = 0;
        for (std::int64_t i = 0; i < FIRST && i < count_; ++i) first(i);
        for (std::int64_t i = 0; i < SECOND && i < count_; ++i) second(i);
        for (std::int64_t i = 0; i < THIRD && i < count_; ++i) third(i);
    }

    XLAB_INLINE bool is_worth_it() const { return count_ != 0; }

    // Fetches for the commands that follow number `i`. (GCC drops a function that only prefetches
    // unless it is inlined.)
    XLAB_INLINE void look(std::int64_t i) {
        first(i + FIRST);
        second(i + SECOND);
        third(i + THIRD);
    }

 private:
    struct Trace {
        std::uint64_t tag;   // of the order id
        std::uint64_t slot;  // of the order, 0 if it is not known to live
    };

    XLAB_INLINE bool is_known(std::int64_t i) const {
        return i < count_ && commands_[i].symbol < s_.header->symbols;
    }
    XLAB_INLINE Trace& trace(std::int64_t i) { return traces_[i & 15]; }
    XLAB_INLINE std::uint64_t page_key(const Command& c) const {
        return directory_key(c.symbol, c.side & 1, 0, c.price >> 6);
    }

    // Where its id and its price stand in the tables.
    XLAB_INLINE void first(std::int64_t i) {
        if (!is_known(i)) return;
        const Command& c = commands_[i];
        const std::uint64_t tag = id_tag(c.symbol, c.order_id);
        trace(i) = {tag, 0};
        __builtin_prefetch(s_.ids + (tag >> s_.header->id_shift), 1);
        __builtin_prefetch(s_.books + c.symbol, 1);
        __builtin_prefetch(s_.sides + SIDES * c.symbol, 1);
        if (c.kind == NEW && c.price > 0)
            __builtin_prefetch(s_.directory + directory_home(s_, page_key(c)));
    }

    // Its order, or the level that it will stand at.
    XLAB_INLINE void second(std::int64_t i) {
        if (!is_known(i)) return;
        const Command& c = commands_[i];
        if (c.kind == NEW) {
            if (c.price <= 0) return;
            const std::int64_t page = look_up(s_, page_key(c));
            if (page == 0) return;
            __builtin_prefetch(s_.pages + page, 1);
            __builtin_prefetch(s_.levels + (page << 6 | (c.price & 63)), 1);
            return;
        }
        const std::uint64_t entry = s_.ids[trace(i).tag >> s_.header->id_shift];
        if (entry >> 32 != trace(i).tag) return;
        trace(i).slot = entry & LOW_32;
        __builtin_prefetch(s_.orders + trace(i).slot, 1);
    }

    // Its order's level and neighbours, or the last order of its queue.
    XLAB_INLINE void third(std::int64_t i) {
        if (!is_known(i)) return;
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
    std::int64_t count_;
    Trace traces_[16];
};

}  // namespace xlab
