// The textbook engine as a Python class: numpy arrays in and out, no copy, the GIL released.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "batch.hpp"
#include "buffers.hpp"
#include "textbook.hpp"

namespace nb = nanobind;

namespace xlab {
namespace {

using textbook::Order;

// ORDER and LEVEL of engines/messages.py: what an engine shows of itself.
struct OrderRecord {
    std::uint64_t order_id;
    std::int32_t price, quantity;
    std::uint32_t owner;
    std::uint16_t symbol;
    std::uint8_t side, flags;
};
struct LevelRecord {
    std::int32_t price;
    std::uint32_t count;
    std::int64_t quantity;
};
static_assert(sizeof(OrderRecord) == 24 && sizeof(LevelRecord) == 16);

OrderRecord record_of(const Order& order, std::size_t symbol) {
    return {order.order_id, order.price, order.quantity, order.owner,
            static_cast<std::uint16_t>(symbol), order.side, 0};
}

struct Textbook : textbook::Engine {
    using Engine::Engine;
    std::mutex in_use;
};

nb::tuple submit(Textbook& engine, nb::handle commands, nb::handle events, nb::handle ticks,
                 int clock) {
    const auto run = [&engine, clock](const Command* in, std::int64_t count, Event* out,
                                      std::int64_t room, std::int64_t* times) -> Counts {
        const auto [taken, written] = engine.submit(in, count, out, room, times, clock);
        return {taken, written};
    };
    return submit_arrays(commands, events, ticks, engine.in_use, run);
}

template <class Levels>
OrderRecord* write_side(const Levels& levels, std::size_t symbol, OrderRecord* out) {
    for (const auto& [price, level] : levels)
        for (const Order& order : level.orders) *out++ = record_of(order, symbol);
    return out;
}

std::size_t count_orders(const Textbook& engine, std::size_t symbol) {
    return engine.book(symbol).index.size();
}

// Writes the live orders of the symbols from `first` to before `last`.
void write_orders(const Textbook& engine, std::size_t first, std::size_t last, nb::handle array) {
    Records<OrderRecord> records(array, Access::write);
    OrderRecord* out = records.data();
    for (std::size_t symbol = first; symbol < last; ++symbol) {
        out = write_side(engine.book(symbol).bids, symbol, out);
        out = write_side(engine.book(symbol).asks, symbol, out);
    }
}

bool write_order(const Textbook& engine, std::size_t symbol, std::uint64_t id, nb::handle array) {
    const auto& index = engine.book(symbol).index;
    const auto found = index.find(id);
    if (found == index.end()) return false;
    Records<OrderRecord>(array, Access::write).data()[0] =
        record_of(*found->second.order, symbol);
    return true;
}

std::pair<std::size_t, std::size_t> count_levels(const Textbook& engine, std::size_t symbol) {
    return {engine.book(symbol).bids.size(), engine.book(symbol).asks.size()};
}

template <class Levels>
void write_levels(const Levels& levels, nb::handle array) {
    Records<LevelRecord> out(array, Access::write);
    auto level = levels.begin();
    for (std::size_t place = 0; place < out.size(); ++place, ++level)
        out.data()[place] = {level->first, static_cast<std::uint32_t>(level->second.orders.size()),
                             level->second.quantity};
}

// Writes as many levels of each side as the arrays have room for.
void write_depth(const Textbook& engine, std::size_t symbol, nb::handle bids, nb::handle asks) {
    write_levels(engine.book(symbol).bids, bids);
    write_levels(engine.book(symbol).asks, asks);
}

void write_last_prices(const Textbook& engine, nb::handle array) {
    Records<std::int32_t> prices(array, Access::write);
    for (std::size_t symbol = 0; symbol < prices.size(); ++symbol)
        prices.data()[symbol] = engine.book(symbol).last_price;
}

std::size_t count_undelivered(const Textbook& engine) { return engine.undelivered().size(); }

void write_undelivered(const Textbook& engine, nb::handle array) {
    Records<Event> events(array, Access::write);
    Event* out = events.data();
    for (const Event& event : engine.undelivered()) *out++ = event;
}

void restore(Textbook& engine, nb::handle orders, nb::handle last_prices, nb::handle undelivered,
             std::uint64_t last_sequence) {
    Records<OrderRecord> records(orders, Access::read);
    for (std::size_t place = 0; place < records.size(); ++place) {
        const OrderRecord& order = records.data()[place];
        engine.rest(order.symbol, {order.order_id, order.owner, order.price, order.quantity,
                                   order.side});
    }
    Records<std::int32_t> prices(last_prices, Access::read);
    for (std::size_t symbol = 0; symbol < prices.size(); ++symbol)
        engine.set_last_price(symbol, prices.data()[symbol]);
    Records<Event> events(undelivered, Access::read);
    for (std::size_t place = 0; place < events.size(); ++place)
        engine.leave_undelivered(events.data()[place]);
    engine.last_sequence = last_sequence;
}

}  // namespace

void bind_textbook(nb::module_& module) {
    // The class of engines/matching/textbook.py looks at sizes and symbols before it calls these.
    nb::class_<Textbook>(module, "Textbook", "The textbook's engine; see engines.matching.textbook.")
        .def(nb::init<std::size_t, std::size_t>())
        .def("submit", &submit, nb::arg(), nb::arg(), nb::arg().none(), nb::arg())
        .def("count_orders", &count_orders)
        .def("write_orders", &write_orders)
        .def("write_order", &write_order)
        .def("count_levels", &count_levels)
        .def("write_depth", &write_depth)
        .def("write_last_prices", &write_last_prices)
        .def("count_undelivered", &count_undelivered)
        .def("write_undelivered", &write_undelivered)
        .def("restore", &restore)
        .def("problem", &Textbook::problem)
        .def_prop_ro("live", &Textbook::live)
        .def_ro("last_sequence", &Textbook::last_sequence);
}

}  // namespace xlab
