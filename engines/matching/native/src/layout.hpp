// The price ladder's buffer, as engines/matching/ladder_layout.py lays it out: its records, and
// where the sections of one buffer lie. Both engines work on the same bytes.
//
// A build with XLAB_CHECKED looks at every index before it is used: all sections lie in one buffer,
// so that no sanitizer would see one section overrun into the next.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "records.hpp"

#define XLAB_INLINE inline __attribute__((always_inline))
#define XLAB_FAR __attribute__((noinline))

#ifdef XLAB_CHECKED
#define XLAB_CHECK(condition)                                                          \
    do {                                                                               \
        if (!(condition)) {                                                            \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                              \
        }                                                                              \
    } while (0)
#else
#define XLAB_CHECK(condition) ((void)0)
#endif

namespace xlab {

constexpr std::uint32_t LAYOUT_VERSION = 3;
constexpr std::int64_t TICKS_A_PAGE = 64;
constexpr std::int64_t WORD_LAYERS = 3;
constexpr std::int64_t PAGES_MAX = ((1 << 20) - 2) / WORD_LAYERS;
constexpr std::int64_t SELL_STOPS = 2, BUY_STOPS = 3, WAITING = 4;  // what a page is for
constexpr std::int64_t SIDES = 4;                                    // ladders a symbol
constexpr std::int64_t WAITING_QUEUES = 3;  // all-or-none, market buys, market sells
constexpr std::int64_t TURNS_MAX = 256;
constexpr std::int64_t NS_A_DAY = 86400LL * 1000000000LL;
// a book's attention
constexpr std::uint32_t HAS_RARE = 1, HAS_STATE = 2, HAS_COLLAR = 4, HAS_LIMITS = 8;

struct Header {
    char magic[8];
    std::uint32_t layout_version, symbols, orders, pages;
    std::uint64_t last_sequence;
    std::uint32_t live_orders, live_pages, free_order, fresh_order, free_page, fresh_page;
    std::uint32_t free_word, fresh_word, spill_start, spill_count, id_shift, directory_shift;
    std::uint64_t id_mask, directory_mask, directory_version, arrivals;
    std::uint32_t owners, live_owners, timed, turns;
    std::uint64_t books_at, sides_at, ids_at, directory_at, words_at, pages_at, orders_at;
    std::uint64_t spill_at, levels_at, terms_at, timed_at, owners_at;
    std::uint64_t version;
    std::uint32_t held_pages, unused[5];
};

struct Book {
    std::uint64_t version;
    std::int32_t last_price;
    std::uint32_t attention;
    std::int32_t reference, low, high, followed;
    std::uint32_t state, rare_orders, waiting_page, trailing, last_trailing;
    std::uint32_t whole_known;          // 1: no all-or-none order waits that goes farther than
    std::int32_t whole_bid, whole_ask;  // these limits (0: there is none of that side)
};

struct Side {
    std::int32_t best_price;  // 0: the side is empty
    std::uint32_t best_level;
    std::uint64_t root_low, root_high;
    std::uint32_t pages, reserved;
};

struct Page {
    std::uint64_t bitmap;
    std::uint32_t number;
    std::uint16_t symbol;
    std::uint8_t side, reserved;
};

struct Slot {
    std::uint64_t order_id;
    std::int32_t quantity;
    std::uint32_t owner, next, prev, level, rare;
};

struct Terms {
    std::uint64_t arrival;
    std::int64_t expiry_ns;
    std::int32_t price, stop_price, distance, display_quantity, reserve, min_quantity;
    std::uint32_t timed_place, trailing_next, trailing_prev;
    std::uint8_t order_type, side, tif, stp, flags, place, reserved[6];
};

struct Limits {
    std::uint32_t owner;
    std::int32_t quantity, live_orders_max;
    std::uint32_t killed;
    std::uint64_t notional, live_orders;
};

struct Queue {
    std::uint32_t head, tail;
    std::int64_t quantity;  // 0: empty
};

static_assert(sizeof(Header) == 256 && sizeof(Book) == 64 && sizeof(Side) == 32);
static_assert(sizeof(Page) == 16 && sizeof(Slot) == 32 && sizeof(Queue) == 16);
static_assert(sizeof(Terms) == 64 && sizeof(Limits) == 32);

// Where the sections of a buffer lie; valid as long as the buffer stays.
struct Places {
    Header* header;
    Book* books;
    Side* sides;
    std::uint64_t* ids;
    std::uint64_t* directory;
    std::uint64_t* words;
    Page* pages;
    Slot* orders;
    Event* spill;
    Queue* levels;
    Terms* terms;
    std::uint32_t* timed;
    Limits* owners;
};

inline Places places_at(void* buffer) {
    char* base = static_cast<char*>(buffer);
    Header* h = static_cast<Header*>(buffer);
    return Places{
        h,
        reinterpret_cast<Book*>(base + h->books_at),
        reinterpret_cast<Side*>(base + h->sides_at),
        reinterpret_cast<std::uint64_t*>(base + h->ids_at),
        reinterpret_cast<std::uint64_t*>(base + h->directory_at),
        reinterpret_cast<std::uint64_t*>(base + h->words_at),
        reinterpret_cast<Page*>(base + h->pages_at),
        reinterpret_cast<Slot*>(base + h->orders_at),
        reinterpret_cast<Event*>(base + h->spill_at),
        reinterpret_cast<Queue*>(base + h->levels_at),
        reinterpret_cast<Terms*>(base + h->terms_at),
        reinterpret_cast<std::uint32_t*>(base + h->timed_at),
        reinterpret_cast<Limits*>(base + h->owners_at),
    };
}

// -- records by index ------------------------------------------------------------------------------

XLAB_INLINE Book& book_at(const Places& s, std::int64_t symbol) {
    XLAB_CHECK(symbol >= 0 && symbol < s.header->symbols);
    return s.books[symbol];
}

XLAB_INLINE Side& side_at(const Places& s, std::int64_t symbol, std::int64_t ladder) {
    XLAB_CHECK(symbol >= 0 && symbol < s.header->symbols && ladder >= 0 && ladder < SIDES);
    return s.sides[SIDES * symbol + ladder];
}

XLAB_INLINE Page& page_at(const Places& s, std::int64_t page) {
    XLAB_CHECK(page >= 1 && page <= s.header->pages);
    return s.pages[page];
}

XLAB_INLINE Page& page_of(const Places& s, std::int64_t level) { return page_at(s, level >> 6); }

XLAB_INLINE Queue& queue_at(const Places& s, std::int64_t level) {
    XLAB_CHECK(level >= 64 && level >> 6 <= s.header->pages);
    return s.levels[level];
}

XLAB_INLINE Slot& slot_at(const Places& s, std::uint64_t slot) {
    XLAB_CHECK(slot >= 1 && slot < s.header->orders + std::uint64_t{2});
    return s.orders[slot];
}

XLAB_INLINE Terms& terms_at(const Places& s, std::uint64_t slot) {
    XLAB_CHECK(slot >= 1 && slot < s.header->orders + std::uint64_t{2});
    return s.terms[slot];
}

XLAB_INLINE std::uint32_t& timed_at(const Places& s, std::uint64_t place) {
    XLAB_CHECK(place >= 1 && place < s.header->orders + std::uint64_t{2});
    return s.timed[place];
}

XLAB_INLINE Limits& owner_at(const Places& s, std::int64_t place) {
    XLAB_CHECK(place >= 0 && place <= s.header->owners);
    return s.owners[place];
}

}  // namespace xlab
