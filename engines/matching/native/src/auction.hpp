// The call auction of the price ladder: its price, found in one walk over the prices, and its
// trades.
//
// The walk goes up the candidate prices. Demand at a price is what would buy there: it begins with
// all bids at or above the lowest candidate and loses a bid level once its price is passed. Supply
// begins with the market sells and gains each ask level as its price is reached.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "events.hpp"
#include "index.hpp"
#include "layout.hpp"
#include "orders.hpp"
#include "queues.hpp"
#include "taking.hpp"

namespace xlab {

// What an auction would do: its price (0: none), volume, and the surplus of a side.
struct Cross {
    std::int64_t price, volume;
    std::int64_t surplus;  // above 0: buyers find nobody; below 0: sellers
};

// The best level of a side and its price; both 0 where the side is empty.
struct Best {
    std::int64_t level, price;
};

// -- the price ------------------------------------------------------------------------------------

// All lots at a level, reserves included.
inline std::int64_t level_quantity(const Places& s, std::int64_t symbol, std::int64_t level) {
    const Queue& queue = queue_at(s, level);
    std::int64_t total = queue.quantity;
    if (book_at(s, symbol).rare_orders == 0) return total;
    std::uint64_t slot = queue.head;
    while (slot != 0) {
        const Slot& order = slot_at(s, slot);
        if (order.rare) total += terms_at(s, slot).reserve;
        slot = order.next;
    }
    return total;
}

// The lots of the market orders that wait on a side.
inline std::int64_t waiting_quantity(const Places& s, std::int64_t symbol, std::int64_t side) {
    const std::int64_t page = book_at(s, symbol).waiting_page;
    return page ? queue_at(s, page << 6 | (1 + side)).quantity : 0;
}

// Where a side of the displayed book begins.
inline Best best_of(const Places& s, std::int64_t symbol, std::int64_t side) {
    const Side& ours = side_at(s, symbol, side);
    if (ours.best_price == 0) return Best{0, 0};
    return Best{ours.best_level, ours.best_price};
}

// The `Cross` of a symbol as it stands.
XLAB_FAR inline Cross find_cross(const Places& s, std::int64_t symbol) {
    constexpr Cross no_cross{0, 0, 0};
    const Book& book = book_at(s, symbol);
    const std::int64_t reference = book.reference ? book.reference : book.last_price;
    std::int64_t demand = waiting_quantity(s, symbol, BUY);
    std::int64_t supply = waiting_quantity(s, symbol, SELL);
    const Best best_bid = best_of(s, symbol, BUY), best_ask = best_of(s, symbol, SELL);
    const std::int64_t lowest = supply ? 1 : best_ask.price;
    const std::int64_t highest = demand ? PRICE_MAX : best_bid.price;
    if (lowest == 0 || highest == 0) return no_cross;
    std::int64_t below = best_bid.level;  // down to the last bid that is no candidate, then up
    std::int64_t bid = 0, ask = best_ask.level;
    while (below && price_of(s, below) >= lowest) {
        demand += level_quantity(s, symbol, below);
        bid = below;
        below = next_level(s, below);
    }
    // whether the reference is a candidate that is still ahead
    bool waits = reference > 0 && lowest <= reference && reference <= highest;
    std::int64_t volume = 0, least = 0;
    Cross first = no_cross, last = no_cross, nearest = no_cross;  // of those that are equally good
    while (bid || ask || waits) {
        std::int64_t price = PRICE_MAX;
        if (bid) price = std::min(price, price_of(s, bid));
        if (ask) price = std::min(price, price_of(s, ask));
        if (waits) price = std::min(price, reference);
        if (price > highest) break;
        if (ask && price_of(s, ask) == price) {
            supply += level_quantity(s, symbol, ask);
            ask = next_level(s, ask);
        }
        const Cross candidate{price, std::min(demand, supply), demand - supply};
        const std::int64_t surplus = std::abs(candidate.surplus);
        if (price >= lowest && candidate.volume >= std::max<std::int64_t>(volume, 1)) {
            if (candidate.volume > volume || surplus < least) {
                volume = candidate.volume;
                least = surplus;
                first = last = nearest = candidate;
            } else if (surplus == least) {
                last = candidate;
                if (reference == 0 ||
                    std::abs(price - reference) <= std::abs(nearest.price - reference))
                    nearest = candidate;
            }
        }
        if (bid && price_of(s, bid) == price) {
            demand -= level_quantity(s, symbol, bid);
            bid = level_above(s, bid);
        }
        if (price == reference) waits = false;
    }
    // Demand falls and supply rises with the price: the last has the most sellers left over.
    if (last.surplus > 0) return last;
    return first.surplus < 0 ? first : nearest;
}

// Writes an auction's price, volume and surplus.
inline void tell_cross(const Places& s, Told& out, const Cross& cross, std::int64_t why) {
    record(s, out, static_cast<std::uint64_t>(cross.volume),
           static_cast<std::uint64_t>(std::abs(cross.surplus)), cross.price, 0, 0, 0, 0, 0,
           event::AUCTION, cross.surplus < 0 ? SELL : BUY, why);
}

// -- the trades -----------------------------------------------------------------------------------

// The order of a side that trades next: market orders, then the best price's first.
inline std::uint64_t next_in_auction(const Places& s, std::int64_t symbol, std::int64_t side) {
    const std::uint64_t slot = first_waiting(s, symbol, 1 + side);
    return slot != 0 ? slot : queue_at(s, best_of(s, symbol, side).level).head;
}

// Takes a quantity from an order in its queue, the slice shown first.
inline void take_shown(const Places& s, std::uint64_t slot, std::int64_t quantity) {
    Slot& order = slot_at(s, slot);
    const std::int64_t shown = std::min<std::int64_t>(quantity, order.quantity);
    order.quantity -= static_cast<std::int32_t>(shown);
    queue_at(s, order.level).quantity -= shown;
    if (order.rare) terms_at(s, slot).reserve -= static_cast<std::int32_t>(quantity - shown);
}

// Shows a new slice of an iceberg whose slice is gone.
inline void show_next_slice(const Places& s, Told& out, std::uint64_t slot, std::int64_t symbol,
                            std::int64_t side) {
    if (slot != 0 && slot_at(s, slot).quantity == 0) refresh(s, out, slot, symbol, side);
}

// Trades an auction's volume at its price.
inline void trade_cross(const Places& s, Told& out, std::int64_t symbol, const Cross& cross) {
    std::int64_t volume = cross.volume;
    std::uint64_t buyer = 0, seller = 0;
    while (volume) {
        buyer = next_in_auction(s, symbol, BUY);
        seller = next_in_auction(s, symbol, SELL);
        const std::int64_t quantity =
            std::min({volume, order_quantity(s, buyer), order_quantity(s, seller)});
        take_shown(s, buyer, quantity);
        take_shown(s, seller, quantity);
        const std::int64_t bought = order_quantity(s, buyer), sold = order_quantity(s, seller);
        tell_pair(s, out, buyer, seller, event::TRADE, BUY, cross.price, quantity, bought, sold, 0);
        volume -= quantity;
        if (bought == 0) {
            end_order(s, buyer, symbol);
            buyer = 0;
        }
        if (sold == 0) {
            end_order(s, seller, symbol);
            seller = 0;
        }
    }
    show_next_slice(s, out, buyer, symbol, BUY);
    show_next_slice(s, out, seller, symbol, SELL);
}

// Ends what is left of the market orders, buys first.
inline void drop_market_orders(const Places& s, Told& out, std::int64_t symbol) {
    for (const std::int64_t side : {BUY, SELL}) {
        std::uint64_t slot = first_waiting(s, symbol, 1 + side);
        while (slot != 0) {
            tell_end(s, out, slot, event::CANCELLED, reason::MARKET_RESIDUE);
            end_order(s, slot, symbol);
            slot = first_waiting(s, symbol, 1 + side);
        }
    }
}

// Writes what an auction would do now.
XLAB_FAR inline void tell_indicative(const Places& s, Told& out, std::int64_t symbol) {
    tell_cross(s, out, find_cross(s, symbol), reason::INDICATIVE);
}

// Uncrosses a book.
XLAB_FAR inline void run_auction(const Places& s, Told& out, std::int64_t symbol) {
    const Cross cross = find_cross(s, symbol);
    tell_cross(s, out, cross, reason::NONE);
    if (cross.volume) {
        trade_cross(s, out, symbol, cross);
        book_at(s, symbol).last_price = static_cast<std::int32_t>(cross.price);
    }
    drop_market_orders(s, out, symbol);
}

}  // namespace xlab
