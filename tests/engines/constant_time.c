/* Does one thing many times on a book of some size, for callgrind to count its instructions.
 *
 *     constant_time WHAT SHAPE LIVE_ORDERS TIMES
 *
 * What is counted stands in `measured` alone. A "deep" book has 64 levels a side however many
 * orders live, a "wide" one a level for each order. */
#include <exchange_lab.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEW = 1, CANCEL = 2, BUY = 0, SELL = 1, IMMEDIATE_OR_CANCEL = 1, ROOM = 64 };

static const int32_t MIDDLE = 1 << 21;
static exchange_lab_engine *engine;
static exchange_lab_event events[ROOM];
static uint64_t sequence;
static int is_wide;
static int64_t sum; /* of what was answered, so that no call can be left out */
static int64_t ticks[1];
#if defined(__x86_64__)
static const exchange_lab_times one_at_a_time = {ticks, EXCHANGE_LAB_CYCLES};
#else
static const exchange_lab_times one_at_a_time = {ticks, EXCHANGE_LAB_MONOTONIC_NS};
#endif

static void submit(exchange_lab_command command) {
    size_t written;
    command.sequence = ++sequence;
    /* Timed, so that nothing is fetched ahead: that is done for large books only. */
    if (exchange_lab_submit(engine, &command, 1, events, ROOM, &one_at_a_time, &written) != 1)
        abort();
    sum += (int64_t)written;
}

/* The place of a resting order: even ones are bids, odd ones asks. */
static int32_t price_of(uint64_t place) {
    int32_t step = (int32_t)(place / 2);
    if (!is_wide) step %= 64;
    return place % 2 ? MIDDLE + 1 + step : MIDDLE - step;
}

static void add(uint64_t id, uint64_t place) {
    exchange_lab_command command = {.order_id = id, .kind = NEW, .quantity = 5, .owner = 1};
    command.price = price_of(place);
    command.side = place % 2 ? SELL : BUY;
    submit(command);
}

static void cancel(uint64_t id) {
    exchange_lab_command command = {.order_id = id, .kind = CANCEL, .owner = 1};
    submit(command);
}

/* Buys all of the best ask's oldest order: of a wide book a level, so the next has to be found. */
static void take(uint64_t id) {
    exchange_lab_command command = {.order_id = id, .kind = NEW, .quantity = 5, .owner = 2};
    command.price = 2 * MIDDLE;
    command.tif = IMMEDIATE_OR_CANCEL;
    submit(command);
}

/* Asks for every price: of no constant time, to see that the count would show it. */
static void scan(uint64_t live) {
    for (uint64_t place = 0; place < live; place += 2)
        sum += exchange_lab_quantity_at(engine, 0, BUY, price_of(place));
}

/* `live` is a power of two, so the places are all different. */
__attribute__((noinline)) void measured(const char *what, uint64_t live, uint64_t times) {
    for (uint64_t turn = 0; turn < times; turn++) {
        uint64_t place = turn * 40503 % live;
        switch (what[0]) {
        case 'c': cancel(place + 1); break;
        case 'a': add(live + 1 + turn, place); break;
        case 't': take(live + 1 + turn); break;
        case 'b': sum += exchange_lab_best_bid(engine, 0) + exchange_lab_best_ask(engine, 0); break;
        case 'q':
            sum += exchange_lab_quantity_at(engine, 0, place % 2 ? SELL : BUY, price_of(place));
            break;
        case 's': scan(live); break;
        default: abort();
        }
    }
}

int main(int count, char **words) {
    if (count != 5) return 2;
    uint64_t live = strtoull(words[3], NULL, 10), times = strtoull(words[4], NULL, 10);
    is_wide = !strcmp(words[2], "wide");
    engine = exchange_lab_create((uint32_t)(live + times), 1, 0, 0);
    if (engine == NULL) return 1;
    for (uint64_t place = 0; place < live; place++) add(place + 1, place);
    if (exchange_lab_live_orders(engine) != live) return 1;
    measured(words[1], live, times);
    printf("%u orders live, %lld\n", exchange_lab_live_orders(engine), (long long)sum);
    exchange_lab_destroy(engine);
    return 0;
}
