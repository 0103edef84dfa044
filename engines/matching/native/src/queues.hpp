// Orders in their queues: slots taken and given back, an order put in its queue and taken out.
//
// `ladder` says which of a symbol's four ladders: bids, asks, sell stops, buy stops; all four are
// kept alike, the best price being the one that is looked at first.
#pragma once

#include "index.hpp"

namespace xlab {

// Takes a slot for an order, the one freed last if there is one: it is still in the cache.
XLAB_INLINE std::uint64_t take_slot(const Places& s) {
    Header& header = *s.header;
    const std::uint64_t slot = header.free_order;
    if (slot == 0) return header.fresh_order++;
    header.free_order = slot_at(s, slot).next;
    return slot;
}

XLAB_INLINE void give_slot(const Places& s, std::uint64_t slot) {
    slot_at(s, slot).next = s.header->free_order;
    s.header->free_order = static_cast<std::uint32_t>(slot);
}

// Puts an order, whose quantity is given besides, at the end of the queue at its price.
XLAB_INLINE void queue_up(const Places& s, std::uint64_t slot, std::int64_t symbol,
                          std::int64_t ladder, std::int64_t price, std::int64_t quantity) {
    std::int64_t page = find_page(s, symbol, ladder, price >> 6);
    if (page == 0) page = add_page(s, symbol, ladder, price >> 6);
    const std::int64_t level = page << 6 | (price & 63);
    Queue& queue = queue_at(s, level);
    Slot& order = slot_at(s, slot);
    order.level = static_cast<std::uint32_t>(level);
    order.next = 0;
    if (queue.quantity) {
        order.prev = queue.tail;
        slot_at(s, queue.tail).next = static_cast<std::uint32_t>(slot);
        queue.tail = static_cast<std::uint32_t>(slot);
        queue.quantity += quantity;
        return;
    }
    order.prev = 0;
    queue.head = queue.tail = static_cast<std::uint32_t>(slot);
    queue.quantity = quantity;
    page_at(s, page).bitmap |= std::uint64_t{1} << (price & 63);
    Side& sides = side_at(s, symbol, ladder);
    const std::int64_t best = sides.best_price;
    if (best == 0 || ((ladder & 1) == 0 ? price > best : price < best)) {
        sides.best_price = static_cast<std::int32_t>(price);
        sides.best_level = static_cast<std::uint32_t>(level);
    }
}

// Takes an order out of its queue; returns its level, to be closed if it has emptied.
XLAB_INLINE std::int64_t unlink(const Places& s, std::uint64_t slot) {
    const Slot& order = slot_at(s, slot);
    Queue& queue = queue_at(s, order.level);
    if (order.prev)
        slot_at(s, order.prev).next = order.next;
    else
        queue.head = order.next;
    if (order.next)
        slot_at(s, order.next).prev = order.prev;
    else
        queue.tail = order.prev;
    queue.quantity -= order.quantity;
    return order.level;
}

// Whether an order at this price would need a page that is not to be had.
XLAB_INLINE bool no_room(const Places& s, std::int64_t symbol, std::int64_t ladder,
                         std::int64_t price) {
    if (s.header->live_pages < s.header->pages) return false;
    return find_page(s, symbol, ladder, price >> 6) == 0;
}

// -- for rare orders only --------------------------------------------------------------------------

// As `queue_up`, as a call.
XLAB_FAR inline void stand(const Places& s, std::uint64_t slot, std::int64_t symbol,
                           std::int64_t ladder, std::int64_t price, std::int64_t quantity) {
    queue_up(s, slot, symbol, ladder, price, quantity);
}

// As `no_room`; triggered stops that may have to go back hold their pages.
inline bool lacks_room(const Places& s, std::int64_t symbol, std::int64_t ladder,
                       std::int64_t price) {
    const Header& header = *s.header;
    if (std::int64_t{header.live_pages} + header.held_pages < header.pages) return false;
    return find_page(s, symbol, ladder, price >> 6) == 0;
}

// Puts a stop in the queue at its trigger, before those that arrived after it.
inline void queue_up_stop(const Places& s, std::uint64_t slot, std::int64_t symbol,
                          std::int64_t ladder, std::int64_t price) {
    Slot& order = slot_at(s, slot);
    stand(s, slot, symbol, ladder, price, order.quantity);
    Queue& queue = queue_at(s, order.level);
    const std::uint64_t arrival = terms_at(s, slot).arrival;
    std::uint32_t before = order.prev;
    if (before == 0 || terms_at(s, before).arrival < arrival) return;
    slot_at(s, before).next = 0;
    queue.tail = before;
    while (before != 0 && terms_at(s, before).arrival > arrival) before = slot_at(s, before).prev;
    const std::uint32_t after = before != 0 ? slot_at(s, before).next : queue.head;
    order.prev = before;
    order.next = after;
    slot_at(s, after).prev = static_cast<std::uint32_t>(slot);
    if (before != 0)
        slot_at(s, before).next = static_cast<std::uint32_t>(slot);
    else
        queue.head = static_cast<std::uint32_t>(slot);
}

// Whether the symbol has no waiting page and can have none.
inline bool no_room_to_wait(const Places& s, std::int64_t symbol) {
    const Header& header = *s.header;
    return book_at(s, symbol).waiting_page == 0 &&
           std::int64_t{header.live_pages} + header.held_pages >= header.pages;
}

// Puts an order at the end of one of its symbol's waiting queues.
inline void queue_up_waiting(const Places& s, std::uint64_t slot, std::int64_t symbol,
                             std::int64_t number) {
    Book& book = book_at(s, symbol);
    if (book.waiting_page == 0)
        book.waiting_page = static_cast<std::uint32_t>(take_page(s, symbol, WAITING, 0));
    const std::int64_t level = std::int64_t{book.waiting_page} << 6 | number;
    Queue& queue = queue_at(s, level);
    Slot& order = slot_at(s, slot);
    order.level = static_cast<std::uint32_t>(level);
    order.next = order.prev = 0;
    if (queue.quantity) {
        order.prev = queue.tail;
        slot_at(s, queue.tail).next = static_cast<std::uint32_t>(slot);
    } else {
        queue.head = static_cast<std::uint32_t>(slot);
        page_of(s, level).bitmap |= std::uint64_t{1} << number;
    }
    queue.tail = static_cast<std::uint32_t>(slot);
    queue.quantity += order.quantity;
    book.whole_known = 0;
}

// The first order of a waiting queue, or 0.
inline std::uint64_t first_waiting(const Places& s, std::int64_t symbol, std::int64_t number) {
    const std::int64_t page = book_at(s, symbol).waiting_page;
    if (page == 0 || !(page_at(s, page).bitmap & std::uint64_t{1} << number)) return 0;
    return queue_at(s, page << 6 | number).head;
}

// Takes an order out of whatever queue it stands in.
XLAB_FAR inline void leave_queue(const Places& s, std::uint64_t slot) {
    const std::int64_t level = unlink(s, slot);
    if (queue_at(s, level).quantity != 0) return;
    Page& page = page_of(s, level);
    if (page.side != WAITING) {
        close_level(s, level);
        return;
    }
    page.bitmap &= ~(std::uint64_t{1} << (level & 63));
    if (page.bitmap == 0) {
        book_at(s, page.symbol).waiting_page = 0;
        give_page(s, level >> 6);
    }
}

}  // namespace xlab
