// The price ladder in C++, on a buffer that is laid out: the loop over a batch, and what may be
// asked of a book in constant time.
#pragma once

#include <cstdint>
#include <utility>

#include "layout.hpp"

namespace xlab {

// Takes commands in order and writes what happened; see engines.matching.api.
//
// `ticks` may be null; if not, it receives how long each command took by `clock` (see clock.hpp),
// and nothing is fetched ahead, or one command's misses would be charged to another.
// Returns how many commands were taken and how many events written.
std::pair<std::int64_t, std::int64_t> submit(const Places& s, const Command* commands,
                                             std::int64_t count, Event* events, std::int64_t room,
                                             std::int64_t* ticks, int clock);

// The best price of a side of the displayed book (0 buy, 1 sell), or 0.
std::int64_t best_price(const Places& s, std::int64_t symbol, std::int64_t side);

// The displayed quantity at a price of a side, or 0.
std::int64_t quantity_at(const Places& s, std::int64_t symbol, std::int64_t side,
                         std::int64_t price);

}  // namespace xlab
