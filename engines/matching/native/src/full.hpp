// An order's commands in the price ladder with every rule in force: NEW, CANCEL, REDUCE, REPLACE.
//
// The lean half hands over what it does not know: a rare order, or a book with attention. Read it
// from the top: the checks in their order, then what each command does. The rules themselves stand
// in engines/matching/rules.py.
#pragma once

#include <algorithm>
#include <limits>

#include "events.hpp"
#include "index.hpp"
#include "layout.hpp"
#include "orders.hpp"
#include "queues.hpp"
#include "taking.hpp"
#include "waiting.hpp"

namespace xlab {
namespace full {

constexpr std::uint64_t TIME_MAX = std::numeric_limits<std::int64_t>::max();
constexpr std::uint8_t FLAGS_MAX = POST_ONLY | REPRICE | ALL_OR_NONE;

// -- checks of a NEW ------------------------------------------------------------------------------

// Whether an order may not live beyond its own command.
inline bool is_at_once(const Command& command) { return command.tif == IOC || command.tif == FOK; }

// Whether a NEW or a REPLACE may not be entered in a state.
inline bool wrong_state(const Command& command, std::uint32_t state) {
    if (state == state::HALTED || state == state::CLOSED) return true;
    if (state == state::CONTINUOUS || command.kind != NEW) return false;
    return is_at_once(command) || (command.order_type == MARKET && command.price != 0);
}

// Whether an order of this type is, or becomes, a limit order.
inline bool has_limit(std::uint8_t kind) {
    return kind == LIMIT || kind == STOP_LIMIT || kind == TRAILING_STOP_LIMIT;
}

// Whether flags do not go together, or not with the order.
inline bool flags_clash(const Command& command) {
    const std::uint8_t flags = command.flags, kind = command.order_type;
    if (flags & REPRICE && !(flags & POST_ONLY)) return true;
    if (flags & POST_ONLY && (kind != LIMIT || is_at_once(command) || flags & ALL_OR_NONE))
        return true;
    return flags & ALL_OR_NONE && !has_limit(kind);
}

// Whether an order of this type cannot have this price.
inline bool price_is_wrong(std::uint8_t kind, std::int64_t price) {
    if (kind == LIMIT || kind == STOP_LIMIT) return price < 1;
    return price < 0 || (kind == TRAILING_STOP && price != 0);
}

// The first field of a NEW that is wrong, or 0.
inline std::int64_t why_fields_rejected(const Command& command) {
    const std::uint8_t kind = command.order_type;
    if (command.order_id == 0) return reason::BAD_ID;
    if (command.side > SELL) return reason::BAD_SIDE;
    if (kind > TRAILING_STOP_LIMIT) return reason::BAD_ORDER_TYPE;
    if (command.tif > GTD) return reason::BAD_TIF;
    if (command.stp > stp::DECREMENT) return reason::BAD_STP;
    if (command.flags > FLAGS_MAX || flags_clash(command)) return reason::BAD_FLAGS;
    if (command.quantity < 1) return reason::BAD_QUANTITY;
    if (price_is_wrong(kind, command.price)) return reason::BAD_PRICE;
    if (kind >= STOP ? command.stop_price < 1 : command.stop_price != 0)
        return reason::BAD_STOP_PRICE;
    const bool whole = command.flags & ALL_OR_NONE;
    if (command.display_quantity < 0 || command.display_quantity > command.quantity)
        return reason::BAD_DISPLAY_QUANTITY;
    if (command.display_quantity && (!has_limit(kind) || is_at_once(command) || whole))
        return reason::BAD_DISPLAY_QUANTITY;
    if (command.min_quantity < 0 || command.min_quantity > command.quantity)
        return reason::BAD_MIN_QUANTITY;
    if (command.min_quantity && (command.flags & POST_ONLY || whole))
        return reason::BAD_MIN_QUANTITY;
    if (command.tif == GTD && (command.ref == 0 || command.ref > TIME_MAX ||
                               static_cast<std::int64_t>(command.ref) <= command.time_ns))
        return reason::BAD_TIME;
    return 0;
}

// What a new trailing stop starts from: the last price, else the reference, else 0.
inline std::int64_t trailed_price(const Book& book) {
    return book.last_price ? book.last_price : book.reference;
}

// Where the stop of a NEW triggers, 0 for another order.
inline std::int64_t trigger_of(const Command& command, const Book& book) {
    if (command.order_type >= TRAILING_STOP)
        return trailing_trigger(trailed_price(book), command.side, command.stop_price);
    return command.stop_price;
}

// The price that an order's notional is reckoned at.
inline std::int64_t valued_at(std::uint8_t order_type, std::int64_t price, std::int64_t trigger,
                              const Book& book) {
    if (price && order_type != TRAILING_STOP_LIMIT) return price;
    return trigger ? trigger : trailed_price(book);
}

// The risk limit, of quantity or notional, that an order is above, or 0.
inline std::int64_t why_over_limits(const Places& s, std::uint32_t owner, std::int64_t quantity,
                                    std::int64_t price) {
    if (s.header->live_owners == 0) return 0;
    const std::uint64_t notional =
        static_cast<std::uint64_t>(quantity) * static_cast<std::uint64_t>(price);
    const std::int64_t places[] = {owner_place(s, ANY_OWNER), owner_place(s, owner)};
    for (const std::int64_t place : places) {
        if (place < 0) continue;
        const std::int64_t most = owner_at(s, place).quantity;
        if (most && quantity > most) return reason::OVER_QUANTITY_LIMIT;
    }
    for (const std::int64_t place : places) {
        if (place < 0) continue;
        const std::uint64_t most = owner_at(s, place).notional;
        if (most && notional > most) return reason::OVER_NOTIONAL_LIMIT;
    }
    return 0;
}

// Why an owner may enter no order more, or 0.
inline std::int64_t why_owner_may_not(const Places& s, std::uint32_t owner, bool rests) {
    if (s.header->live_owners == 0) return 0;
    const std::int64_t everybody = owner_place(s, ANY_OWNER), own = owner_place(s, owner);
    if (own >= 0 && rests) {
        const Limits& limits = owner_at(s, own);
        const std::uint64_t most = static_cast<std::uint64_t>(limits.live_orders_max);
        if (most && limits.live_orders >= most) return reason::OVER_ORDER_LIMIT;
    }
    for (const std::int64_t place : {everybody, own})
        if (place >= 0 && owner_at(s, place).killed) return reason::KILLED;
    return 0;
}

// Whether a limit is beyond the collar.
inline bool outside_collar(const Book& book, std::uint8_t order_type, std::int64_t price) {
    if (order_type != LIMIT && order_type != STOP_LIMIT) return false;
    return price < book.low || (book.high != 0 && price > book.high);
}

// How far the limit or market order of a NEW may go.
inline std::int64_t limit_of(const Command& command, const Book& book) {
    const std::int64_t price = command.price, low = book.low, high = book.high;
    if (command.side == SELL) return std::max(price, low);
    const std::int64_t limit = price ? price : PRICE_MAX;
    return high ? std::min(limit, high) : limit;
}

// Whether a post-only order would take and can go nowhere else.
inline bool would_take(const Places& s, std::int64_t symbol, std::int64_t side, std::uint8_t flags,
                       std::int64_t price, std::uint32_t state) {
    const std::int64_t best = side_at(s, symbol, 1 - side).best_price;
    if (!(flags & POST_ONLY) || state != state::CONTINUOUS || !crosses(best, side, price))
        return false;
    return !(flags & REPRICE) || repriced(best, side) == 0;
}

// Why a limit or market order cannot do at once what it asks for, or 0.
inline std::int64_t why_not_at_once(const Places& s, const Command& command, std::int64_t symbol) {
    const Book& book = book_at(s, symbol);
    const bool is_whole = command.tif == FOK;
    const std::int64_t side = command.side;
    const std::int64_t wanted = is_whole ? command.quantity : command.min_quantity;
    if (would_take(s, symbol, side, command.flags, command.price, book.state))
        return reason::WOULD_TAKE;
    if (wanted == 0) return 0;
    if (book.state == state::CONTINUOUS &&
        fillable(s, symbol, side, command.owner, command.stp, limit_of(command, book), wanted,
                 TURNS_MAX))
        return 0;
    return is_whole ? reason::NOT_FILLABLE : reason::BELOW_MIN_QUANTITY;
}

// Whether there is no room for an order to rest or wait where it does so first.
inline bool no_room_for(const Places& s, const Command& command, std::int64_t symbol,
                        std::int64_t trigger) {
    const std::int64_t side = command.side;
    if (s.header->live_orders >= s.header->orders) return true;
    if (command.order_type >= STOP) return lacks_room(s, symbol, BUY_STOPS - side, trigger);
    if (command.flags & ALL_OR_NONE || command.order_type == MARKET)
        return no_room_to_wait(s, symbol);
    return lacks_room(s, symbol, side, command.price);
}

// The reason of the first check that a NEW fails, or 0.
XLAB_FAR inline std::int64_t why_new_rejected(const Places& s, const Command& command,
                                              std::int64_t symbol) {
    const Book& book = book_at(s, symbol);
    const std::uint8_t kind = command.order_type;
    if (wrong_state(command, book.state)) return reason::WRONG_STATE;
    if (const std::int64_t why = why_fields_rejected(command)) return why;
    if (kind >= TRAILING_STOP && trailed_price(book) == 0) return reason::NO_LAST_PRICE;
    if (place_of(s, symbol, command.order_id) >= 0) return reason::DUPLICATE_ID;
    const std::int64_t trigger = trigger_of(command, book);
    const std::int64_t price = valued_at(kind, command.price, trigger, book);
    if (const std::int64_t why = why_over_limits(s, command.owner, command.quantity, price))
        return why;
    const bool rests = kind >= STOP || book.state != state::CONTINUOUS ||
                       (kind == LIMIT && !is_at_once(command));
    if (const std::int64_t why = why_owner_may_not(s, command.owner, rests)) return why;
    if (outside_collar(book, kind, command.price)) return reason::OUTSIDE_COLLAR;
    if (kind <= MARKET)
        if (const std::int64_t why = why_not_at_once(s, command, symbol)) return why;
    if (rests && no_room_for(s, command, symbol, trigger)) return reason::BOOK_FULL;
    return 0;
}

// -- an order's commands --------------------------------------------------------------------------

// Carries out a NEW.
XLAB_FAR inline void enter(const Places& s, Told& out, std::int64_t symbol) {
    const Command& command = *out.command;
    if (const std::int64_t why = why_new_rejected(s, command, symbol)) return reject(s, out, why);
    const Book& book = book_at(s, symbol);
    const std::uint64_t slot = make_order(s, command);
    const std::int64_t quantity = command.quantity;
    tell(s, out, slot, event::ACCEPTED, command.price, quantity, quantity, reason::NONE);
    if (command.order_type < STOP) {
        come_in(s, out, slot, symbol, false);
        return settle(s, out, symbol);
    }
    Terms& terms = terms_at(s, slot);
    terms.stop_price = static_cast<std::int32_t>(trigger_of(command, book));
    if (command.order_type >= TRAILING_STOP) terms.distance = command.stop_price;
    if (book.state == state::CONTINUOUS && triggers(s, slot, symbol))
        start_stop(s, out, slot, symbol);
    else
        wait(s, out, slot, symbol, place::STOP);
    settle(s, out, symbol);
}

// Carries out a CANCEL, or a REDUCE that leaves nothing.
inline void cancel(const Places& s, Told& out, std::int64_t symbol, std::uint64_t slot,
                   std::int64_t why) {
    tell_end(s, out, slot, event::CANCELLED, why);
    end_order(s, slot, symbol);
    settle(s, out, symbol);
}

// Takes a quantity from an order where it stands: the reserve first.
inline void shrink(const Places& s, std::uint64_t slot, std::int64_t quantity) {
    const std::int64_t shown = take_from(s, slot, quantity);
    queue_at(s, slot_at(s, slot).level).quantity -= shown;
}

// Carries out a REDUCE.
inline void reduce(const Places& s, Told& out, std::int64_t symbol, std::uint64_t slot) {
    const std::int64_t quantity = out.command->quantity;
    if (quantity >= order_quantity(s, slot))
        return cancel(s, out, symbol, slot, reason::REDUCED_TO_ZERO);
    shrink(s, slot, quantity);
    tell(s, out, slot, event::REDUCED, order_price(s, slot), quantity, order_quantity(s, slot),
         reason::REQUESTED);
    settle(s, out, symbol);
}

// Whether a REPLACE gives a waiting stop another trigger or distance.
inline bool moves_trigger(const Command& command, const Terms& terms) {
    if (terms.place != place::STOP || command.stop_price == 0) return false;
    return command.stop_price != (terms.distance ? terms.distance : terms.stop_price);
}

// Where an order triggers after its REPLACE, 0 for one that is no stop.
inline std::int64_t new_trigger(const Command& command, const Terms& terms, const Book& book) {
    if (!moves_trigger(command, terms)) return terms.stop_price;
    if (terms.distance)
        return trailing_trigger(trailed_price(book), terms.side, command.stop_price);
    return command.stop_price;
}

// The reason of the first check that the REPLACE of a live order fails, or 0.
inline std::int64_t why_replace_rejected(const Places& s, const Command& command,
                                         std::int64_t symbol, std::uint64_t slot, bool keeps) {
    const Book& book = book_at(s, symbol);
    const Terms& terms = terms_at(s, slot);
    const std::int64_t price = command.price;
    if (price_is_wrong(terms.order_type, price) || (terms.place == place::AUCTION && price != 0))
        return reason::BAD_PRICE;
    if (terms.place == place::STOP && command.stop_price < 0) return reason::BAD_STOP_PRICE;
    const bool renames = command.ref != 0 && command.ref != command.order_id;
    if (renames && place_of(s, symbol, command.ref) >= 0) return reason::DUPLICATE_ID;
    if (keeps) return 0;
    const std::int64_t value =
        valued_at(terms.order_type, price, new_trigger(command, terms, book), book);
    const std::uint32_t owner = slot_at(s, slot).owner;
    if (const std::int64_t why = why_over_limits(s, owner, command.quantity, value)) return why;
    if (outside_collar(book, terms.order_type, price)) return reason::OUTSIDE_COLLAR;
    if (would_take(s, symbol, terms.side, terms.flags, price, book.state))
        return reason::WOULD_TAKE;
    if (terms.place == place::BOOK && lacks_room(s, symbol, terms.side, price))
        return reason::BOOK_FULL;
    return 0;
}

// Gives a live order another id; it keeps its place.
inline void rename(const Places& s, std::uint64_t slot, std::int64_t symbol, std::uint64_t new_id) {
    Slot& order = slot_at(s, slot);
    drop_id(s, symbol, order.order_id);
    order.order_id = new_id;
    add_id(s, symbol, new_id, slot);
}

// Lets a replaced order that lost its place arrive anew.
inline void arrive_anew(const Places& s, Told& out, std::int64_t symbol, std::uint64_t slot,
                        std::uint64_t new_id) {
    const Command& command = *out.command;
    Slot& order = slot_at(s, slot);
    Terms& terms = terms_at(s, slot);
    const bool was_stop = terms.place == place::STOP;
    const std::int64_t trigger = new_trigger(command, terms, book_at(s, symbol));
    detach(s, slot, symbol);
    order.rare = 1;  // not before: it was counted as what it had been
    order.order_id = new_id;
    order.quantity = command.quantity;
    terms.price = command.price;
    terms.reserve = 0;
    terms.place = place::BOOK;
    terms.arrival = next_arrival(s);
    if (!was_stop) return come_in(s, out, slot, symbol, false);
    terms.stop_price = static_cast<std::int32_t>(trigger);
    if (terms.distance && command.stop_price) terms.distance = command.stop_price;
    wait(s, out, slot, symbol, place::STOP);
}

// Carries out a REPLACE.
XLAB_FAR inline void replace(const Places& s, Told& out, std::int64_t symbol, std::uint64_t slot) {
    const Command& command = *out.command;
    give_terms(s, slot);
    const Slot& order = slot_at(s, slot);
    const Terms& terms = terms_at(s, slot);
    const std::int64_t price = command.price, quantity = command.quantity;
    const std::int64_t old_quantity = order_quantity(s, slot);
    const std::uint64_t old_id = order.order_id;
    const bool keeps =
        price == terms.price && quantity <= old_quantity && !moves_trigger(command, terms);
    if (const std::int64_t why = why_replace_rejected(s, command, symbol, slot, keeps))
        return reject(s, out, why);
    const std::uint64_t new_id = command.ref == 0 ? old_id : command.ref;
    record(s, out, new_id, old_id, price, quantity, quantity, old_quantity, order.owner, 0,
           event::REPLACED, terms.side, keeps ? reason::PRIORITY_KEPT : reason::PRIORITY_LOST);
    if (keeps) {
        shrink(s, slot, old_quantity - quantity);
        if (new_id != old_id) rename(s, slot, symbol, new_id);
    } else {
        arrive_anew(s, out, symbol, slot, new_id);
    }
    settle(s, out, symbol);
}

// Carries out a CANCEL, REDUCE or REPLACE.
inline void change(const Places& s, Told& out, std::int64_t symbol) {
    const Command& command = *out.command;
    const bool is_replace = command.kind == REPLACE;
    if (is_replace && wrong_state(command, book_at(s, symbol).state))
        return reject(s, out, reason::WRONG_STATE);
    if (command.order_id == 0) return reject(s, out, reason::BAD_ID);
    if (command.kind != CANCEL && command.quantity < 1) return reject(s, out, reason::BAD_QUANTITY);
    if (is_replace && command.price < 0) return reject(s, out, reason::BAD_PRICE);
    const std::int64_t place = place_of(s, symbol, command.order_id);
    if (place < 0 || slot_at(s, slot_of(s, place)).owner != command.owner)
        return reject(
            s, out, is_replace && command.price < 1 ? reason::BAD_PRICE : reason::UNKNOWN_ORDER);
    const std::uint64_t slot = slot_of(s, place);
    if (command.kind == CANCEL) return cancel(s, out, symbol, slot, reason::REQUESTED);
    if (command.kind == REDUCE) return reduce(s, out, symbol, slot);
    replace(s, out, symbol, slot);
}

}  // namespace full

// Carries out a NEW, CANCEL, REDUCE or REPLACE for a symbol that there is.
XLAB_FAR inline void carry_out(const Places& s, Told& out) {
    s.header->turns = TURNS_MAX;
    const std::int64_t symbol = out.command->symbol;
    if (out.command->kind == NEW)
        full::enter(s, out, symbol);
    else
        full::change(s, out, symbol);
}

}  // namespace xlab
