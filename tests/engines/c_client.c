/* A client of exchange_lab.h in plain C: puts a file of commands through an engine and writes a
 * file of its events, then shows the books as it sees them.
 *
 *     c_client submit|run COMMANDS EVENTS orders symbols owners batch room
 *
 * `submit` calls batch by batch, `run` is called back while the one batch is running. On standard
 * output: the live orders, how often events came, and for each symbol its best bid and ask and the
 * quantities there and one tick beside them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange_lab.h"

typedef struct received {
    FILE *file;
    size_t times;
} received;

static void fail(const char *what) {
    fprintf(stderr, "c_client: %s\n", what);
    exit(1);
}

static void *room_for(size_t count, size_t bytes) {
    void *memory = malloc(count * bytes + 1);
    if (memory == NULL) fail("no memory");
    return memory;
}

static FILE *opened(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (file == NULL) fail(path);
    return file;
}

static exchange_lab_command *read_commands(const char *path, size_t *count) {
    FILE *file = opened(path, "rb");
    exchange_lab_command *commands;
    fseek(file, 0, SEEK_END);
    *count = (size_t)ftell(file) / sizeof *commands;
    rewind(file);
    commands = room_for(*count, sizeof *commands);
    if (fread(commands, sizeof *commands, *count, file) != *count) fail("the file is cut short");
    fclose(file);
    return commands;
}

static int receive(void *context, const exchange_lab_event *events, size_t count) {
    received *to = context;
    to->times += 1;
    return fwrite(events, sizeof *events, count, to->file) != count;
}

/* Batch by batch; what no longer fits comes with the next call, after the last batch too. */
static void submit(exchange_lab_engine *engine, const exchange_lab_command *commands, size_t count,
                   exchange_lab_event *events, size_t room, size_t batch, received *to) {
    size_t taken = 0, written = 0;
    do {
        const size_t given = count - taken < batch ? count - taken : batch;
        taken += exchange_lab_submit(engine, commands + taken, given, events, room, NULL, &written);
        receive(to, events, written);
    } while (taken < count || written == room);
}

static long long quantity(const exchange_lab_engine *engine, uint16_t symbol, uint8_t side,
                          int64_t price) {
    if (price > INT32_MAX) return 0;
    return (long long)exchange_lab_quantity_at(engine, symbol, side, (int32_t)price);
}

static void show(const exchange_lab_engine *engine, uint16_t symbol) {
    const int32_t bid = exchange_lab_best_bid(engine, symbol);
    const int32_t ask = exchange_lab_best_ask(engine, symbol);
    printf("%d %d", (int)bid, (int)ask);
    for (int beside = -1; beside <= 1; ++beside)
        printf(" %lld", quantity(engine, symbol, 0, (int64_t)bid + beside));
    for (int beside = -1; beside <= 1; ++beside)
        printf(" %lld", quantity(engine, symbol, 1, (int64_t)ask + beside));
    printf("\n");
}

int main(int argc, char **argv) {
    if (argc != 9) fail("give submit|run COMMANDS EVENTS orders symbols owners batch room");
    const uint32_t orders = (uint32_t)strtoul(argv[4], NULL, 10);
    const uint32_t symbols = (uint32_t)strtoul(argv[5], NULL, 10);
    const uint32_t owners = (uint32_t)strtoul(argv[6], NULL, 10);
    const size_t batch = strtoul(argv[7], NULL, 10), room = strtoul(argv[8], NULL, 10);
    size_t count = 0;
    exchange_lab_command *commands = read_commands(argv[2], &count);
    exchange_lab_event *events = room_for(room, sizeof *events);
    exchange_lab_engine *engine = exchange_lab_create(orders, symbols, owners, 0);
    if (engine == NULL) fail("no engine of these sizes");
    received to = {opened(argv[3], "wb"), 0};
    if (strcmp(argv[1], "run") == 0) {
        if (exchange_lab_run(engine, commands, count, events, room, batch, receive, &to) != count)
            fail("it ended early");
    } else {
        submit(engine, commands, count, events, room, batch, &to);
    }
    if (fclose(to.file) != 0) fail("the events could not be written");
    printf("%lu %zu\n", (unsigned long)exchange_lab_live_orders(engine), to.times);
    for (uint32_t symbol = 0; symbol < symbols; ++symbol) show(engine, (uint16_t)symbol);
    exchange_lab_destroy(engine);
    free(events);
    free(commands);
    return 0;
}
