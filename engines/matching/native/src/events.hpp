// Writing what happened: one record after another, into the caller's buffer or, once that is full,
// into the spill.
#pragma once

#include "layout.hpp"

namespace xlab {

// One command on its way through the engine, and where its events go.
struct Told {
    Event* events;
    std::int64_t room;
    const Command* command;
    std::int64_t first;  // the number of the command's first event in this call
    std::int64_t n;      // how many events this call has written
};

XLAB_INLINE Event& event_at(const Places& s, Event* events, std::int64_t room, std::int64_t n) {
    return n < room ? events[n] : s.spill[n - room];
}

// Writes an event about an order and perhaps another one.
XLAB_INLINE void emit(const Places& s, Told& out, std::uint64_t order_id, std::uint64_t other_id,
                      std::int64_t price, std::int64_t quantity, std::int64_t remaining,
                      std::int64_t other_remaining, std::uint32_t owner, std::uint32_t other_owner,
                      std::int64_t kind, std::int64_t side, std::int64_t why) {
    const Command& command = *out.command;
    Event& event = event_at(s, out.events, out.room, out.n);
    event.sequence = command.sequence;
    event.time_ns = command.time_ns;
    event.order_id = order_id;
    event.other_id = other_id;
    event.price = static_cast<std::int32_t>(price);
    event.quantity = static_cast<std::int32_t>(quantity);
    event.remaining = static_cast<std::int32_t>(remaining);
    event.other_remaining = static_cast<std::int32_t>(other_remaining);
    event.owner = owner;
    event.other_owner = other_owner;
    event.index = static_cast<std::uint32_t>(out.n - out.first);
    event.symbol = command.symbol;
    event.kind = static_cast<std::uint8_t>(kind | side << 6);
    event.reason = static_cast<std::uint8_t>(why);
    ++out.n;
}

// The same for the full kernels, as a call.
XLAB_FAR inline void record(const Places& s, Told& out, std::uint64_t order_id,
                            std::uint64_t other_id, std::int64_t price, std::int64_t quantity,
                            std::int64_t remaining, std::int64_t other_remaining,
                            std::uint32_t owner, std::uint32_t other_owner, std::int64_t kind,
                            std::int64_t side, std::int64_t why) {
    emit(s, out, order_id, other_id, price, quantity, remaining, other_remaining, owner,
         other_owner, kind, side, why);
}

// Writes the one event of a command that is not carried out; it echoes the command.
XLAB_FAR inline void reject(const Places& s, Told& out, std::int64_t why) {
    const Command& c = *out.command;
    emit(s, out, c.order_id, c.ref, c.price, c.quantity, 0, 0, c.owner, 0, event::REJECTED,
         c.side & 1, why);
}

}  // namespace xlab
