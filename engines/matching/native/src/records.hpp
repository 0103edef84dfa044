// The records of engines/messages.py as C++ structs, and its codes. Nothing else in here knows how
// a command or an event is laid out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace xlab {

struct Command {
    std::uint64_t sequence;
    std::int64_t time_ns;
    std::uint64_t order_id;
    std::uint64_t ref;
    std::int32_t price;
    std::int32_t stop_price;
    std::int32_t quantity;
    std::int32_t display_quantity;
    std::int32_t min_quantity;
    std::uint32_t owner;
    std::uint16_t symbol;
    std::uint8_t kind;
    std::uint8_t order_type;
    std::uint8_t side;
    std::uint8_t tif;
    std::uint8_t stp;
    std::uint8_t flags;
};

struct Event {
    std::uint64_t sequence;
    std::int64_t time_ns;
    std::uint64_t order_id;
    std::uint64_t other_id;
    std::int32_t price;
    std::int32_t quantity;
    std::int32_t remaining;
    std::int32_t other_remaining;
    std::uint32_t owner;
    std::uint32_t other_owner;
    std::uint32_t index;
    std::uint16_t symbol;
    std::uint8_t kind;
    std::uint8_t reason;
};

static_assert(sizeof(Command) == 64 && offsetof(Command, price) == 32 &&
              offsetof(Command, symbol) == 56 && offsetof(Command, flags) == 63);
static_assert(sizeof(Event) == 64 && offsetof(Event, price) == 32 &&
              offsetof(Event, index) == 56 && offsetof(Event, reason) == 63);

constexpr std::int64_t PRICE_MAX = 2147483647;
constexpr std::uint32_t ALL_SYMBOLS = 65535;
constexpr std::int64_t ALL_SIDES = 2;
constexpr std::uint32_t ANY_OWNER = 0;
constexpr std::uint8_t LAST_BIT = 0x80;

enum CommandKind : std::uint8_t {
    NEW = 1, CANCEL, REDUCE, REPLACE, MASS_CANCEL, TICK, STATE, COLLAR, LIMITS, KILL, DEFINE,
};

namespace event {
enum Kind : std::uint8_t {
    ACCEPTED = 1, TRADE, RESTED, REFRESHED, REDUCED, REPLACED, CANCELLED, EXPIRED, TRIGGERED,
    REJECTED, STATE, AUCTION, DONE,
};
}  // namespace event

enum OrderType : std::uint8_t {
    LIMIT, MARKET, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT,
};

enum SideCode : std::uint8_t { BUY, SELL };

enum TimeInForce : std::uint8_t { GTC, IOC, FOK, DAY, GTD };

namespace stp {
enum Mode : std::uint8_t { NONE, CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH, DECREMENT };
}  // namespace stp

enum Flag : std::uint8_t { POST_ONLY = 1, REPRICE = 2, ALL_OR_NONE = 4 };

namespace state {
enum State : std::uint8_t { CONTINUOUS, PRE_OPEN, OPENING_CALL, HALTED, CLOSING_CALL, CLOSED };
}  // namespace state

// Where a live order waits.
namespace place {
enum Place : std::uint8_t { BOOK, ALL_OR_NONE, AUCTION, STOP };
}  // namespace place

namespace reason {
enum Reason : std::uint8_t {
    NONE = 0,
    UNKNOWN_KIND = 1, UNSUPPORTED = 2, UNKNOWN_SYMBOL = 3, WRONG_STATE = 4,
    BAD_ID = 10, BAD_SIDE = 11, BAD_ORDER_TYPE = 12, BAD_TIF = 13, BAD_STP = 14, BAD_FLAGS = 15,
    BAD_QUANTITY = 16, BAD_PRICE = 17, BAD_STOP_PRICE = 18, BAD_DISPLAY_QUANTITY = 19,
    BAD_MIN_QUANTITY = 20, BAD_TIME = 21, NO_LAST_PRICE = 22,
    UNKNOWN_ORDER = 30, DUPLICATE_ID = 31,
    OVER_QUANTITY_LIMIT = 40, OVER_NOTIONAL_LIMIT = 41, OVER_ORDER_LIMIT = 42, KILLED = 43,
    OUTSIDE_COLLAR = 50, NOT_FILLABLE = 60, WOULD_TAKE = 61, BELOW_MIN_QUANTITY = 62,
    BOOK_FULL = 70,
    REQUESTED = 100, REDUCED_TO_ZERO = 101, IOC_RESIDUE = 102, MARKET_RESIDUE = 103,
    COLLAR_RESIDUE = 104, SELF_TRADE = 105, MASS_CANCELLED = 106, KILL_SWITCH = 107,
    DAY_ENDED = 108, TIME_REACHED = 109, TOO_MANY_TURNS = 110,
    PRIORITY_KEPT = 120, PRIORITY_LOST = 121, REPRICED = 122, SLICED = 123, ALL_OR_NONE = 124,
    AUCTION_ONLY = 125, STOP = 126, INDICATIVE = 127,
};
}  // namespace reason

}  // namespace xlab
