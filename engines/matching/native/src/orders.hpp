// Orders that are more than plain limit orders: their terms, and all that keeps account of them.
//
// Read it from the top: terms, the heap of expiries, the list of trailing stops, owners with
// limits, and then an order that begins or ceases to live. Any order that the full half handles has
// terms while it does; it keeps them only if it needs them where it rests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "index.hpp"
#include "queues.hpp"

namespace xlab {

constexpr std::int64_t LAST_NS = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t LAST_DAY = LAST_NS / NS_A_DAY;

// -- terms ----------------------------------------------------------------------------------------

// The symbol of an order in a queue.
inline std::int64_t symbol_of(const Places& s, std::uint64_t slot) {
    return page_of(s, slot_at(s, slot).level).symbol;
}

// The side of an order.
inline std::int64_t order_side(const Places& s, std::uint64_t slot) {
    const Slot& order = slot_at(s, slot);
    return order.rare ? terms_at(s, slot).side : side_of(s, order.level);
}

// Where a live order stands: its price in the book, its trigger, or its limit.
inline std::int64_t order_price(const Places& s, std::uint64_t slot) {
    const Slot& order = slot_at(s, slot);
    if (!order.rare) return price_of(s, order.level);
    const Terms& terms = terms_at(s, slot);
    return terms.place == place::STOP ? terms.stop_price : terms.price;
}

// All that is left of an order, its reserve included.
inline std::int64_t order_quantity(const Places& s, std::uint64_t slot) {
    const Slot& order = slot_at(s, slot);
    const std::int64_t reserve = order.rare ? terms_at(s, slot).reserve : 0;
    return order.quantity + reserve;
}

// Takes a quantity from an order outside its queue's count, the reserve first; returns what of it
// was displayed.
inline std::int64_t take_from(const Places& s, std::uint64_t slot, std::int64_t quantity) {
    Slot& order = slot_at(s, slot);
    if (order.rare) {
        Terms& terms = terms_at(s, slot);
        const std::int64_t hidden = std::min(quantity, std::int64_t{terms.reserve});
        terms.reserve -= static_cast<std::int32_t>(hidden);
        quantity -= hidden;
    }
    order.quantity -= static_cast<std::int32_t>(quantity);
    return quantity;
}

// Whether an order that waits where its terms say is more than a plain limit order.
inline bool needs_terms(const Terms& terms) {
    return (terms.stp | terms.flags | terms.display_quantity | terms.place) != 0 ||
           terms.tif >= DAY;
}

// When the order of a NEW expires: its ref, the end of its UTC day, or 0 for never.
inline std::int64_t expiry_of(const Command& command) {
    if (command.tif == GTD) return static_cast<std::int64_t>(command.ref);
    if (command.tif != DAY) return 0;
    const std::int64_t day = std::max(command.time_ns, std::int64_t{0}) / NS_A_DAY + 1;
    return day <= LAST_DAY ? day * NS_A_DAY : LAST_NS;
}

// The number of an order that arrives now.
inline std::uint64_t next_arrival(const Places& s) { return ++s.header->arrivals; }

// Takes a slot for the order of a NEW and notes its terms; it stands nowhere yet.
XLAB_FAR inline std::uint64_t make_order(const Places& s, const Command& command) {
    const std::uint64_t slot = take_slot(s);
    Slot& order = slot_at(s, slot);
    order.order_id = command.order_id;
    order.quantity = command.quantity;
    order.owner = command.owner;
    order.rare = 1;
    Terms& terms = terms_at(s, slot);
    terms.arrival = next_arrival(s);
    terms.expiry_ns = expiry_of(command);
    terms.price = command.price;
    terms.stop_price = terms.distance = 0;
    terms.display_quantity = command.display_quantity;
    terms.reserve = 0;
    terms.min_quantity = command.min_quantity;
    terms.timed_place = terms.trailing_next = terms.trailing_prev = 0;
    terms.order_type = command.order_type;
    terms.side = command.side;
    terms.tif = command.tif;
    terms.stp = command.stp;
    terms.flags = command.flags;
    terms.place = place::BOOK;
    return slot;
}

// Notes the terms of a plain order that the full half takes up.
XLAB_FAR inline void give_terms(const Places& s, std::uint64_t slot) {
    const Slot& order = slot_at(s, slot);
    if (order.rare) return;
    Terms& terms = terms_at(s, slot);
    terms.arrival = 0;
    terms.expiry_ns = 0;
    terms.price = static_cast<std::int32_t>(price_of(s, order.level));
    terms.stop_price = terms.distance = 0;
    terms.display_quantity = terms.reserve = terms.min_quantity = 0;
    terms.timed_place = terms.trailing_next = terms.trailing_prev = 0;
    terms.order_type = LIMIT;
    terms.side = static_cast<std::uint8_t>(side_of(s, order.level));
    terms.tif = GTC;
    terms.stp = stp::NONE;
    terms.flags = 0;
    terms.place = place::BOOK;
}

// -- the heap of expiries -------------------------------------------------------------------------

// Whether an order expires, or arrived, before another.
inline bool expires_before(const Places& s, std::uint64_t slot, std::uint64_t other) {
    const Terms& ours = terms_at(s, slot);
    const Terms& theirs = terms_at(s, other);
    if (ours.expiry_ns != theirs.expiry_ns) return ours.expiry_ns < theirs.expiry_ns;
    return ours.arrival < theirs.arrival;
}

// Puts an order at a place of the heap.
inline void set_timed(const Places& s, std::uint64_t place, std::uint64_t slot) {
    timed_at(s, place) = static_cast<std::uint32_t>(slot);
    terms_at(s, slot).timed_place = static_cast<std::uint32_t>(place);
}

// Puts an order into the heap, at `place` or where it belongs from there.
XLAB_FAR inline void sift(const Places& s, std::uint64_t place, std::uint64_t slot) {
    const std::uint64_t count = s.header->timed;
    while (place > 1) {
        const std::uint64_t parent = timed_at(s, place >> 1);
        if (!expires_before(s, slot, parent)) break;
        set_timed(s, place, parent);
        place >>= 1;
    }
    while (2 * place <= count) {
        std::uint64_t child = 2 * place;
        if (child < count && expires_before(s, timed_at(s, child + 1), timed_at(s, child))) ++child;
        const std::uint64_t below = timed_at(s, child);
        if (!expires_before(s, below, slot)) break;
        set_timed(s, place, below);
        place = child;
    }
    set_timed(s, place, slot);
}

// Puts an order that expires into the heap.
inline void add_timed(const Places& s, std::uint64_t slot) { sift(s, ++s.header->timed, slot); }

// Takes an order out of the heap.
inline void drop_timed(const Places& s, std::uint64_t slot) {
    const std::uint64_t last = timed_at(s, s.header->timed);
    --s.header->timed;
    if (last != slot) sift(s, terms_at(s, slot).timed_place, last);
}

// -- the list of a symbol's trailing stops --------------------------------------------------------

// Puts a trailing stop at the end of its symbol's list: the oldest is moved first.
inline void add_trailing(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    Book& book = book_at(s, symbol);
    Terms& terms = terms_at(s, slot);
    terms.trailing_prev = book.last_trailing;
    terms.trailing_next = 0;
    const std::uint32_t added = static_cast<std::uint32_t>(slot);
    if (book.last_trailing)
        terms_at(s, book.last_trailing).trailing_next = added;
    else
        book.trailing = added;
    book.last_trailing = added;
    if (book.followed != book.last_price) book.followed = 0;  // this one has not followed it
}

// Takes a trailing stop out of its symbol's list.
inline void drop_trailing(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    Book& book = book_at(s, symbol);
    const Terms& terms = terms_at(s, slot);
    if (terms.trailing_prev)
        terms_at(s, terms.trailing_prev).trailing_next = terms.trailing_next;
    else
        book.trailing = terms.trailing_next;
    if (terms.trailing_next)
        terms_at(s, terms.trailing_next).trailing_prev = terms.trailing_prev;
    else
        book.last_trailing = terms.trailing_prev;
}

// -- owners with limits, sorted -------------------------------------------------------------------

// Where an owner with limits stands, or ~(where it would stand).
inline std::int64_t owner_place(const Places& s, std::uint32_t owner) {
    const std::int64_t count = s.header->live_owners;
    std::int64_t low = 0, high = count;
    while (low < high) {
        const std::int64_t middle = (low + high) >> 1;
        if (owner_at(s, middle).owner < owner)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && owner_at(s, low).owner == owner ? low : ~low;
}

// How many orders of an owner live.
XLAB_FAR inline std::uint64_t count_orders(const Places& s, std::uint32_t owner) {
    std::uint64_t count = 0;
    for (std::uint64_t i = 0; i <= s.header->id_mask; ++i) {
        const std::uint64_t entry = s.ids[i];
        if (entry != 0 && slot_at(s, entry & LOW_32).owner == owner) ++count;
    }
    return count;
}

// Makes room for an owner's limits at `place`; all of them are 0.
XLAB_FAR inline void add_owner(const Places& s, std::uint32_t owner, std::int64_t place) {
    for (std::int64_t i = s.header->live_owners; i > place; --i)
        owner_at(s, i) = owner_at(s, i - 1);
    ++s.header->live_owners;
    owner_at(s, place) = Limits{owner, 0, 0, 0, 0, count_orders(s, owner)};
}

// Forgets an owner that has no limit left.
XLAB_FAR inline void drop_owner(const Places& s, std::int64_t place) {
    --s.header->live_owners;
    for (std::int64_t i = place; i < s.header->live_owners; ++i)
        owner_at(s, i) = owner_at(s, i + 1);
}

// Keeps the count of an owner's live orders, if it has limits.
inline void count_owner(const Places& s, std::uint32_t owner, std::int64_t change) {
    if (s.header->live_owners == 0) return;
    const std::int64_t place = owner_place(s, owner);
    if (place >= 0) owner_at(s, place).live_orders += static_cast<std::uint64_t>(change);
}

// -- to live and to cease to ----------------------------------------------------------------------

// Counts an order, which stands in a queue now, among the live ones.
XLAB_FAR inline void enlist(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    const Slot& order = slot_at(s, slot);
    add_id(s, symbol, order.order_id, slot);
    ++s.header->live_orders;
    count_owner(s, order.owner, 1);
    if (!order.rare) return;
    Book& book = book_at(s, symbol);
    ++book.rare_orders;
    book.attention |= HAS_RARE;
    const Terms& terms = terms_at(s, slot);
    if (terms.expiry_ns) add_timed(s, slot);
    if (terms.place == place::STOP && terms.distance) add_trailing(s, slot, symbol);
}

// Takes an order, which still stands in its queue, from the live ones.
XLAB_FAR inline void delist(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    const Slot& order = slot_at(s, slot);
    drop_id(s, symbol, order.order_id);
    --s.header->live_orders;
    count_owner(s, order.owner, -1);
    if (!order.rare) return;
    Book& book = book_at(s, symbol);
    if (--book.rare_orders == 0) book.attention &= ~HAS_RARE;
    const Terms& terms = terms_at(s, slot);
    if (terms.expiry_ns) drop_timed(s, slot);
    if (terms.place == place::STOP && terms.distance) drop_trailing(s, slot, symbol);
}

// Takes a live order out of everything; its slot and terms stay.
inline void detach(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    delist(s, slot, symbol);
    leave_queue(s, slot);
}

// Gives back the slot of an order that stands nowhere.
inline void forget(const Places& s, std::uint64_t slot) {
    slot_at(s, slot).rare = 0;
    give_slot(s, slot);
}

// Ends a live order.
inline void end_order(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    detach(s, slot, symbol);
    forget(s, slot);
}

}  // namespace xlab
