// What an order does in a price ladder when it comes in, with every rule in force.
//
// Read it from the top: telling, how much there is to be had, taking it, resting, and an order's
// whole way in. The lean half does the same for plain orders in a book where nothing rare goes on.
// The rules themselves stand in engines/matching/rules.py.
#pragma once

#include <algorithm>
#include <cstdint>

#include "events.hpp"
#include "index.hpp"
#include "orders.hpp"
#include "queues.hpp"

namespace xlab {

// -- telling --------------------------------------------------------------------------------------

// Writes an event about one order.
inline void tell(const Places& s, Told& out, std::uint64_t slot, std::int64_t kind,
                 std::int64_t price, std::int64_t quantity, std::int64_t remaining,
                 std::int64_t why) {
    const Slot& order = slot_at(s, slot);
    record(s, out, order.order_id, 0, price, quantity, remaining, 0, order.owner, 0, kind,
           order_side(s, slot), why);
}

// Writes an event about an order and its counterparty.
inline void tell_pair(const Places& s, Told& out, std::uint64_t slot, std::uint64_t other,
                      std::int64_t kind, std::int64_t side, std::int64_t price,
                      std::int64_t quantity, std::int64_t left, std::int64_t other_left,
                      std::int64_t why) {
    const Slot& order = slot_at(s, slot);
    const Slot& counterparty = slot_at(s, other);
    record(s, out, order.order_id, counterparty.order_id, price, quantity, left, other_left,
           order.owner, counterparty.owner, kind, side, why);
}

// Writes that an order has ended, with all that was left of it.
inline void tell_end(const Places& s, Told& out, std::uint64_t slot, std::int64_t kind,
                     std::int64_t why) {
    tell(s, out, slot, kind, order_price(s, slot), order_quantity(s, slot), 0, why);
}

// -- how much there is to be had ------------------------------------------------------------------

struct Bound {
    std::int64_t limit;
    bool by_collar;
};

// How far an order may go, and whether it is the collar that says so.
inline Bound bound(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    const Book& book = book_at(s, symbol);
    const Terms& terms = terms_at(s, slot);
    if (terms.side == BUY) {
        const std::int64_t limit = terms.price ? terms.price : PRICE_MAX;
        if (book.high && (book.high < limit || terms.price == 0)) return {book.high, true};
        return {limit, false};
    }
    if (book.low > terms.price) return {book.low, true};
    return {terms.price, false};
}

// Whether an order may trade at the best price of the other side (0: there is none).
inline bool crosses(std::int64_t best, std::int64_t side, std::int64_t limit) {
    if (best == 0) return false;
    return side == BUY ? best <= limit : best >= limit;
}

// How many slices with more behind them an iceberg begins to give for `wanted`.
inline std::int64_t turns_of(const Slot& maker, const Terms& terms, std::int64_t wanted) {
    const std::int64_t reserve = terms.reserve, display = terms.display_quantity;
    const std::int64_t hidden = std::max(wanted - maker.quantity, std::int64_t{0});
    const std::int64_t behind = std::min(reserve, hidden);
    return std::min((reserve + display - 1) / display, 1 + (behind + display - 1) / display);
}

// What a level, or several, has for an order: lots, the turns they take, and whether an own order
// ends them.
struct Supply {
    std::int64_t lots, turns;
    bool ends;
};

// What is to be had at a level by `owner`; 0 is nobody.
inline Supply count_level(const Places& s, std::int64_t level, std::uint32_t owner,
                          bool stops_at_own, std::int64_t wanted) {
    std::int64_t found = 0, turns = 0, shown = 0, ahead = 0;
    std::uint64_t slot = queue_at(s, level).head;
    while (slot != 0) {
        const Slot& maker = slot_at(s, slot);
        const bool is_own = owner != 0 && maker.owner == owner;
        if (is_own && stops_at_own) return {shown, ahead, true};
        if (!is_own) {
            shown += maker.quantity;
            found += maker.quantity;
            if (maker.rare && terms_at(s, slot).reserve) {
                const Terms& terms = terms_at(s, slot);
                found += terms.reserve;
                ++ahead;
                turns += turns_of(maker, terms, wanted);
            }
        }
        slot = maker.next;
    }
    return {found, turns, false};
}

// Whether `wanted` can be had at once, within so many turns.
XLAB_FAR inline bool fillable(const Places& s, std::int64_t symbol, std::int64_t side,
                              std::uint32_t owner, std::int64_t mode, std::int64_t limit,
                              std::int64_t wanted, std::int64_t most_turns) {
    const std::uint32_t own = mode != stp::NONE ? owner : ANY_OWNER;
    const bool stops_at_own = mode != stp::CANCEL_OLDEST;
    const Side& other = side_at(s, symbol, 1 - side);
    std::int64_t level = other.best_price ? other.best_level : 0;
    Supply had{0, 0, false};
    while (level && had.lots < wanted && !had.ends && crosses(price_of(s, level), side, limit)) {
        const Supply more = count_level(s, level, own, stops_at_own, wanted - had.lots);
        had = {had.lots + more.lots, had.turns + more.turns, more.ends};
        level = next_level(s, level);
    }
    return had.lots >= wanted && had.turns <= most_turns;
}

// -- taking it ------------------------------------------------------------------------------------

// Shows an iceberg's next slice at the tail of its queue.
XLAB_FAR inline void refresh(const Places& s, Told& out, std::uint64_t slot, std::int64_t symbol,
                             std::int64_t side) {
    Slot& order = slot_at(s, slot);
    Terms& terms = terms_at(s, slot);
    leave_queue(s, slot);
    const std::int32_t shown = std::min(terms.display_quantity, terms.reserve);
    order.quantity = shown;
    terms.reserve -= shown;
    stand(s, slot, symbol, side, terms.price, shown);
    tell(s, out, slot, event::REFRESHED, terms.price, shown, order_quantity(s, slot), 0);
}

// Takes the turn that using up a maker's slice costs, if it does; returns whether none is left.
inline bool lacks_turn(const Places& s, std::uint64_t met, std::int64_t quantity) {
    const Slot& maker = slot_at(s, met);
    if (quantity != maker.quantity || !maker.rare || !terms_at(s, met).reserve) return false;
    if (s.header->turns == 0) return true;
    --s.header->turns;
    return false;
}

// Takes a quantity from a maker and its queue; returns all that is left of it.
inline std::int64_t use_up(const Places& s, std::uint64_t met, std::int64_t quantity) {
    Slot& maker = slot_at(s, met);
    maker.quantity -= static_cast<std::int32_t>(quantity);
    queue_at(s, maker.level).quantity -= quantity;
    return order_quantity(s, met);
}

// Ends a maker that has nothing left, or shows its next slice if that is what is used up.
inline void move_on(const Places& s, Told& out, std::uint64_t met, std::int64_t symbol,
                    std::int64_t side, std::int64_t left) {
    if (left == 0)
        end_order(s, met, symbol);
    else if (slot_at(s, met).quantity == 0)
        refresh(s, out, met, symbol, side);
}

// Lets the smaller quantity leave two orders of one owner instead of trading, and tells of both.
inline void decrement(const Places& s, Told& out, std::uint64_t slot, std::uint64_t met,
                      std::int64_t side, std::int64_t price, std::int64_t quantity,
                      std::int64_t left) {
    const std::int64_t remaining = slot_at(s, slot).quantity;
    tell_pair(s, out, met, slot, event::REDUCED, 1 - side, price, quantity, left, 0,
              reason::SELF_TRADE);
    tell_pair(s, out, slot, met, event::REDUCED, side, price, quantity, remaining, 0,
              reason::SELF_TRADE);
}

// Trades an order up to `limit`; returns why it had to stop before, or 0.
XLAB_FAR inline std::int64_t take(const Places& s, Told& out, std::uint64_t slot,
                                  std::int64_t symbol, std::int64_t limit) {
    Slot& order = slot_at(s, slot);
    const Terms& terms = terms_at(s, slot);
    const std::int64_t side = terms.side;
    const std::int64_t mode = order.owner == ANY_OWNER ? std::uint8_t{stp::NONE} : terms.stp;
    const Side& other = side_at(s, symbol, 1 - side);
    while (order.quantity && crosses(other.best_price, side, limit)) {
        const std::int64_t price = other.best_price;
        const std::uint64_t met = queue_at(s, other.best_level).head;
        const Slot& maker = slot_at(s, met);
        const bool is_own = mode != stp::NONE && maker.owner == order.owner;
        if (is_own && mode != stp::DECREMENT) {
            if (mode == stp::CANCEL_NEWEST) return reason::SELF_TRADE;
            tell_end(s, out, met, event::CANCELLED, reason::SELF_TRADE);
            end_order(s, met, symbol);
            if (mode == stp::CANCEL_BOTH) return reason::SELF_TRADE;
            continue;
        }
        const std::int32_t quantity = std::min(order.quantity, maker.quantity);
        if (lacks_turn(s, met, quantity)) return reason::TOO_MANY_TURNS;
        order.quantity -= quantity;
        const std::int64_t left = use_up(s, met, quantity);
        if (is_own) {
            decrement(s, out, slot, met, side, price, quantity, left);
        } else {
            book_at(s, symbol).last_price = static_cast<std::int32_t>(price);
            tell_pair(s, out, slot, met, event::TRADE, side, price, quantity, order.quantity, left,
                      0);
        }
        move_on(s, out, met, symbol, 1 - side, left);
    }
    return 0;
}

// Trades a plain taker, which has no slot, with the rare maker `met` at the head of the best level
// of the other side; returns whether it must stop for want of turns. For the lean half.
XLAB_FAR inline bool meet_rare(const Places& s, Told& out, std::int64_t symbol, std::int64_t side,
                               std::uint64_t order_id, std::uint32_t owner,
                               std::int64_t& remaining, std::uint64_t met) {
    const Slot& maker = slot_at(s, met);
    const std::int64_t price = side_at(s, symbol, 1 - side).best_price;
    const std::int64_t quantity = std::min(remaining, std::int64_t{maker.quantity});
    if (lacks_turn(s, met, quantity)) return true;
    remaining -= quantity;
    const std::int64_t left = use_up(s, met, quantity);
    book_at(s, symbol).last_price = static_cast<std::int32_t>(price);
    record(s, out, order_id, maker.order_id, price, quantity, remaining, left, owner, maker.owner,
           event::TRADE, side, 0);
    move_on(s, out, met, symbol, 1 - side, left);
    return false;
}

// -- resting and waiting --------------------------------------------------------------------------

// Ends an order that stands nowhere.
inline void drop_order(const Places& s, Told& out, std::uint64_t slot, std::int64_t why) {
    tell_end(s, out, slot, event::CANCELLED, why);
    forget(s, slot);
}

// Puts what is left of an order into the book; says so if it is not as it was accepted.
XLAB_FAR inline void rest_in_book(const Places& s, Told& out, std::uint64_t slot,
                                  std::int64_t symbol, std::int64_t why) {
    Slot& order = slot_at(s, slot);
    Terms& terms = terms_at(s, slot);
    const std::int64_t side = terms.side, price = terms.price;
    if (lacks_room(s, symbol, side, price)) return drop_order(s, out, slot, reason::BOOK_FULL);
    const std::int32_t total = order.quantity;
    const std::int32_t shown = terms.display_quantity ? std::min(total, terms.display_quantity)
                                                      : total;
    terms.place = place::BOOK;
    terms.reserve = total - shown;
    order.quantity = shown;
    order.rare = needs_terms(terms) ? 1 : 0;
    stand(s, slot, symbol, side, price, shown);
    enlist(s, slot, symbol);
    if (shown < total && why == 0) why = reason::SLICED;
    if (why) tell(s, out, slot, event::RESTED, price, shown, total, why);
}

// Lets an order wait outside the displayed book.
XLAB_FAR inline void wait(const Places& s, Told& out, std::uint64_t slot, std::int64_t symbol,
                          std::int64_t where) {
    Terms& terms = terms_at(s, slot);
    terms.place = static_cast<std::uint8_t>(where);
    std::int64_t why = reason::STOP;
    if (where == place::STOP) {
        const std::int64_t ladder = BUY_STOPS - terms.side;
        if (lacks_room(s, symbol, ladder, terms.stop_price))
            return drop_order(s, out, slot, reason::BOOK_FULL);
        queue_up_stop(s, slot, symbol, ladder, terms.stop_price);
    } else {
        if (no_room_to_wait(s, symbol)) return drop_order(s, out, slot, reason::BOOK_FULL);
        const bool is_auction = where == place::AUCTION;
        queue_up_waiting(s, slot, symbol, is_auction ? 1 + terms.side : 0);
        why = is_auction ? reason::AUCTION_ONLY : reason::ALL_OR_NONE;
    }
    enlist(s, slot, symbol);
    tell(s, out, slot, event::RESTED, order_price(s, slot), 0, slot_at(s, slot).quantity, why);
}

// -- an order's way in ----------------------------------------------------------------------------

// The price one tick off the other side's best, or 0 where there is none.
inline std::int64_t repriced(std::int64_t best, std::int64_t side) {
    if (side == BUY) return best - 1;
    return best < PRICE_MAX ? best + 1 : 0;
}

// How much of an order has to trade at once, or 0.
inline std::int64_t wanted_at_once(const Slot& order, const Terms& terms) {
    if (terms.flags & ALL_OR_NONE || terms.tif == FOK) return order.quantity;
    return std::min(terms.min_quantity, order.quantity);
}

// Ends an order that cannot have what it must have at once; one that can wait for it does.
inline void fall_short(const Places& s, Told& out, std::uint64_t slot, std::int64_t symbol) {
    const Terms& terms = terms_at(s, slot);
    if (terms.tif == FOK) return drop_order(s, out, slot, reason::NOT_FILLABLE);
    if (!(terms.flags & ALL_OR_NONE)) return drop_order(s, out, slot, reason::BELOW_MIN_QUANTITY);
    if (terms.tif == IOC) return drop_order(s, out, slot, reason::IOC_RESIDUE);
    wait(s, out, slot, symbol, place::ALL_OR_NONE);
}

// Why what an order could not take does not rest, or 0.
inline std::int64_t why_residue_ends(const Terms& terms, bool by_collar) {
    if (by_collar) return reason::COLLAR_RESIDUE;
    if (terms.order_type == MARKET) return reason::MARKET_RESIDUE;
    return terms.tif == IOC || terms.tif == FOK ? reason::IOC_RESIDUE : reason::NONE;
}

// Lets a limit or market order, which stands nowhere yet, do what it does; `is_repriced` if its
// limit is not the price that was accepted.
XLAB_FAR inline void come_in(const Places& s, Told& out, std::uint64_t slot, std::int64_t symbol,
                             bool is_repriced) {
    const Slot& order = slot_at(s, slot);
    Terms& terms = terms_at(s, slot);
    if (book_at(s, symbol).state != state::CONTINUOUS) {
        if (terms.flags & ALL_OR_NONE) return wait(s, out, slot, symbol, place::ALL_OR_NONE);
        if (terms.order_type == MARKET) return wait(s, out, slot, symbol, place::AUCTION);
        return rest_in_book(s, out, slot, symbol, 0);
    }
    const std::int64_t side = terms.side;
    const auto [limit, by_collar] = bound(s, slot, symbol);
    const std::int64_t best = side_at(s, symbol, 1 - side).best_price;
    if (terms.flags & POST_ONLY && crosses(best, side, limit)) {
        terms.price = static_cast<std::int32_t>(repriced(best, side));
        return rest_in_book(s, out, slot, symbol, reason::REPRICED);
    }
    if (const std::int64_t wanted = wanted_at_once(order, terms)) {
        if (!fillable(s, symbol, side, order.owner, terms.stp, limit, wanted, s.header->turns))
            return fall_short(s, out, slot, symbol);
        terms.min_quantity = 0;
    }
    std::int64_t why = take(s, out, slot, symbol, limit);
    if (order.quantity == 0) return forget(s, slot);
    if (why == 0) why = why_residue_ends(terms, by_collar);
    if (why) return drop_order(s, out, slot, why);
    rest_in_book(s, out, slot, symbol, is_repriced ? reason::REPRICED : reason::NONE);
}

// -- what waited and now moves --------------------------------------------------------------------

// Whether the last price triggers a stop.
inline bool triggers(const Places& s, std::uint64_t slot, std::int64_t symbol) {
    const std::int32_t last_price = book_at(s, symbol).last_price;
    const Terms& terms = terms_at(s, slot);
    if (last_price == 0) return false;
    return terms.side == BUY ? last_price >= terms.stop_price : last_price <= terms.stop_price;
}

// Lets a triggered stop, which stands nowhere, come in as the order that it becomes.
XLAB_FAR inline void start_stop(const Places& s, Told& out, std::uint64_t slot,
                                std::int64_t symbol) {
    const Slot& order = slot_at(s, slot);
    Terms& terms = terms_at(s, slot);
    const std::int64_t trigger = terms.stop_price, offset = terms.price;
    terms.place = place::STOP;
    --s.header->turns;
    tell(s, out, slot, event::TRIGGERED, trigger, order.quantity, order.quantity, reason::STOP);
    const bool has_offset = terms.order_type == TRAILING_STOP_LIMIT;
    if (has_offset) {
        const std::int64_t limit = terms.side == BUY ? std::min(trigger + offset, PRICE_MAX)
                                                     : std::max(trigger - offset, std::int64_t{1});
        terms.price = static_cast<std::int32_t>(limit);
    }
    terms.order_type = has_offset || terms.order_type == STOP_LIMIT ? LIMIT : MARKET;
    terms.stop_price = terms.distance = 0;
    terms.place = place::BOOK;
    come_in(s, out, slot, symbol, has_offset);
}

// Fills an all-or-none order, which can be filled now.
XLAB_FAR inline void start_whole(const Places& s, Told& out, std::uint64_t slot,
                                 std::int64_t symbol, std::int64_t limit) {
    const Slot& order = slot_at(s, slot);
    detach(s, slot, symbol);
    --s.header->turns;
    tell(s, out, slot, event::TRIGGERED, order_price(s, slot), order.quantity, order.quantity,
         reason::ALL_OR_NONE);
    take(s, out, slot, symbol, limit);
    forget(s, slot);
}

}  // namespace xlab
