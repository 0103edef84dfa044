// A buffer laid out as engines/matching/ladder_layout.py does it, for who comes from C.
#pragma once

#include <cstring>

#include "layout.hpp"

namespace xlab {

struct Sizes {
    std::uint64_t orders, symbols, owners, pages;
};

constexpr int SECTIONS = 13;

// Lengths in bytes of the sections, and how long the two hash tables are.
struct Lengths {
    std::uint64_t bytes[SECTIONS];
    std::uint64_t ids, directory;
};

// What a caller's sizes come to, 0 standing for what is usual; orders 0 if they cannot be.
inline Sizes sizes_of(std::uint32_t orders, std::uint32_t symbols, std::uint32_t owners,
                      std::uint32_t pages) {
    Sizes sizes{orders, symbols, owners ? owners : 1024u, pages};
    if (pages == 0)
        sizes.pages = orders < PAGES_MAX ? orders + std::uint64_t{1} : PAGES_MAX;
    const bool can_be = orders >= 1 && orders <= 1u << 26 && symbols >= 1 && symbols <= 65535 &&
                        sizes.owners <= 1u << 20 && sizes.pages <= PAGES_MAX;
    if (!can_be) sizes.orders = 0;
    return sizes;
}

inline std::uint64_t power_of_two(std::uint64_t least) {
    std::uint64_t power = 8;
    while (power < least) power *= 2;
    return power;
}

// At most this many events come of one command: see engines/matching/rules.py.
inline std::uint64_t events_max(std::uint64_t orders) { return 2 * orders + 4 * TURNS_MAX + 16; }

inline Lengths lengths_of(const Sizes& n) {
    const std::uint64_t words = WORD_LAYERS * n.pages;
    const std::uint64_t ids = power_of_two(2 * n.orders);
    const std::uint64_t directory = power_of_two(5 * n.pages / 4 + 5 * words / 4);
    return Lengths{{
                       sizeof(Header),
                       sizeof(Book) * n.symbols,
                       sizeof(Side) * SIDES * n.symbols,
                       8 * ids,
                       8 * directory,
                       8 * (words + 1),
                       sizeof(Page) * (n.pages + 1),
                       sizeof(Slot) * (n.orders + 2),
                       sizeof(Event) * (events_max(n.orders) + 1),
                       sizeof(Queue) * TICKS_A_PAGE * (n.pages + 1),
                       sizeof(Terms) * (n.orders + 2),
                       sizeof(std::uint32_t) * (n.orders + 2),
                       sizeof(Limits) * (n.owners + 1),
                   },
                   ids,
                   directory};
}

inline std::uint64_t aligned(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

inline std::uint64_t bytes_needed(const Sizes& sizes) {
    std::uint64_t sum = 0;
    for (const std::uint64_t bytes : lengths_of(sizes).bytes) sum += aligned(bytes);
    return sum;
}

// The header that a new buffer of these sizes begins with.
inline Header new_header(const Sizes& sizes) {
    const Lengths lengths = lengths_of(sizes);
    Header h{};
    std::memcpy(h.magic, "XLABLADR", 8);
    h.layout_version = LAYOUT_VERSION;
    h.symbols = static_cast<std::uint32_t>(sizes.symbols);
    h.orders = static_cast<std::uint32_t>(sizes.orders);
    h.pages = static_cast<std::uint32_t>(sizes.pages);
    h.owners = static_cast<std::uint32_t>(sizes.owners);
    h.fresh_order = h.fresh_page = h.fresh_word = 1;
    h.id_shift = static_cast<std::uint32_t>(32 - __builtin_ctzll(lengths.ids));
    h.id_mask = lengths.ids - 1;
    h.directory_shift = static_cast<std::uint32_t>(64 - __builtin_ctzll(lengths.directory));
    h.directory_mask = lengths.directory - 1;
    std::uint64_t* begins[] = {&h.books_at, &h.sides_at,  &h.ids_at,   &h.directory_at,
                               &h.words_at, &h.pages_at,  &h.orders_at, &h.spill_at,
                               &h.levels_at, &h.terms_at, &h.timed_at, &h.owners_at};
    std::uint64_t offset = 0;
    for (int section = 1; section < SECTIONS; ++section) {
        offset += aligned(lengths.bytes[section - 1]);
        *begins[section - 1] = offset;
    }
    return h;
}

// Writes the header of a new ladder, or makes sure that the one found is the one meant, and whole.
inline bool claim(void* buffer, const Sizes& sizes) {
    const Header wanted = new_header(sizes), none{};
    Header& found = *static_cast<Header*>(buffer);
    if (std::memcmp(&found, &none, sizeof none) == 0) {
        found = wanted;
        return true;
    }
    const bool is_meant =
        std::memcmp(found.magic, wanted.magic, 8) == 0 &&
        found.layout_version == wanted.layout_version && found.symbols == wanted.symbols &&
        found.orders == wanted.orders && found.pages == wanted.pages &&
        found.owners == wanted.owners && found.id_shift == wanted.id_shift &&
        found.id_mask == wanted.id_mask && found.directory_shift == wanted.directory_shift &&
        found.directory_mask == wanted.directory_mask &&
        std::memcmp(&found.books_at, &wanted.books_at, 12 * sizeof wanted.books_at) == 0;
    if (!is_meant || (found.version | found.directory_version) & 1) return false;
    const Places s = places_at(buffer);
    for (std::uint64_t symbol = 0; symbol < sizes.symbols; ++symbol)
        if (s.books[symbol].version & 1) return false;
    return true;
}

}  // namespace xlab
