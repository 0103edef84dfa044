// The matching engine of every interview: std::map of std::list with an unordered_map, for limit and
// market orders, GTC and IOC, cancel, reduce and replace. The C++ baseline that a structure of its
// own has to beat. The contract stands in engines/matching/api.py.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "clock.hpp"
#include "records.hpp"
#include "textbook_book.hpp"
#include "textbook_checks.hpp"

namespace xlab::textbook {

struct Progress {
    std::size_t taken;
    std::size_t written;
};

class Engine {
 public:
    Engine(std::size_t orders_max, std::size_t symbols)
        : orders_max_(orders_max), books_(symbols) {
        // A share for each book and never more than a million: a bucket costs memory at once.
        const std::size_t share = std::min<std::size_t>(orders_max / symbols, 1 << 20);
        for (Book& book : books_) book.index.reserve(share);
    }

    // Takes commands in order and writes what happened; `ticks` may be null. See the contract.
    Progress submit(const Command* commands, std::size_t count, Event* events, std::size_t room,
                    std::int64_t* ticks, int clock) {
        out_ = events;
        end_ = events + room;
        deliver();
        std::size_t taken = 0;
        for (; taken < count && spill_.empty(); ++taken) {
            const std::int64_t start = ticks ? read_ticks(clock) : 0;
            take(commands[taken]);
            if (ticks) ticks[taken] = read_ticks(clock) - start;
        }
        if (taken > 0) last_sequence = commands[taken - 1].sequence;
        return {taken, static_cast<std::size_t>(out_ - events)};
    }

    std::size_t symbols() const { return books_.size(); }
    std::size_t live() const { return live_; }
    const Book& book(std::size_t symbol) const { return books_[symbol]; }
    const std::deque<Event>& undelivered() const { return spill_; }

    // Filling an empty engine with what another one held: orders by priority, last prices, events.
    void rest(std::size_t symbol, const Order& order) {
        books_[symbol].rest(order);
        ++live_;
    }
    void set_last_price(std::size_t symbol, std::int32_t price) {
        books_[symbol].last_price = price;
    }
    void leave_undelivered(const Event& event) { spill_.push_back(event); }

    // Says what is wrong with the structure, or nothing.
    std::string problem() const {
        std::size_t live = 0;
        for (std::size_t symbol = 0; symbol < books_.size(); ++symbol) {
            const std::string problem = books_[symbol].problem();
            if (!problem.empty()) return problem + ", in symbol " + std::to_string(symbol);
            live += books_[symbol].index.size();
        }
        if (live == live_ && live <= orders_max_) return "";
        return std::to_string(live) + " orders are live, " + std::to_string(live_) +
               " are counted, " + std::to_string(orders_max_) + " fit";
    }

    std::uint64_t last_sequence = 0;

 private:
    // -- what each command does ------------------------------------------------------------------

    void take(const Command& command) {
        index_ = 0;
        switch (command.kind) {
            case NEW: enter(command); break;
            case CANCEL: cancel(command); break;
            case REDUCE: reduce(command); break;
            case REPLACE: replace(command); break;
            case MASS_CANCEL:
            case TICK:
            case STATE:
            case COLLAR:
            case LIMITS:
            case KILL:
            case DEFINE: reject(command, reason::UNSUPPORTED); break;
            default: reject(command, reason::UNKNOWN_KIND);
        }
        last_->kind |= LAST_BIT;
    }

    void enter(const Command& c) {
        if (c.symbol >= books_.size()) return reject(c, reason::UNKNOWN_SYMBOL);
        const std::uint8_t why = why_fields_rejected(c);
        if (why != reason::NONE) return reject(c, why);
        Book& book = books_[c.symbol];
        if (book.index.count(c.order_id)) return reject(c, reason::DUPLICATE_ID);
        const bool may_rest = c.order_type == LIMIT && c.tif == GTC;
        if (may_rest && live_ >= orders_max_) return reject(c, reason::BOOK_FULL);
        Order order{c.order_id, c.owner, c.price, c.quantity, c.side};
        tell(c, order, 0, c.quantity, c.quantity, 0, 0, event::ACCEPTED, reason::NONE);
        match(c, book, order);
        if (order.quantity == 0) return;
        if (may_rest) {
            rest(c.symbol, order);
        } else {
            end(c, order, c.order_type == LIMIT ? reason::IOC_RESIDUE : reason::MARKET_RESIDUE);
        }
    }

    void cancel(const Command& c) {
        Index::iterator found;
        if (!find(c, reason::NONE, found)) return;
        end(c, *found->second.order, reason::REQUESTED);
        remove(books_[c.symbol], found);
    }

    void reduce(const Command& c) {
        Index::iterator found;
        if (!find(c, c.quantity < 1 ? reason::BAD_QUANTITY : reason::NONE, found)) return;
        auto [level, order] = found->second;
        if (c.quantity >= order->quantity) {
            end(c, *order, reason::REDUCED_TO_ZERO);
            return remove(books_[c.symbol], found);
        }
        order->quantity -= c.quantity;
        level->quantity -= c.quantity;
        tell(c, *order, 0, c.quantity, order->quantity, 0, 0, event::REDUCED, reason::REQUESTED);
    }

    void replace(const Command& c) {
        const std::uint8_t wrong = c.quantity < 1 ? reason::BAD_QUANTITY
                                   : c.price < 1  ? reason::BAD_PRICE
                                                  : reason::NONE;
        Index::iterator found;
        if (!find(c, wrong, found)) return;
        Book& book = books_[c.symbol];
        const Order old = *found->second.order;
        const std::uint64_t new_id = c.ref != 0 ? c.ref : old.order_id;
        if (new_id != old.order_id && book.index.count(new_id))
            return reject(c, reason::DUPLICATE_ID);
        Order order{new_id, old.owner, c.price, c.quantity, old.side};
        const bool keeps = c.price == old.price && c.quantity <= old.quantity;
        tell(c, order, old.order_id, c.quantity, c.quantity, old.quantity, 0, event::REPLACED,
             keeps ? reason::PRIORITY_KEPT : reason::PRIORITY_LOST);
        if (keeps) return rewrite(book, found, order);
        remove(book, found);
        match(c, book, order);
        if (order.quantity != 0) rest(c.symbol, order);
    }

    // -- parts of them ---------------------------------------------------------------------------

    // Finds the live order that a command names; rejects the command where it has none.
    bool find(const Command& c, std::uint8_t wrong, Index::iterator& found) {
        if (c.symbol >= books_.size()) return reject(c, reason::UNKNOWN_SYMBOL), false;
        if (c.order_id == 0) return reject(c, reason::BAD_ID), false;
        if (wrong != reason::NONE) return reject(c, wrong), false;
        Index& index = books_[c.symbol].index;
        found = index.find(c.order_id);
        const bool is_own = found != index.end() && found->second.order->owner == c.owner;
        if (!is_own) reject(c, reason::UNKNOWN_ORDER);
        return is_own;
    }

    void match(const Command& c, Book& book, Order& taker) {
        if (taker.side == BUY) {
            const auto worst = static_cast<std::int32_t>(PRICE_MAX);
            const std::int32_t limit = taker.price != 0 ? taker.price : worst;
            match(c, book, book.asks, taker, limit);
        } else {
            match(c, book, book.bids, taker, taker.price);
        }
    }

    // Trades with the other side, best level first, up to the taker's limit.
    template <class Levels>
    void match(const Command& c, Book& book, Levels& levels, Order& taker, std::int32_t limit) {
        while (taker.quantity != 0 && !levels.empty()) {
            const auto best = levels.begin();
            if (levels.key_comp()(limit, best->first)) return;
            trade_at(c, book, best->second, taker);
            if (best->second.orders.empty()) levels.erase(best);
        }
    }

    void trade_at(const Command& c, Book& book, Level& level, Order& taker) {
        while (taker.quantity != 0 && !level.orders.empty()) {
            Order& maker = level.orders.front();
            const std::int32_t quantity = std::min(taker.quantity, maker.quantity);
            taker.quantity -= quantity;
            maker.quantity -= quantity;
            level.quantity -= quantity;
            book.last_price = maker.price;
            tell_trade(c, taker, maker, quantity);
            if (maker.quantity != 0) return;
            book.index.erase(maker.order_id);
            level.orders.pop_front();
            --live_;
        }
    }

    void remove(Book& book, Index::iterator found) {
        book.remove(found);
        --live_;
    }

    // Makes an order smaller where it stands, under the same id or a new one.
    void rewrite(Book& book, Index::iterator found, const Order& order) {
        auto [level, place] = found->second;
        level->quantity -= place->quantity - order.quantity;
        if (order.order_id != place->order_id) {
            auto entry = book.index.extract(found);
            entry.key() = order.order_id;
            book.index.insert(std::move(entry));
        }
        *place = order;
    }

    // -- telling what happened -------------------------------------------------------------------

    void deliver() {
        while (out_ != end_ && !spill_.empty()) {
            *out_++ = spill_.front();
            spill_.pop_front();
        }
    }

    void write(const Event& event) {
        if (out_ != end_) {
            last_ = out_++;
        } else {
            spill_.emplace_back();
            last_ = &spill_.back();
        }
        *last_ = event;
        ++index_;
    }

    void tell(const Command& c, const Order& order, std::uint64_t other_id, std::int32_t quantity,
              std::int32_t remaining, std::int32_t other_remaining, std::uint32_t other_owner,
              std::uint8_t kind, std::uint8_t why) {
        write({c.sequence, c.time_ns, order.order_id, other_id, order.price, quantity, remaining,
               other_remaining, order.owner, other_owner, index_, c.symbol,
               static_cast<std::uint8_t>(kind | order.side << 6), why});
    }

    void tell_trade(const Command& c, const Order& taker, const Order& maker,
                    std::int32_t quantity) {
        write({c.sequence, c.time_ns, taker.order_id, maker.order_id, maker.price, quantity,
               taker.quantity, maker.quantity, taker.owner, maker.owner, index_, c.symbol,
               static_cast<std::uint8_t>(event::TRADE | taker.side << 6), reason::NONE});
    }

    // Says that all that remained of an order is cancelled.
    void end(const Command& c, const Order& order, std::uint8_t why) {
        tell(c, order, 0, order.quantity, 0, 0, 0, event::CANCELLED, why);
    }

    // Echoes a command that is not carried out.
    void reject(const Command& c, std::uint8_t why) {
        write({c.sequence, c.time_ns, c.order_id, c.ref, c.price, c.quantity, 0, 0, c.owner, 0,
               index_, c.symbol, static_cast<std::uint8_t>(event::REJECTED | (c.side & 1) << 6),
               why});
    }

    std::size_t orders_max_;
    std::size_t live_ = 0;
    std::vector<Book> books_;
    std::deque<Event> spill_;  // events that are not delivered yet
    Event* out_ = nullptr;     // where the next event goes, up to end_
    Event* end_ = nullptr;
    Event* last_ = nullptr;    // the event before it, wherever that went
    std::uint32_t index_ = 0;  // of the next event within its command
};

}  // namespace xlab::textbook
