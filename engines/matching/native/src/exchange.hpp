// The exchange's own commands in the price ladder: MASS_CANCEL, TICK, STATE, COLLAR, LIMITS, KILL.
//
// Here, unlike for an order's commands, each book's version is turned where the book is written.
#pragma once

#include "auction.hpp"
#include "events.hpp"
#include "index.hpp"
#include "layout.hpp"
#include "orders.hpp"
#include "queues.hpp"
#include "taking.hpp"
#include "waiting.hpp"

namespace xlab {
namespace exchange {

constexpr std::uint8_t KILL_LIFTED = 1;

// Which orders a command ends, and what is said of them.
struct Ending {
    std::uint32_t owner;  // ANY_OWNER: of all
    std::int64_t side;    // ALL_SIDES: of both
    std::int64_t kind;    // the event's
    std::int64_t why;     // DAY_ENDED: day orders only
};

// Writes that a command has been carried out, and how many orders it ended.
inline void tell_done(const Places& s, Told& out, std::int64_t count) {
    record(s, out, out.command->order_id, 0, 0, count, 0, 0, out.command->owner, 0, event::DONE,
           BUY, reason::NONE);
}

// -- ending many orders ---------------------------------------------------------------------------

// Ends an order of any symbol, whichever the command names.
inline void end_for_all(const Places& s, Told& out, std::uint64_t slot, std::int64_t symbol,
                        std::int64_t kind, std::int64_t why) {
    tell_end(s, out, slot, kind, why);
    event_at(s, out.events, out.room, out.n - 1).symbol = static_cast<std::uint16_t>(symbol);
    end_order(s, slot, symbol);
}

// Whether an ending is for an order.
inline bool is_meant(const Places& s, const Ending& ending, std::uint64_t slot) {
    const Slot& order = slot_at(s, slot);
    if (ending.why == reason::DAY_ENDED) return order.rare && terms_at(s, slot).tif == DAY;
    return (ending.owner == ANY_OWNER || order.owner == ending.owner) &&
           (ending.side == ALL_SIDES || order_side(s, slot) == ending.side);
}

// Ends the orders in a queue that an ending is for.
inline void end_in_queue(const Places& s, Told& out, const Ending& ending, std::int64_t symbol,
                         std::int64_t level) {
    std::uint64_t slot = queue_at(s, level).head;
    while (slot != 0) {
        const std::uint64_t following = slot_at(s, slot).next;
        if (is_meant(s, ending, slot)) end_for_all(s, out, slot, symbol, ending.kind, ending.why);
        slot = following;
    }
}

// Ends orders in one of a symbol's ladders.
inline void end_in_ladder(const Places& s, Told& out, const Ending& ending, std::int64_t symbol,
                          std::int64_t ladder) {
    const Side& ours = side_at(s, symbol, ladder);
    std::int64_t level = ours.best_price ? ours.best_level : 0;
    while (level) {
        const std::int64_t following = next_level(s, level);
        end_in_queue(s, out, ending, symbol, level);
        level = following;
    }
}

// Ends orders of a symbol, in the order in which `orders` shows them.
XLAB_FAR inline void end_in_book(const Places& s, Told& out, const Ending& ending,
                                 std::int64_t symbol) {
    for (const std::int64_t ladder : {BUY, SELL}) end_in_ladder(s, out, ending, symbol, ladder);
    for (std::int64_t number = 0; number < WAITING_QUEUES; ++number) {
        // Asked anew each time: the page goes with its last order.
        const std::int64_t page = book_at(s, symbol).waiting_page;
        if (page && page_at(s, page).bitmap >> number & 1)
            end_in_queue(s, out, ending, symbol, page << 6 | number);
    }
    for (const std::int64_t ladder : {SELL_STOPS, BUY_STOPS})
        end_in_ladder(s, out, ending, symbol, ladder);
}

// Ends orders of all symbols.
inline void end_everywhere(const Places& s, Told& out, const Ending& ending) {
    for (std::int64_t symbol = 0; symbol < s.header->symbols; ++symbol) {
        Book& book = book_at(s, symbol);
        turn_version(book);
        end_in_book(s, out, ending, symbol);
        turn_version(book);
    }
}

// Carries out a MASS_CANCEL.
inline void mass_cancel(const Places& s, Told& out) {
    const Command& command = *out.command;
    const Ending ending{command.owner, command.side, event::CANCELLED, reason::MASS_CANCELLED};
    if (ending.side > ALL_SIDES) return reject(s, out, reason::BAD_SIDE);
    if (command.symbol == ALL_SYMBOLS) {
        end_everywhere(s, out, ending);
        return tell_done(s, out, out.n - out.first);
    }
    end_in_book(s, out, ending, command.symbol);
    tell_done(s, out, out.n - out.first);
    settle(s, out, command.symbol);
}

// Carries out a TICK.
inline void tick(const Places& s, Told& out) {
    while (s.header->timed) {
        const std::uint64_t slot = timed_at(s, 1);
        const Terms& terms = terms_at(s, slot);
        if (terms.expiry_ns > out.command->time_ns) break;
        const std::int64_t symbol = symbol_of(s, slot);
        Book& book = book_at(s, symbol);
        turn_version(book);
        end_for_all(s, out, slot, symbol, event::EXPIRED,
                    terms.tif == DAY ? reason::DAY_ENDED : reason::TIME_REACHED);
        turn_version(book);
    }
    tell_done(s, out, out.n - out.first);
}

// -- states and collars ---------------------------------------------------------------------------

// Sets or clears a bit of a book's attention.
inline void mark(Book& book, std::uint32_t bit, bool is_so) {
    book.attention = is_so ? book.attention | bit : book.attention & ~bit;
}

// Carries out a STATE.
inline void change_state(const Places& s, Told& out, std::int64_t symbol) {
    const Command& command = *out.command;
    Book& book = book_at(s, symbol);
    const std::uint32_t now = command.order_type, old = book.state;
    if (now > state::CLOSED) return reject(s, out, reason::BAD_ORDER_TYPE);
    if (command.price < 0) return reject(s, out, reason::BAD_PRICE);
    if (command.price) book.reference = command.price;
    book.state = now;
    mark(book, HAS_STATE, now != state::CONTINUOUS);
    record(s, out, command.order_id, 0, book.reference, now, old, 0, command.owner, 0,
           event::STATE, BUY, reason::NONE);
    if (now == old) {
        if (now != state::CONTINUOUS) tell_indicative(s, out, symbol);
        return settle(s, out, symbol);
    }
    const bool was_call = old == state::OPENING_CALL || old == state::CLOSING_CALL;
    if (now == state::CONTINUOUS || (was_call && now == state::CLOSED))
        run_auction(s, out, symbol);
    if (now == state::CLOSED)
        end_in_book(s, out, Ending{ANY_OWNER, ALL_SIDES, event::EXPIRED, reason::DAY_ENDED},
                    symbol);
    settle(s, out, symbol);
}

// Carries out a COLLAR.
inline void set_collar(const Places& s, Told& out, std::int64_t symbol) {
    const std::int32_t low = out.command->price, high = out.command->stop_price;
    if (low < 0) return reject(s, out, reason::BAD_PRICE);
    if (high < 0 || (high != 0 && high < low)) return reject(s, out, reason::BAD_STOP_PRICE);
    Book& book = book_at(s, symbol);
    book.low = low;
    book.high = high;
    mark(book, HAS_COLLAR, low != 0 || high != 0);
    tell_done(s, out, 0);
    settle(s, out, symbol);
}

// -- risk limits ----------------------------------------------------------------------------------

// Sets or clears every book's attention for risk limits.
inline void mark_all(const Places& s, bool is_so) {
    for (std::int64_t symbol = 0; symbol < s.header->symbols; ++symbol)
        mark(book_at(s, symbol), HAS_LIMITS, is_so);
}

// Where an owner's limits stand, made if need be, or -1 where there is no room.
inline std::int64_t find_owner(const Places& s, std::uint32_t owner) {
    const std::int64_t place = owner_place(s, owner);
    if (place >= 0) return place;
    if (s.header->live_owners >= s.header->owners) return -1;
    if (s.header->live_owners == 0) mark_all(s, true);
    add_owner(s, owner, ~place);
    return ~place;
}

// Forgets an owner's record if it limits nothing.
inline void drop_if_free(const Places& s, std::int64_t place) {
    const Limits& limits = owner_at(s, place);
    if (limits.quantity || limits.live_orders_max || limits.killed || limits.notional) return;
    drop_owner(s, place);
    if (s.header->live_owners == 0) mark_all(s, false);
}

// Carries out a LIMITS.
inline void set_limits(const Places& s, Told& out) {
    const Command& command = *out.command;
    const std::int32_t most = command.display_quantity;
    if (command.quantity < 0) return reject(s, out, reason::BAD_QUANTITY);
    if (most < 0 || (most != 0 && command.owner == ANY_OWNER))
        return reject(s, out, reason::BAD_DISPLAY_QUANTITY);
    const bool limits_nothing = command.quantity == 0 && most == 0 && command.ref == 0;
    if (!limits_nothing || owner_place(s, command.owner) >= 0) {
        const std::int64_t place = find_owner(s, command.owner);
        if (place < 0) return reject(s, out, reason::BOOK_FULL);
        Limits& limits = owner_at(s, place);
        limits.quantity = command.quantity;
        limits.live_orders_max = most;
        limits.notional = command.ref;
        drop_if_free(s, place);
    }
    tell_done(s, out, 0);
}

// Lifts a KILL.
inline void lift(const Places& s, Told& out) {
    const std::int64_t place = owner_place(s, out.command->owner);
    if (place >= 0) {
        owner_at(s, place).killed = 0;
        drop_if_free(s, place);
    }
    tell_done(s, out, 0);
}

// Carries out a KILL, which may also lift one.
inline void kill(const Places& s, Told& out) {
    const Command& command = *out.command;
    if (command.order_type > KILL_LIFTED) return reject(s, out, reason::BAD_ORDER_TYPE);
    if (command.order_type == KILL_LIFTED) return lift(s, out);
    const std::int64_t place = find_owner(s, command.owner);
    if (place < 0) return reject(s, out, reason::BOOK_FULL);
    owner_at(s, place).killed = 1;
    end_everywhere(s, out,
                   Ending{command.owner, ALL_SIDES, event::CANCELLED, reason::KILL_SWITCH});
    tell_done(s, out, out.n - out.first);
}

// Carries out a command that may touch all books.
inline void govern_all(const Places& s, Told& out) {
    switch (out.command->kind) {
        case TICK: return tick(s, out);
        case LIMITS: return set_limits(s, out);
        case KILL: return kill(s, out);
        default: return mass_cancel(s, out);
    }
}

// Carries out a command that names one book.
inline void govern_one(const Places& s, Told& out, std::int64_t symbol) {
    switch (out.command->kind) {
        case MASS_CANCEL: return mass_cancel(s, out);
        case STATE: return change_state(s, out, symbol);
        default: return set_collar(s, out, symbol);
    }
}

// Whether a command may touch all books.
inline bool is_for_all(const Command& command) {
    if (command.kind == MASS_CANCEL) return command.symbol == ALL_SYMBOLS;
    return command.kind == TICK || command.kind == LIMITS || command.kind == KILL;
}

}  // namespace exchange

// Carries out a command of the exchange.
XLAB_FAR inline void govern(const Places& s, Told& out) {
    const Command& command = *out.command;
    s.header->turns = TURNS_MAX;
    if (command.kind == DEFINE) return reject(s, out, reason::UNSUPPORTED);
    if (exchange::is_for_all(command)) {
        turn_version(*s.header);
        exchange::govern_all(s, out);
        s.header->last_sequence = command.sequence;
        turn_version(*s.header);
        return;
    }
    const std::int64_t symbol = command.symbol;
    if (symbol >= s.header->symbols) return reject(s, out, reason::UNKNOWN_SYMBOL);
    Book& book = book_at(s, symbol);
    turn_version(book);
    exchange::govern_one(s, out, symbol);
    s.header->last_sequence = command.sequence;
    turn_version(book);
}

}  // namespace xlab
