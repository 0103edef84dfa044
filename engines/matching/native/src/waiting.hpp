// What waited in a price ladder and moves after a command: all-or-none orders, trailing stops that
// follow the last price, stops that it triggers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "index.hpp"
#include "orders.hpp"
#include "queues.hpp"
#include "taking.hpp"

namespace xlab {

// An order and how far it may go; no order: slot 0.
struct Candidate {
    std::uint64_t slot;
    std::int64_t limit;
};

// Whether all-or-none orders wait, one of which may go as far as the other side's best price.
inline bool whole_may_fill(const Places& s, const Book& book, std::int64_t symbol) {
    if (book.waiting_page == 0) return false;
    if (!book.whole_known) return true;
    const std::int64_t ask = side_at(s, symbol, SELL).best_price;
    const std::int64_t bid = side_at(s, symbol, BUY).best_price;
    return (ask && book.whole_bid >= ask) || (book.whole_ask && book.whole_ask <= bid);
}

// The first all-or-none order that can fill now; if there is none, how far they would go is noted.
inline Candidate first_fillable(const Places& s, std::int64_t symbol, std::int64_t most_turns) {
    std::int32_t bid = 0, ask = 0;
    std::uint64_t slot = first_waiting(s, symbol, 0);
    while (slot != 0) {
        const Slot& order = slot_at(s, slot);
        const Terms& terms = terms_at(s, slot);
        const std::int64_t side = terms.side, limit = bound(s, slot, symbol).limit;
        if (crosses(side_at(s, symbol, 1 - side).best_price, side, limit) &&
            fillable(s, symbol, side, order.owner, terms.stp, limit, order.quantity, most_turns))
            return {slot, limit};
        if (side == BUY)
            bid = std::max(bid, terms.price);
        else
            ask = ask ? std::min(ask, terms.price) : terms.price;
        slot = order.next;
    }
    Book& book = book_at(s, symbol);
    book.whole_known = 1;
    book.whole_bid = bid;
    book.whole_ask = ask;
    return {0, 0};
}

// Fills the all-or-none orders that can be, the one that waits longest first.
inline void fill_whole(const Places& s, Told& out, std::int64_t symbol) {
    const Book& book = book_at(s, symbol);
    while (s.header->turns && whole_may_fill(s, book, symbol)) {
        const auto [slot, limit] = first_fillable(s, symbol, std::int64_t{s.header->turns} - 1);
        if (slot == 0) break;
        start_whole(s, out, slot, symbol, limit);
    }
}

// Where a trailing stop triggers if the last price is the best that it has seen.
inline std::int64_t trailing_trigger(std::int64_t last_price, std::int64_t side,
                                     std::int64_t distance) {
    if (side == BUY) return std::min(last_price + distance, PRICE_MAX);
    return std::max(last_price - distance, std::int64_t{1});
}

// Moves a trailing stop to a trigger nearer to the last price, if there is a page for it.
inline void move_stop(const Places& s, std::uint64_t slot, std::int64_t symbol,
                      std::int64_t trigger) {
    Terms& terms = terms_at(s, slot);
    const std::int64_t ladder = BUY_STOPS - terms.side;
    leave_queue(s, slot);
    if (lacks_room(s, symbol, ladder, trigger)) {
        trigger = terms.stop_price;  // stay, and try again after the next command
        book_at(s, symbol).followed = 0;
    }
    terms.stop_price = static_cast<std::int32_t>(trigger);
    queue_up_stop(s, slot, symbol, ladder, trigger);
}

// Lets trailing stops follow the last price.
inline void follow(const Places& s, std::int64_t symbol) {
    Book& book = book_at(s, symbol);
    if (!book.trailing || !book.last_price || book.last_price == book.followed) return;
    book.followed = book.last_price;
    std::uint64_t slot = book.trailing;
    while (slot != 0) {
        const Terms& terms = terms_at(s, slot);
        const std::int64_t trigger = trailing_trigger(book.last_price, terms.side, terms.distance);
        if (terms.side == BUY ? trigger < terms.stop_price : trigger > terms.stop_price)
            move_stop(s, slot, symbol, trigger);
        slot = terms.trailing_next;
    }
}

// The next stop that the last price triggers, or 0.
inline std::uint64_t next_triggered(const Places& s, std::int64_t symbol) {
    for (const std::int64_t ladder : {BUY_STOPS, SELL_STOPS}) {
        const Side& stops = side_at(s, symbol, ladder);
        if (!stops.best_price) continue;
        const std::uint64_t slot = queue_at(s, stops.best_level).head;
        if (triggers(s, slot, symbol)) return slot;
    }
    return 0;
}

// Puts triggered stops, for which no turns are left, back to where they waited.
inline void put_back(const Places& s, std::int64_t symbol, std::uint64_t slot) {
    while (slot != 0) {
        --s.header->held_pages;
        const std::uint64_t following = slot_at(s, slot).next;
        const Terms& terms = terms_at(s, slot);
        queue_up_stop(s, slot, symbol, BUY_STOPS - terms.side, terms.stop_price);
        enlist(s, slot, symbol);
        slot = following;
    }
}

// Triggered stops that have not come in yet, linked by `next`.
struct Triggered {
    std::uint64_t head, tail;
};

// Takes all stops that the last price triggers out of the stop book, to the end of the line.
inline void line_up(const Places& s, std::int64_t symbol, Triggered& line) {
    while (const std::uint64_t slot = next_triggered(s, symbol)) {
        detach(s, slot, symbol);
        ++s.header->held_pages;
        slot_at(s, slot).next = 0;
        if (line.head == 0)
            line.head = slot;
        else
            slot_at(s, line.tail).next = static_cast<std::uint32_t>(slot);
        line.tail = slot;
    }
}

// Does what follows a command in the continuous state.
XLAB_FAR inline void settle(const Places& s, Told& out, std::int64_t symbol) {
    const Book& book = book_at(s, symbol);
    if (book.state != state::CONTINUOUS || book.rare_orders == 0) return;
    fill_whole(s, out, symbol);
    follow(s, symbol);
    Triggered line{0, 0};
    for (line_up(s, symbol, line); line.head != 0; line_up(s, symbol, line)) {
        if (s.header->turns == 0) return put_back(s, symbol, line.head);
        const std::uint64_t slot = line.head;
        line.head = slot_at(s, slot).next;
        --s.header->held_pages;
        start_stop(s, out, slot, symbol);
        fill_whole(s, out, symbol);
    }
}

}  // namespace xlab
