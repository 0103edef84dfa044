/* The native price ladder as a C library: for programs in other languages and for benchmark
 * harnesses. Link libexchange_lab; it needs neither Python nor the C++ headers beside it.
 *
 *     exchange_lab_engine *engine = exchange_lab_create(100000, 1, 0, 0);
 *     size_t taken = exchange_lab_submit(engine, commands, count, events, room, NULL, &written);
 *     ...
 *     exchange_lab_destroy(engine);
 *
 * Commands and events are 64 bytes, one cache line, little-endian, and the same everywhere in
 * Exchange Lab: engines/messages.py says what each field means and lists the codes,
 * engines/matching/rules.py which command is carried out and which rejected, and why. Prices are
 * ticks from 1 to 2^31-1, quantities lots from 1 to 2^31-1. Bytes that a command does not use are
 * zero.
 *
 * Arrays and buffers are aligned to 8 bytes. One thread at a time may use an engine. No function
 * keeps a pointer that it is given, except exchange_lab_open the buffer. No function writes to
 * standard output, raises, or exits.
 */
#ifndef EXCHANGE_LAB_H
#define EXCHANGE_LAB_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define EXCHANGE_LAB_API __declspec(dllexport)
#else
#define EXCHANGE_LAB_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct exchange_lab_command {
    uint64_t sequence;
    int64_t time_ns;
    uint64_t order_id;
    uint64_t ref;
    int32_t price;
    int32_t stop_price;
    int32_t quantity;
    int32_t display_quantity;
    int32_t min_quantity;
    uint32_t owner;
    uint16_t symbol;
    uint8_t kind;       /* 1 new, 2 cancel, 3 reduce, 4 replace, ... */
    uint8_t order_type; /* 0 limit, 1 market, ... */
    uint8_t side;       /* 0 buy, 1 sell */
    uint8_t tif;        /* 0 good till cancelled, 1 immediate or cancel, ... */
    uint8_t stp;
    uint8_t flags;
} exchange_lab_command;

typedef struct exchange_lab_event {
    uint64_t sequence; /* of the command */
    int64_t time_ns;
    uint64_t order_id;
    uint64_t other_id;
    int32_t price;
    int32_t quantity;
    int32_t remaining;
    int32_t other_remaining;
    uint32_t owner;
    uint32_t other_owner;
    uint32_t index; /* within the command, from 0 */
    uint16_t symbol;
    uint8_t kind; /* low six bits the kind, bit 6 the side, bit 7 last of its command */
    uint8_t reason;
} exchange_lab_event;

typedef struct exchange_lab_engine exchange_lab_engine;

/* Which clock exchange_lab_times names. */
enum exchange_lab_clock {
    EXCHANGE_LAB_CYCLES = 1,       /* the processor's cycle counter; x86-64, elsewhere all is 0 */
    EXCHANGE_LAB_MONOTONIC_NS = 2, /* CLOCK_MONOTONIC */
};

/* Where exchange_lab_submit shall put the time of each command. */
typedef struct exchange_lab_times {
    int64_t *ticks; /* as long as the batch */
    enum exchange_lab_clock clock;
} exchange_lab_times;

/* How many bytes the buffer of an engine has; 0 if the sizes cannot be.
 *
 * orders   how many orders may live at once, 1 to 2^26
 * symbols  how many books, 1 to 65535
 * owners   how many owners may have risk limits, 1 to 2^20; 0 for 1024
 * pages    how many pages of 64 ticks may be in use at once, 1 to 349524; 0 for as many as can be
 *          needed, up to that number
 */
EXCHANGE_LAB_API size_t exchange_lab_bytes_needed(uint32_t orders, uint32_t symbols,
                                                  uint32_t owners, uint32_t pages);

/* Makes an engine in memory of its own, all books empty. NULL if the sizes cannot be or there is
 * no memory. That memory is touched when it is first needed, which costs a page fault each time: who
 * measures opens an engine on memory that is present. */
EXCHANGE_LAB_API exchange_lab_engine *exchange_lab_create(uint32_t orders, uint32_t symbols,
                                                          uint32_t owners, uint32_t pages);

/* Makes an engine in the caller's memory: huge pages, a mapped file, memory shared with other
 * processes. All zero it becomes a new one; an engine found in it, of the same sizes, is
 * continued, whichever of price_ladder and native wrote it. It must be aligned to 8 bytes (64 is
 * faster) and outlive the engine; all state lies in it, and exchange_lab_destroy leaves it as it
 * is. NULL if the sizes cannot be, the buffer is too small or holds something else, or its writer
 * ended in the middle of a command. */
EXCHANGE_LAB_API exchange_lab_engine *exchange_lab_open(void *buffer, size_t bytes,
                                                        uint32_t orders, uint32_t symbols,
                                                        uint32_t owners, uint32_t pages);

/* Takes commands in order and writes what happened.
 *
 * A command is always completed: events that no longer fit wait in the engine and come first in
 * the next call, and no command is taken before they are out. So after a call that took fewer
 * commands than it was given, or filled the events to the last, call again with the rest (of no
 * commands, to fetch what waits).
 *
 * room      how many events fit, at least 1
 * times     NULL, or where each command's time goes; nothing is fetched ahead then
 * written   receives how many events were written; not NULL
 * Returns how many commands were taken. */
EXCHANGE_LAB_API size_t exchange_lab_submit(exchange_lab_engine *engine,
                                            const exchange_lab_command *commands, size_t count,
                                            exchange_lab_event *events, size_t room,
                                            const exchange_lab_times *times, size_t *written);

/* Receives events, in order, while a batch runs. They are the caller's until it returns. It must
 * not call the engine. Returning 0 goes on; anything else ends the batch after this hand-over. */
typedef int (*exchange_lab_receive)(void *context, const exchange_lab_event *events, size_t count);

/* Takes commands in order and hands events to `receive` while the batch is still running: after
 * every `every` commands (1 or more), and whenever `events`, which the caller lends, is full: `room`
 * of them, 1 or more.
 *
 * Returns how many commands were taken: all of them, unless `receive` ended the batch. Events of
 * commands taken that it has not been handed are handed first by the next call, which may be one
 * of no commands. */
EXCHANGE_LAB_API size_t exchange_lab_run(exchange_lab_engine *engine,
                                         const exchange_lab_command *commands, size_t count,
                                         exchange_lab_event *events, size_t room, size_t every,
                                         exchange_lab_receive receive, void *context);

/* The best price of a side of the displayed book, 0 if it is empty or there is no such symbol.
 * Constant time. */
EXCHANGE_LAB_API int32_t exchange_lab_best_bid(const exchange_lab_engine *engine, uint16_t symbol);
EXCHANGE_LAB_API int32_t exchange_lab_best_ask(const exchange_lab_engine *engine, uint16_t symbol);

/* The displayed quantity at a price of a side (0 buy, 1 sell), 0 if there is none. Constant time:
 * a look into a hash table, however many orders and levels there are. */
EXCHANGE_LAB_API int64_t exchange_lab_quantity_at(const exchange_lab_engine *engine,
                                                  uint16_t symbol, uint8_t side, int32_t price);

/* How many orders live, over all symbols. */
EXCHANGE_LAB_API uint32_t exchange_lab_live_orders(const exchange_lab_engine *engine);

/* Ends an engine and frees its own memory; NULL is let pass. */
EXCHANGE_LAB_API void exchange_lab_destroy(exchange_lab_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
