// One symbol's book as every textbook draws it: a sorted map of price levels a side, a linked list
// of orders in each, and a hash map from an order's id to where it stands.
//
// It is the baseline, so it stays plain: the standard containers with their own allocator and hash,
// and nothing that a good engineer would not write down at once.
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "records.hpp"

namespace xlab::textbook {

struct Order {
    std::uint64_t order_id;
    std::uint32_t owner;
    std::int32_t price;
    std::int32_t quantity;
    std::uint8_t side;
};

using Queue = std::list<Order>;

struct Level {
    std::int64_t quantity = 0;
    Queue orders;  // the oldest first
};

// The best price comes first on both sides.
using Bids = std::map<std::int32_t, Level, std::greater<std::int32_t>>;
using Asks = std::map<std::int32_t, Level>;

// Neither a level nor an order moves while it lives.
struct Location {
    Level* level;
    Queue::iterator order;
};

using Index = std::unordered_map<std::uint64_t, Location>;

struct Book {
    Bids bids;
    Asks asks;
    Index index;
    std::int32_t last_price = 0;

    // Puts an order behind all others of its price.
    void rest(const Order& order) {
        Level& level = order.side == BUY ? bids[order.price] : asks[order.price];
        level.orders.push_back(order);
        level.quantity += order.quantity;
        index.emplace(order.order_id, Location{&level, std::prev(level.orders.end())});
    }

    // Takes a live order out, and its level if it was the last one there. Its place in the list is
    // known, so this is O(1); only a level that empties costs O(log m).
    void remove(Index::iterator found) {
        auto [level, order] = found->second;
        index.erase(found);
        level->quantity -= order->quantity;
        if (level->orders.size() > 1) {
            level->orders.erase(order);
        } else if (order->side == BUY) {
            bids.erase(order->price);
        } else {
            asks.erase(order->price);
        }
    }

    // Says what is wrong with the book, or nothing.
    std::string problem() const;
};

inline std::string problem_of_order(const Book& book, const Level& level, const Order& order,
                                    std::int32_t price, std::uint8_t side) {
    const std::string name = "order " + std::to_string(order.order_id);
    if (order.quantity < 1) return name + " has quantity " + std::to_string(order.quantity);
    if (order.price != price || order.side != side) return name + " stands at the wrong level";
    const auto found = book.index.find(order.order_id);
    if (found == book.index.end()) return name + " is queued and not in the index";
    if (found->second.level != &level || &*found->second.order != &order)
        return name + " is not where the index says";
    return "";
}

// Looks at the levels of one side; adds their orders to `queued`.
template <class Levels>
std::string problem_of_side(const Book& book, const Levels& levels, std::uint8_t side,
                            std::size_t& queued) {
    for (const auto& [price, level] : levels) {
        std::int64_t quantity = 0;
        for (const Order& order : level.orders) {
            std::string problem = problem_of_order(book, level, order, price, side);
            if (!problem.empty()) return problem;
            quantity += order.quantity;
        }
        queued += level.orders.size();
        const std::string name = "level " + std::to_string(price);
        if (level.orders.empty()) return name + " is empty";
        if (quantity != level.quantity)
            return name + " counts " + std::to_string(level.quantity) + " lots and holds " +
                   std::to_string(quantity);
    }
    return "";
}

inline std::string Book::problem() const {
    std::size_t queued = 0;
    std::string problem = problem_of_side(*this, bids, BUY, queued);
    if (problem.empty()) problem = problem_of_side(*this, asks, SELL, queued);
    if (!problem.empty()) return problem;
    if (queued != index.size())
        return std::to_string(queued) + " orders are queued and " + std::to_string(index.size()) +
               " are in the index";
    if (!bids.empty() && !asks.empty() && bids.begin()->first >= asks.begin()->first)
        return "the book is crossed: bid " + std::to_string(bids.begin()->first) + ", ask " +
               std::to_string(asks.begin()->first);
    if (last_price < 0) return "the last price is " + std::to_string(last_price);
    return "";
}

}  // namespace xlab::textbook
