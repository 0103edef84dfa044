// How a price ladder finds things: ids to orders, ticks to pages, and a page to the next one.
//
// The tables are open-addressed with linear probing and backward-shift deletion (Knuth, TAOCP
// vol. 3, 6.4, algorithm R): no tombstones, and a long life costs nothing.
#pragma once

#include "layout.hpp"

namespace xlab {

constexpr std::uint64_t ALL_ONES = ~std::uint64_t{0};
constexpr std::uint64_t LOW_20 = (1u << 20) - 1, LOW_32 = 0xFFFFFFFFu;
// Odd multipliers of MurmurHash3's 64-bit finaliser (Appleby, public domain).
constexpr std::uint64_t MIX_A = 0xFF51AFD7ED558CCDu, MIX_B = 0xC4CEB9FE1A85EC53u;

XLAB_INLINE int lowest_bit(std::uint64_t word) { return __builtin_ctzll(word); }
XLAB_INLINE int highest_bit(std::uint64_t word) { return 63 - __builtin_clzll(word); }

template <typename Record>
XLAB_INLINE void set_version(Record& record, std::uint64_t version) {
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&record.version, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

// Makes a version odd before its record is written, and even after.
template <typename Record>
XLAB_INLINE void turn_version(Record& record) {
    set_version(record, record.version + 1);
}

// -- the id table: (symbol, order id) -> order -----------------------------------------------------

// 32 bits of hash; the top ones are the home position, all are compared first.
XLAB_INLINE std::uint64_t id_tag(std::int64_t symbol, std::uint64_t order_id) {
    std::uint64_t word = order_id ^ static_cast<std::uint64_t>(symbol) * MIX_B;
    word ^= word >> 32;
    word *= MIX_A;
    word ^= word >> 29;
    word *= MIX_B;
    return word >> 32;
}

// Where the id stands in the table, or ~(the free position where it would stand).
XLAB_INLINE std::int64_t find_id(const Places& s, std::int64_t symbol, std::uint64_t order_id,
                                 std::uint64_t tag) {
    const std::uint64_t mask = s.header->id_mask;
    std::uint64_t place = tag >> s.header->id_shift;
    for (;;) {
        const std::uint64_t entry = s.ids[place];
        if (entry == 0) return ~static_cast<std::int64_t>(place);
        if (entry >> 32 == tag) {
            const Slot& order = slot_at(s, entry & LOW_32);
            if (order.order_id == order_id && page_of(s, order.level).symbol == symbol)
                return static_cast<std::int64_t>(place);
        }
        place = (place + 1) & mask;
    }
}

inline std::int64_t place_of(const Places& s, std::int64_t symbol, std::uint64_t order_id) {
    return find_id(s, symbol, order_id, id_tag(symbol, order_id));
}

// The order that a place of the id table holds.
XLAB_INLINE std::uint64_t slot_of(const Places& s, std::int64_t place) {
    return s.ids[place] & LOW_32;
}

// Takes an entry out and moves back those behind it that may stand nearer their home.
XLAB_INLINE void erase_id(const Places& s, std::int64_t place) {
    const std::uint64_t mask = s.header->id_mask;
    const std::uint32_t shift = 32 + s.header->id_shift;
    std::uint64_t hole = static_cast<std::uint64_t>(place), probe = hole;
    for (;;) {
        probe = (probe + 1) & mask;
        const std::uint64_t entry = s.ids[probe];
        if (entry == 0) break;
        if (((probe - (entry >> shift)) & mask) >= ((probe - hole) & mask)) {
            s.ids[hole] = entry;
            hole = probe;
        }
    }
    s.ids[hole] = 0;
}

// Enters an id that is not in the table.
inline void add_id(const Places& s, std::int64_t symbol, std::uint64_t order_id,
                   std::uint64_t slot) {
    const std::uint64_t tag = id_tag(symbol, order_id);
    s.ids[~find_id(s, symbol, order_id, tag)] = tag << 32 | slot;
}

// Takes an id, which is there, out of the table.
inline void drop_id(const Places& s, std::int64_t symbol, std::uint64_t order_id) {
    erase_id(s, place_of(s, symbol, order_id));
}

// -- the directory: (symbol, side, layer, number) -> page or summary word --------------------------

// The 44-bit key of a page (layer 0) or of a summary word (layers 1 to 3). Number has 25 bits in
// layer 0 and 6 fewer in each above, so the top bits name the layer: 0…, 10…, 110…, 1110….
XLAB_INLINE std::uint64_t directory_key(std::int64_t symbol, std::int64_t side, int layer,
                                        std::int64_t number) {
    const std::int64_t names[] = {0, std::int64_t{1} << 25, std::int64_t{3} << 24,
                                  std::int64_t{7} << 23};
    return static_cast<std::uint64_t>((symbol << 2 | side) << 26 | names[layer] | number);
}

XLAB_INLINE std::uint64_t directory_home(const Places& s, std::uint64_t key) {
    std::uint64_t word = key * MIX_A;
    word ^= word >> 32;
    return word * MIX_B >> s.header->directory_shift;
}

// The page or word under a key, or 0.
XLAB_INLINE std::int64_t look_up(const Places& s, std::uint64_t key) {
    const std::uint64_t mask = s.header->directory_mask;
    std::uint64_t place = directory_home(s, key);
    for (;;) {
        const std::uint64_t entry = s.directory[place];
        if (entry >> 20 == key || entry == 0) return static_cast<std::int64_t>(entry & LOW_20);
        place = (place + 1) & mask;
    }
}

XLAB_INLINE void turn_directory_version(const Places& s) {
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&s.header->directory_version, s.header->directory_version + 1,
                     __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

// Puts a page or word, which is not there yet, under a key.
inline void enter(const Places& s, std::uint64_t key, std::int64_t index) {
    const std::uint64_t mask = s.header->directory_mask;
    std::uint64_t place = directory_home(s, key);
    while (s.directory[place] != 0) place = (place + 1) & mask;
    turn_directory_version(s);
    s.directory[place] = key << 20 | static_cast<std::uint64_t>(index);
    turn_directory_version(s);
}

// Takes a key, which is there, out of the directory.
inline void leave(const Places& s, std::uint64_t key) {
    const std::uint64_t mask = s.header->directory_mask;
    std::uint64_t hole = directory_home(s, key);
    while (s.directory[hole] >> 20 != key) hole = (hole + 1) & mask;
    turn_directory_version(s);
    std::uint64_t probe = hole;
    for (;;) {
        probe = (probe + 1) & mask;
        const std::uint64_t entry = s.directory[probe];
        if (entry == 0) break;
        const std::uint64_t home = directory_home(s, entry >> 20);
        if (((probe - home) & mask) >= ((probe - hole) & mask)) {
            s.directory[hole] = entry;
            hole = probe;
        }
    }
    s.directory[hole] = 0;
    turn_directory_version(s);
}

// -- pages, and the summary that finds the next one ------------------------------------------------

// Takes a page for 64 levels.
inline std::int64_t take_page(const Places& s, std::int64_t symbol, std::int64_t side,
                              std::int64_t number) {
    Header& header = *s.header;
    std::int64_t page = header.free_page;
    if (page)
        header.free_page = page_at(s, page).number;
    else
        page = header.fresh_page++;
    page_at(s, page) = Page{0, static_cast<std::uint32_t>(number),
                            static_cast<std::uint16_t>(symbol), static_cast<std::uint8_t>(side), 0};
    ++header.live_pages;
    return page;
}

// Gives a page back; the one freed last is used next.
inline void give_page(const Places& s, std::int64_t page) {
    page_at(s, page).number = s.header->free_page;
    s.header->free_page = static_cast<std::uint32_t>(page);
    --s.header->live_pages;
}

// Takes a page for 64 ticks, enters it, and marks it in the summary.
XLAB_FAR inline std::int64_t add_page(const Places& s, std::int64_t symbol, std::int64_t side,
                                      std::int64_t number) {
    Header& header = *s.header;
    const std::int64_t page = take_page(s, symbol, side, number);
    enter(s, directory_key(symbol, side, 0, number), page);

    Side& owner = side_at(s, symbol, side);
    ++owner.pages;
    for (int layer = 1; layer < 4; ++layer) {
        const std::uint64_t bit = std::uint64_t{1} << (number & 63);
        number >>= 6;
        const std::uint64_t key = directory_key(symbol, side, layer, number);
        std::int64_t word = look_up(s, key);
        if (word) {
            s.words[word] |= bit;
            return page;
        }
        word = header.free_word;
        if (word)
            header.free_word = static_cast<std::uint32_t>(s.words[word]);
        else
            word = header.fresh_word++;
        s.words[word] = bit;
        enter(s, key, word);
    }
    if (number < 64)
        owner.root_low |= std::uint64_t{1} << number;
    else
        owner.root_high |= std::uint64_t{1} << (number - 64);
    return page;
}

// Gives back a page whose last level has emptied, and the summary words that empty with it.
XLAB_FAR inline void drop_page(const Places& s, std::int64_t page) {
    Header& header = *s.header;
    const Page& emptied = page_at(s, page);
    const std::int64_t symbol = emptied.symbol, side = emptied.side;
    std::int64_t number = emptied.number;
    leave(s, directory_key(symbol, side, 0, number));
    give_page(s, page);

    Side& owner = side_at(s, symbol, side);
    --owner.pages;
    for (int layer = 1; layer < 4; ++layer) {
        const std::uint64_t bit = std::uint64_t{1} << (number & 63);
        number >>= 6;
        const std::uint64_t key = directory_key(symbol, side, layer, number);
        const std::int64_t word = look_up(s, key);
        s.words[word] &= ~bit;
        if (s.words[word] != 0) return;
        leave(s, key);
        s.words[word] = header.free_word;
        header.free_word = static_cast<std::uint32_t>(word);
    }
    if (number < 64)
        owner.root_low &= ~(std::uint64_t{1} << number);
    else
        owner.root_high &= ~(std::uint64_t{1} << (number - 64));
}

// The bits of a word strictly above (or below) bit number `bit` (0 to 63).
XLAB_INLINE std::uint64_t bits_beyond(std::uint64_t word, std::int64_t bit, bool upward) {
    return upward ? word & ALL_ONES << bit << 1 : word & ((std::uint64_t{1} << bit) - 1);
}

// The lowest (or highest) set bit of a non-zero word.
XLAB_INLINE std::int64_t first_bit(std::uint64_t word, bool upward) {
    return upward ? lowest_bit(word) : highest_bit(word);
}

// The nearest set bit beyond `number` (0 to 127) of the root's two words, or -1.
inline std::int64_t next_in_root(std::uint64_t low, std::uint64_t high, std::int64_t number,
                                 bool upward) {
    if (number < 64) {
        low = bits_beyond(low, number, upward);
        if (!upward) high = 0;
    } else {
        if (upward) low = 0;
        high = bits_beyond(high, number - 64, upward);
    }
    if (upward) {
        if (low) return lowest_bit(low);
        return high ? 64 + lowest_bit(high) : -1;
    }
    if (high) return 64 + highest_bit(high);
    return low ? highest_bit(low) : -1;
}

// The nearest page number beyond `number` that a side has, or -1.
inline std::int64_t next_number(const Places& s, std::int64_t symbol, std::int64_t side,
                                std::int64_t number, bool upward) {
    const Side& owner = side_at(s, symbol, side);
    std::int64_t found = -1;
    int climbed = 4;
    for (int layer = 1; layer < 4 && found < 0; ++layer) {  // up, until a word has a bit beyond
        const std::int64_t bit = number & 63;
        number >>= 6;
        const std::int64_t word = look_up(s, directory_key(symbol, side, layer, number));
        const std::uint64_t beyond = word ? bits_beyond(s.words[word], bit, upward) : 0;
        if (beyond) {
            found = number << 6 | first_bit(beyond, upward);
            climbed = layer;
        }
    }
    if (found < 0) found = next_in_root(owner.root_low, owner.root_high, number, upward);
    if (found < 0) return -1;
    for (int layer = climbed - 1; layer > 0; --layer) {  // and down, the nearest bit of each
        const std::int64_t word = look_up(s, directory_key(symbol, side, layer, found));
        found = found << 6 | first_bit(s.words[word], upward);
    }
    return found;
}

// -- levels and their queues -----------------------------------------------------------------------

XLAB_INLINE std::int64_t price_of(const Places& s, std::int64_t level) {
    return std::int64_t{page_of(s, level).number} << 6 | (level & 63);
}

// A level's side is its page's, never inferred from a price.
XLAB_INLINE std::int64_t side_of(const Places& s, std::int64_t level) {
    return page_of(s, level).side;
}

// The next level of the same ladder at a higher (or lower) price, or 0.
inline std::int64_t level_beside(const Places& s, std::int64_t level, bool upward) {
    const Page& page = page_of(s, level);
    const std::uint64_t beyond = bits_beyond(page.bitmap, level & 63, upward);
    if (beyond) return (level & ~std::int64_t{63}) | first_bit(beyond, upward);
    const std::int64_t symbol = page.symbol, side = page.side;
    const std::int64_t number = next_number(s, symbol, side, page.number, upward);
    if (number < 0) return 0;
    const std::int64_t other = look_up(s, directory_key(symbol, side, 0, number));
    return other << 6 | first_bit(page_at(s, other).bitmap, upward);
}

// The level next to `level` going away from the touch, or 0 if it is the last.
XLAB_FAR inline std::int64_t next_level(const Places& s, std::int64_t level) {
    return level_beside(s, level, (page_of(s, level).side & 1) == 1);
}

// The next level of the same ladder at a higher price, or 0.
inline std::int64_t level_above(const Places& s, std::int64_t level) {
    return level_beside(s, level, true);
}

// Forgets a level whose queue has emptied; if it was the best, the next one becomes so.
XLAB_INLINE void close_level(const Places& s, std::int64_t level) {
    Page& page = page_of(s, level);
    Side& owner = side_at(s, page.symbol, page.side);
    const std::uint64_t bit = std::uint64_t{1} << (level & 63);
    if (owner.best_level == static_cast<std::uint64_t>(level)) {
        const std::uint64_t beyond = page.bitmap & ~bit;  // the best has no level before it
        const std::int64_t following =
            beyond ? (level & ~std::int64_t{63}) | first_bit(beyond, (page.side & 1) == 1)
                   : next_level(s, level);
        owner.best_level = static_cast<std::uint32_t>(following);
        owner.best_price = following ? static_cast<std::int32_t>(price_of(s, following)) : 0;
    }
    page.bitmap &= ~bit;
    if (page.bitmap == 0) drop_page(s, level >> 6);
}

// The page of a side, or 0; most orders stand on the page of the best.
XLAB_INLINE std::int64_t find_page(const Places& s, std::int64_t symbol, std::int64_t side,
                                   std::int64_t number) {
    const Side& owner = side_at(s, symbol, side);
    if (owner.best_price && owner.best_price >> 6 == number) return owner.best_level >> 6;
    return look_up(s, directory_key(symbol, side, 0, number));
}

}  // namespace xlab
