// The checks of a NEW's fields, in the order of engines/matching/rules.py.
//
// What the textbook cannot do is looked at last, so a field that is wrong has the reason that it has
// on every engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "records.hpp"

namespace xlab::textbook {

// An order with nothing rare about it, in one test: the road that almost all of them take.
inline bool is_plain(const Command& c) {
    const bool rare = (c.order_type | c.tif | c.stp | c.flags) != 0 ||
                      (c.stop_price | c.display_quantity | c.min_quantity) != 0;
    return !rare && c.order_id != 0 && c.side <= SELL && c.quantity > 0 && c.price > 0;
}

inline bool has_limit(const Command& c) {
    return c.order_type == LIMIT || c.order_type == STOP_LIMIT ||
           c.order_type == TRAILING_STOP_LIMIT;
}

inline bool is_at_once(const Command& c) { return c.tif == IOC || c.tif == FOK; }

inline bool flags_clash(const Command& c) {
    const bool whole = c.flags & ALL_OR_NONE;
    if (c.flags & POST_ONLY) return c.order_type != LIMIT || is_at_once(c) || whole;
    return (c.flags & REPRICE) || (whole && !has_limit(c));
}

// The first code that does not exist or goes with none of the others.
inline std::uint8_t why_codes_rejected(const Command& c) {
    if (c.side > SELL) return reason::BAD_SIDE;
    if (c.order_type > TRAILING_STOP_LIMIT) return reason::BAD_ORDER_TYPE;
    if (c.tif > GTD) return reason::BAD_TIF;
    if (c.stp > stp::DECREMENT) return reason::BAD_STP;
    if (c.flags > (POST_ONLY | REPRICE | ALL_OR_NONE) || flags_clash(c)) return reason::BAD_FLAGS;
    return reason::NONE;
}

inline bool is_price_wrong(const Command& c) {
    if (c.order_type == LIMIT || c.order_type == STOP_LIMIT) return c.price < 1;
    return c.price < 0 || (c.order_type == TRAILING_STOP && c.price != 0);
}

// Whether a part of the order's quantity cannot be that: none may be asked for, or not so much.
inline bool is_part_wrong(std::int32_t part, const Command& c, bool none_allowed) {
    return none_allowed ? part != 0 : part < 0 || part > c.quantity;
}

inline bool is_expiry_wrong(const Command& c) {
    if (c.tif != GTD) return false;
    const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(c.time_ns, 0));
    return c.ref <= now || c.ref > std::numeric_limits<std::int64_t>::max();
}

// The first number that cannot be, for codes that can.
inline std::uint8_t why_numbers_rejected(const Command& c) {
    if (c.quantity < 1) return reason::BAD_QUANTITY;
    if (is_price_wrong(c)) return reason::BAD_PRICE;
    if (c.order_type <= MARKET ? c.stop_price != 0 : c.stop_price < 1)
        return reason::BAD_STOP_PRICE;
    const bool shows_all = !has_limit(c) || is_at_once(c) || (c.flags & ALL_OR_NONE);
    if (is_part_wrong(c.display_quantity, c, shows_all)) return reason::BAD_DISPLAY_QUANTITY;
    const bool no_minimum = c.flags & (POST_ONLY | ALL_OR_NONE);
    if (is_part_wrong(c.min_quantity, c, no_minimum)) return reason::BAD_MIN_QUANTITY;
    return is_expiry_wrong(c) ? reason::BAD_TIME : reason::NONE;
}

inline bool is_rare(const Command& c) {
    return c.order_type > MARKET || c.tif > IOC || c.stp != 0 || c.flags != 0 ||
           c.display_quantity != 0 || c.min_quantity != 0;
}

// The first check of a NEW's fields that fails.
inline std::uint8_t why_fields_rejected(const Command& c) {
    if (is_plain(c)) return reason::NONE;
    if (c.order_id == 0) return reason::BAD_ID;
    std::uint8_t why = why_codes_rejected(c);
    if (why == reason::NONE) why = why_numbers_rejected(c);
    if (why != reason::NONE) return why;
    return is_rare(c) ? reason::UNSUPPORTED : reason::NONE;
}

}  // namespace xlab::textbook
