// The C functions of exchange_lab.h: they look at what they are given and hand it to the core.
#include "exchange_lab.h"

#include <cstdlib>
#include <new>

#include "ladder.hpp"
#include "lay_out.hpp"

using namespace xlab;

struct exchange_lab_engine {
    Places places;
    void* own;  // the memory to free, or null
};

static_assert(sizeof(exchange_lab_command) == sizeof(Command));
static_assert(sizeof(exchange_lab_event) == sizeof(Event));

namespace {

const Command* as_commands(const exchange_lab_command* commands) {
    return reinterpret_cast<const Command*>(commands);
}

std::size_t smaller(std::size_t a, std::size_t b) { return a < b ? a : b; }

bool has_symbol(const exchange_lab_engine* engine, std::uint16_t symbol) {
    return symbol < engine->places.header->symbols;
}

exchange_lab_engine* engine_on(void* buffer, const Sizes& sizes, void* own) {
    if (!claim(buffer, sizes)) return nullptr;
    return new (std::nothrow) exchange_lab_engine{places_at(buffer), own};
}

std::int32_t best(const exchange_lab_engine* engine, std::uint16_t symbol, std::int64_t side) {
    if (!has_symbol(engine, symbol)) return 0;
    return static_cast<std::int32_t>(best_price(engine->places, symbol, side));
}

}  // namespace

size_t exchange_lab_bytes_needed(uint32_t orders, uint32_t symbols, uint32_t owners,
                                 uint32_t pages) {
    const Sizes sizes = sizes_of(orders, symbols, owners, pages);
    return sizes.orders ? bytes_needed(sizes) : 0;
}

exchange_lab_engine* exchange_lab_create(uint32_t orders, uint32_t symbols, uint32_t owners,
                                         uint32_t pages) {
    const Sizes sizes = sizes_of(orders, symbols, owners, pages);
    if (!sizes.orders) return nullptr;
    void* memory = std::calloc(1, bytes_needed(sizes) + 64);  // untouched pages cost nothing
    if (!memory) return nullptr;
    const std::uintptr_t line = (reinterpret_cast<std::uintptr_t>(memory) + 63) / 64 * 64;
    exchange_lab_engine* engine = engine_on(reinterpret_cast<void*>(line), sizes, memory);
    if (!engine) std::free(memory);
    return engine;
}

exchange_lab_engine* exchange_lab_open(void* buffer, size_t bytes, uint32_t orders,
                                       uint32_t symbols, uint32_t owners, uint32_t pages) {
    const Sizes sizes = sizes_of(orders, symbols, owners, pages);
    if (!sizes.orders || !buffer || bytes < bytes_needed(sizes)) return nullptr;
    if (reinterpret_cast<std::uintptr_t>(buffer) % 8) return nullptr;
    return engine_on(buffer, sizes, nullptr);
}

size_t exchange_lab_submit(exchange_lab_engine* engine, const exchange_lab_command* commands,
                           size_t count, exchange_lab_event* events, size_t room,
                           const exchange_lab_times* times, size_t* written) {
    const auto counts =
        submit(engine->places, as_commands(commands), static_cast<std::int64_t>(count),
               reinterpret_cast<Event*>(events), static_cast<std::int64_t>(room),
               times ? times->ticks : nullptr, times ? times->clock : 0);
    *written = static_cast<size_t>(counts.second);
    return static_cast<size_t>(counts.first);
}

size_t exchange_lab_run(exchange_lab_engine* engine, const exchange_lab_command* commands,
                        size_t count, exchange_lab_event* events, size_t room, size_t every,
                        exchange_lab_receive receive, void* context) {
    size_t taken = 0, written = 0;
    if (room == 0) return 0;
    if (every == 0) every = 1;
    bool waits = engine->places.header->spill_count != 0;
    while (taken < count || waits) {
        taken += exchange_lab_submit(engine, commands + taken, smaller(every, count - taken),
                                     events, room, nullptr, &written);
        waits = engine->places.header->spill_count != 0;
        if (written && receive(context, events, written) != 0) break;
    }
    return taken;
}

int32_t exchange_lab_best_bid(const exchange_lab_engine* engine, uint16_t symbol) {
    return best(engine, symbol, BUY);
}

int32_t exchange_lab_best_ask(const exchange_lab_engine* engine, uint16_t symbol) {
    return best(engine, symbol, SELL);
}

int64_t exchange_lab_quantity_at(const exchange_lab_engine* engine, uint16_t symbol, uint8_t side,
                                 int32_t price) {
    if (!has_symbol(engine, symbol)) return 0;
    return quantity_at(engine->places, symbol, side, price);
}

uint32_t exchange_lab_live_orders(const exchange_lab_engine* engine) {
    return engine->places.header->live_orders;
}

void exchange_lab_destroy(exchange_lab_engine* engine) {
    if (engine) std::free(engine->own);
    delete engine;
}
