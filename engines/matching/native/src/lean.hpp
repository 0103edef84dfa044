// The lean half: plain limit and market orders, which are nearly all there are.
//
// Each function comes twice. In a book where nothing rare goes on (`ALERT` false) it knows of
// plain orders only. In a book with rare orders, a collar or risk limits (`ALERT` true) it looks
// out for them: a rare maker is met by `meet_rare`, a rare order's own command and what the full
// half alone can judge are handed over by returning `Done::NOT_MINE` with nothing changed. Both
// halves give the same events.
#pragma once

#include "full.hpp"
#include "taking.hpp"
#include "waiting.hpp"

namespace xlab::lean {

enum class Done { NOT_MINE, REJECTED, CARRIED_OUT };

// Rejects a command; `out` itself stays in registers, where a call would take its address.
XLAB_INLINE Done refuse(const Places& s, Told& out, std::int64_t why) {
    Told told = out;
    reject(s, told, why);
    out.n = told.n;
    return Done::REJECTED;
}

// -- orders in their queues ------------------------------------------------------------------------

// Puts a new order at the end of its queue; `place` is its free place in the id table.
template <bool ALERT>
XLAB_INLINE void rest(const Places& s, std::int64_t symbol, std::int64_t side,
                      std::uint64_t order_id, std::uint64_t tag, std::int64_t place,
                      std::int64_t price, std::int64_t quantity, std::uint32_t owner) {
    const std::uint64_t slot = take_slot(s);
    ++s.header->live_orders;
    s.ids[place] = tag << 32 | slot;
    Slot& order = slot_at(s, slot);
    order.order_id = order_id;
    order.quantity = static_cast<std::int32_t>(quantity);
    order.owner = owner;
    queue_up(s, slot, symbol, side, price, quantity);
    if constexpr (ALERT) count_owner(s, owner, 1);
}

// Gives back the slot of an order that lives no more.
template <bool ALERT>
XLAB_INLINE void free_slot(const Places& s, std::uint64_t slot) {
    if constexpr (ALERT) count_owner(s, slot_at(s, slot).owner, -1);
    give_slot(s, slot);
    --s.header->live_orders;
}

// Takes an order out of its queue, the id table and the slots.
template <bool ALERT>
XLAB_INLINE void remove(const Places& s, std::uint64_t slot, std::int64_t place) {
    const std::int64_t level = unlink(s, slot);
    erase_id(s, place);
    free_slot<ALERT>(s, slot);
    if (queue_at(s, level).quantity == 0) close_level(s, level);
}

// -- commands --------------------------------------------------------------------------------------

// Whether a NEW is one that nearly all are: its fields right and nothing rare asked.
XLAB_INLINE bool is_plain(const Command& c) {
    const std::int32_t rare_fields =
        c.stop_price | c.display_quantity | c.min_quantity | c.stp | c.flags |
        ((c.order_type | c.side | c.tif) & ~1);  // no type above MARKET, no duration above IOC
    return rare_fields == 0 && c.quantity >= 1 && c.price >= 1 - c.order_type && c.order_id != 0;
}

// Trades up to `limit`; returns why it had to stop before, or NONE.
template <bool ALERT>
XLAB_INLINE std::int64_t match(const Places& s, Told& out, std::int64_t symbol, std::int64_t side,
                               std::uint64_t order_id, std::uint32_t owner,
                               std::int64_t& remaining, std::int64_t limit) {
    Side& other = side_at(s, symbol, 1 - side);
    while (remaining) {
        const std::int64_t best = other.best_price;
        if (best == 0 || (side == BUY ? best > limit : best < limit)) break;
        const std::int64_t level = other.best_level, wanted = remaining;
        Queue& queue = queue_at(s, level);
        std::uint64_t slot = queue.head;
        bool meets_rare = false;
        while (remaining && slot) {
            Slot& maker = slot_at(s, slot);
            if constexpr (ALERT) {
                meets_rare = maker.rare != 0;
                if (meets_rare) break;
            }
            __builtin_prefetch(s.orders + maker.next);
            const std::int64_t standing = maker.quantity;
            const std::int64_t quantity = remaining < standing ? remaining : standing;
            remaining -= quantity;
            queue.quantity -= quantity;
            emit(s, out, order_id, maker.order_id, best, quantity, remaining, standing - quantity,
                 owner, maker.owner, event::TRADE, side, 0);
            if (quantity < standing) {
                maker.quantity = static_cast<std::int32_t>(standing - quantity);
                break;
            }
            const std::uint64_t following = maker.next;
            erase_id(s, find_id(s, symbol, maker.order_id, id_tag(symbol, maker.order_id)));
            free_slot<ALERT>(s, slot);
            slot = following;
        }
        if (remaining != wanted) {
            book_at(s, symbol).last_price = static_cast<std::int32_t>(best);
            queue.head = static_cast<std::uint32_t>(slot);
            if (slot)
                slot_at(s, slot).prev = 0;
            else
                close_level(s, level);
        }
        if constexpr (ALERT) {
            if (meets_rare) {
                Told told = out;
                std::int64_t left = remaining;
                const bool stops = meet_rare(s, told, symbol, side, order_id, owner, left, slot);
                out.n = told.n;
                remaining = left;
                if (stops) return reason::TOO_MANY_TURNS;
            }
        }
    }
    return reason::NONE;
}

// The risk limit or collar that a plain order would break, or NONE.
XLAB_FAR inline std::int64_t why_held_back(const Places& s, const Book& book, std::uint32_t owner,
                                           std::int64_t order_type, std::int64_t price,
                                           std::int64_t quantity) {
    const std::int64_t valued = full::valued_at(order_type, price, 0, book);
    const std::int64_t why = full::why_over_limits(s, owner, quantity, valued);
    if (why) return why;
    return full::outside_collar(book, order_type, price) ? reason::OUTSIDE_COLLAR : reason::NONE;
}

// As above for a NEW, which may also be one order too many.
XLAB_FAR inline std::int64_t why_not_entered(const Places& s, const Book& book, const Command& c,
                                             bool may_rest) {
    const std::int64_t valued = full::valued_at(c.order_type, c.price, 0, book);
    std::int64_t why = full::why_over_limits(s, c.owner, c.quantity, valued);
    if (!why) why = full::why_owner_may_not(s, c.owner, may_rest);
    if (!why && full::outside_collar(book, c.order_type, c.price)) why = reason::OUTSIDE_COLLAR;
    return why;
}

// Carries out a NEW.
template <bool ALERT>
XLAB_INLINE Done enter(const Places& s, Told& out, std::int64_t symbol) {
    const Command& c = *out.command;
    const std::int64_t side = c.side, price = c.price;
    const std::uint64_t order_id = c.order_id;
    const std::uint32_t owner = c.owner;
    const bool may_rest = c.order_type == LIMIT && c.tif == GTC;
    if (!is_plain(c)) return Done::NOT_MINE;
    if (ALERT && c.order_type == MARKET && book_at(s, symbol).attention & HAS_COLLAR)
        return Done::NOT_MINE;
    const std::uint64_t tag = id_tag(symbol, order_id);
    std::int64_t place = find_id(s, symbol, order_id, tag);
    if (place >= 0) return refuse(s, out, reason::DUPLICATE_ID);
    if constexpr (ALERT) {
        const Book& book = book_at(s, symbol);
        if (book.attention & (HAS_COLLAR | HAS_LIMITS)) {
            const std::int64_t why = why_not_entered(s, book, c, may_rest);
            if (why) return refuse(s, out, why);
        }
    }
    if (may_rest &&
        (s.header->live_orders == s.header->orders || no_room(s, symbol, side, price)))
        return refuse(s, out, reason::BOOK_FULL);

    emit(s, out, order_id, 0, price, c.quantity, c.quantity, 0, owner, 0, event::ACCEPTED, side, 0);
    const std::int64_t limit = side == BUY && price == 0 ? PRICE_MAX : price;
    std::int64_t remaining = c.quantity;
    std::int64_t why = match<ALERT>(s, out, symbol, side, order_id, owner, remaining, limit);
    if (remaining == 0) return Done::CARRIED_OUT;
    if (may_rest && why == reason::NONE) {
        if (out.n > out.first + 1)  // makers have left the table: our place may have moved
            place = find_id(s, symbol, order_id, tag);
        rest<ALERT>(s, symbol, side, order_id, tag, ~place, price, remaining, owner);
        return Done::CARRIED_OUT;
    }
    if (why == reason::NONE)
        why = c.order_type == MARKET ? reason::MARKET_RESIDUE : reason::IOC_RESIDUE;
    emit(s, out, order_id, 0, price, remaining, 0, 0, owner, 0, event::CANCELLED, side, why);
    return Done::CARRIED_OUT;
}

// Carries out a CANCEL, or a REDUCE that leaves nothing.
template <bool ALERT>
XLAB_INLINE void cancel(const Places& s, Told& out, std::uint64_t slot, std::int64_t place,
                        std::int64_t why) {
    const Slot& order = slot_at(s, slot);
    const std::int64_t level = order.level;
    emit(s, out, order.order_id, 0, price_of(s, level), order.quantity, 0, 0, order.owner, 0,
         event::CANCELLED, side_of(s, level), why);
    remove<ALERT>(s, slot, place);
}

// Carries out a REDUCE.
template <bool ALERT>
XLAB_INLINE void reduce(const Places& s, Told& out, std::uint64_t slot, std::int64_t place) {
    Slot& order = slot_at(s, slot);
    const std::int32_t quantity = out.command->quantity;
    if (quantity >= order.quantity) {
        cancel<ALERT>(s, out, slot, place, reason::REDUCED_TO_ZERO);
        return;
    }
    const std::int64_t level = order.level;
    order.quantity -= quantity;
    queue_at(s, level).quantity -= quantity;
    emit(s, out, order.order_id, 0, price_of(s, level), quantity, order.quantity, 0, order.owner,
         0, event::REDUCED, side_of(s, level), reason::REQUESTED);
}

// Carries out a REPLACE.
template <bool ALERT>
XLAB_INLINE Done replace(const Places& s, Told& out, std::int64_t symbol, std::uint64_t slot,
                         std::int64_t place) {
    const Command& c = *out.command;
    Slot& order = slot_at(s, slot);
    const std::int64_t level = order.level, side = side_of(s, level);
    const std::int64_t price = c.price, quantity = c.quantity, old_quantity = order.quantity;
    const std::uint32_t owner = order.owner;
    const std::uint64_t old_id = order.order_id, new_id = c.ref == 0 ? old_id : c.ref;
    const std::uint64_t tag = id_tag(symbol, new_id);
    std::int64_t why = reason::NONE;
    if (new_id != old_id && find_id(s, symbol, new_id, tag) >= 0) why = reason::DUPLICATE_ID;
    const bool keeps = price == price_of(s, level) && quantity <= old_quantity;
    if constexpr (ALERT) {
        if (!why && !keeps)
            why = why_held_back(s, book_at(s, symbol), owner, LIMIT, price, quantity);
    }
    if (!why && !keeps && no_room(s, symbol, side, price)) why = reason::BOOK_FULL;
    if (why) return refuse(s, out, why);

    emit(s, out, new_id, old_id, price, quantity, quantity, old_quantity, owner, 0,
         event::REPLACED, side, keeps ? reason::PRIORITY_KEPT : reason::PRIORITY_LOST);
    if (keeps) {
        queue_at(s, level).quantity -= old_quantity - quantity;
        order.quantity = static_cast<std::int32_t>(quantity);
        if (new_id != old_id) {
            erase_id(s, place);
            order.order_id = new_id;
            s.ids[~find_id(s, symbol, new_id, tag)] = tag << 32 | slot;
        }
        return Done::CARRIED_OUT;
    }
    remove<ALERT>(s, slot, place);
    std::int64_t remaining = quantity;
    why = match<ALERT>(s, out, symbol, side, new_id, owner, remaining, price);
    if (remaining == 0) return Done::CARRIED_OUT;
    if (why)
        emit(s, out, new_id, 0, price, remaining, 0, 0, owner, 0, event::CANCELLED, side, why);
    else
        rest<ALERT>(s, symbol, side, new_id, tag, ~find_id(s, symbol, new_id, tag), price,
                    remaining, owner);
    return Done::CARRIED_OUT;
}

// Carries out a command about a live order.
template <bool ALERT>
XLAB_INLINE Done change(const Places& s, Told& out, std::int64_t symbol) {
    const Command& c = *out.command;
    std::int64_t why = reason::NONE;
    if (c.order_id == 0)
        why = reason::BAD_ID;
    else if (c.kind != CANCEL && c.quantity < 1)
        why = reason::BAD_QUANTITY;
    else if (c.kind == REPLACE && c.price < 1) {
        if (ALERT) return Done::NOT_MINE;  // some rare orders have no price
        why = reason::BAD_PRICE;
    }
    std::int64_t place = -1;
    if (!why) {
        place = find_id(s, symbol, c.order_id, id_tag(symbol, c.order_id));
        if (place < 0 || slot_at(s, slot_of(s, place)).owner != c.owner)
            why = reason::UNKNOWN_ORDER;
    }
    if (why) return refuse(s, out, why);
    const std::uint64_t slot = slot_of(s, place);
    if (ALERT && slot_at(s, slot).rare) return Done::NOT_MINE;
    if (c.kind == REPLACE) return replace<ALERT>(s, out, symbol, slot, place);
    if (c.kind == CANCEL)
        cancel<ALERT>(s, out, slot, place, reason::REQUESTED);
    else
        reduce<ALERT>(s, out, slot, place);
    return Done::CARRIED_OUT;
}

// Whether orders wait that may move now: all-or-none orders that may fill, stops that the last
// price triggers or that have yet to follow it.
XLAB_INLINE bool must_settle(const Places& s, const Book& book, std::int64_t symbol) {
    if (book.rare_orders == 0) return false;
    if (whole_may_fill(s, book, symbol)) return true;
    const std::int64_t last = book.last_price;
    if (last == 0) return false;
    if (book.trailing && book.followed != last) return true;
    const std::int64_t lowest_buy = side_at(s, symbol, BUY_STOPS).best_price;
    return (lowest_buy && lowest_buy <= last) || side_at(s, symbol, SELL_STOPS).best_price >= last;
}

// Carries out a NEW, CANCEL, REDUCE or REPLACE of a book with attention.
XLAB_FAR inline void carry_out_alert(const Places& s, Told& out, std::int64_t symbol) {
    Book& book = book_at(s, symbol);
    if (book.attention & HAS_STATE) {
        carry_out(s, out);
        return;
    }
    s.header->turns = TURNS_MAX;
    const Done done =
        out.command->kind == NEW ? enter<true>(s, out, symbol) : change<true>(s, out, symbol);
    if (done == Done::NOT_MINE)
        carry_out(s, out);
    else if (done == Done::CARRIED_OUT && must_settle(s, book, symbol))
        settle(s, out, symbol);
}

}  // namespace xlab::lean
