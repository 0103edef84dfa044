// The core in one piece: everything is inlined into the loop over a batch, but for the full half.
#include "ladder.hpp"

#include <cstring>

#include "ahead.hpp"
#include "clock.hpp"
#include "exchange.hpp"
#include "lean.hpp"

namespace xlab {
namespace {

// Carries out one command, whatever it is.
XLAB_INLINE void step(const Places& s, Told& out) {
    const Command& c = *out.command;
    if (c.kind == 0 || c.kind > DEFINE) {
        lean::refuse(s, out, reason::UNKNOWN_KIND);
        return;
    }
    if (c.kind > REPLACE) {
        Told told = out;
        govern(s, told);
        out.n = told.n;
        return;
    }
    if (c.symbol >= s.header->symbols) {
        lean::refuse(s, out, reason::UNKNOWN_SYMBOL);
        return;
    }
    const std::int64_t symbol = c.symbol;
    Book& book = book_at(s, symbol);
    const std::uint64_t version = book.version;
    set_version(book, version + 1);  // odd: being written
    bool is_done = false;
    if (!book.attention)
        is_done = (c.kind == NEW ? lean::enter<false>(s, out, symbol)
                                 : lean::change<false>(s, out, symbol)) != lean::Done::NOT_MINE;
    if (!is_done) {
        Told told = out;
        book.attention ? lean::carry_out_alert(s, told, symbol) : carry_out(s, told);
        out.n = told.n;
    }
    // While the version is odd: who finds the book whole also finds which command it is after.
    s.header->last_sequence = c.sequence;
    set_version(book, version + 2);
}

// Writes the events that waited, as many as fit; returns how many.
std::int64_t deliver(const Places& s, Event* events, std::int64_t room) {
    Header& header = *s.header;
    const std::int64_t start = header.spill_start;
    const std::int64_t count = header.spill_count < room ? header.spill_count : room;
    if (count) std::memcpy(events, s.spill + start, static_cast<std::size_t>(count) * sizeof(Event));
    header.spill_start = static_cast<std::uint32_t>(start + count);
    header.spill_count -= static_cast<std::uint32_t>(count);
    return count;
}

template <bool TIMED>
std::pair<std::int64_t, std::int64_t> run(const Places& places, const Command* commands,
                                          std::int64_t count, Event* events, std::int64_t room,
                                          std::int64_t* ticks, int clock) {
    const Places s = places;  // in registers: no store can reach it
    Header& header = *s.header;
    Told out{events, room, nullptr, 0, deliver(s, events, room)};
    if (header.spill_count) return {0, out.n};
    std::int64_t taken = 0;
    Ahead ahead(s, commands, TIMED ? 0 : count);
    while (taken < count && out.n <= room) {
        if constexpr (!TIMED) ahead.look(taken);
        const std::int64_t start = TIMED ? read_ticks(clock) : 0;
        out.command = commands + taken;
        out.first = out.n;
        step(s, out);
        event_at(s, events, room, out.n - 1).kind |= LAST_BIT;
        header.last_sequence = out.command->sequence;  // of one that touched no book
        if constexpr (TIMED) ticks[taken] = read_ticks(clock) - start;
        ++taken;
    }
    if (out.n > room) {
        header.spill_start = 0;
        header.spill_count = static_cast<std::uint32_t>(out.n - room);
        out.n = room;
    }
    return {taken, out.n};
}

}  // namespace

std::pair<std::int64_t, std::int64_t> submit(const Places& s, const Command* commands,
                                             std::int64_t count, Event* events, std::int64_t room,
                                             std::int64_t* ticks, int clock) {
    return ticks ? run<true>(s, commands, count, events, room, ticks, clock)
                 : run<false>(s, commands, count, events, room, ticks, clock);
}

std::int64_t best_price(const Places& s, std::int64_t symbol, std::int64_t side) {
    if (side != BUY && side != SELL) return 0;
    return side_at(s, symbol, side).best_price;
}

std::int64_t quantity_at(const Places& s, std::int64_t symbol, std::int64_t side,
                         std::int64_t price) {
    if ((side != BUY && side != SELL) || price < 1 || price > PRICE_MAX) return 0;
    const std::int64_t page = find_page(s, symbol, side, price >> 6);
    if (page == 0 || !(page_at(s, page).bitmap >> (price & 63) & 1)) return 0;
    return queue_at(s, page << 6 | (price & 63)).quantity;
}

}  // namespace xlab
