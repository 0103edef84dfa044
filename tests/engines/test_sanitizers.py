"""The engines in C++ under AddressSanitizer and UBSan, over every order rule: `make soak`.

Their events are those of the oracle in plain Python, byte for byte. ``test_full_million`` puts its
ten million commands through the same program.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS

pytestmark = pytest.mark.soak

MARKETS = 18
STRETCH, STRETCHES = 40, 250  # ten thousand commands of each market
# how a flow is cut: commands a call, events a buffer holds, and whether each command is timed
CUTS = [(1, 1, False), (1, 3, True), (7, 64, False), (64, 5, True), (1_000, 4_096, False)]
ENGINES = ["ladder", "library", "callback"]


@pytest.fixture(scope="module")
def program(sanitizing, tmp_path_factory):
    """Return the program, and skip where it cannot be built."""
    folder = tmp_path_factory.mktemp("sanitized")
    missing = sanitizing.what_is_missing(folder)
    if missing:
        pytest.skip(missing)
    return sanitizing.build(folder)


def create(name, market):
    made = IMPLEMENTATIONS[name]
    return made.create(market.orders, symbols=market.symbols, owners=market.owners + 1)


def answered(full_flows, drive, market, seed):
    """Return commands of a market and the oracle's events."""
    oracle, flow = create("reference", market), full_flows.Flow(seed, market)
    given, told = [], []
    for _ in range(STRETCHES):
        given.append(flow.stretch(oracle.contents(), STRETCH))
        told.append(drive(oracle, given[-1]))
    return np.concatenate(given), np.concatenate(told)


@pytest.mark.parametrize("number", range(MARKETS))
def test_a_market_has_the_oracles_bytes(sanitizing, program, full_flows, drive, tmp_path, number):
    title, market = list(full_flows.MARKETS.items())[number]
    commands, expected = answered(full_flows, drive, market, 500 + number)
    jobs = [
        sanitizing.Job(
            engine, market.orders, market.symbols, market.owners + 1, commands, batch, room,
            timed=timed and engine != "callback",
        )
        for engine in ENGINES
        for batch, room, timed in CUTS
    ]  # fmt: skip
    for job, actual in zip(jobs, sanitizing.events_of(program, jobs, tmp_path), strict=True):
        assert actual.tobytes() == expected.tobytes(), f"{title}: {job.line()}"


def test_all_markets_are_looked_at(full_flows):
    assert len(full_flows.MARKETS) == MARKETS


@pytest.mark.parametrize("pages", [1, 2, 5, 12])
def test_few_pages_have_the_bytes_that_the_compiled_ladder_has(
    sanitizing, program, full_flows, drive, tmp_path, pages
):
    """The oracle has no pages; where they run out the ladder in Numba is the judge."""
    market = full_flows.Market(symbols=2, spread=400, centre=2_000, orders=80)
    sizes = dict(symbols=2, owners=market.owners + 1, pages=pages)
    ladder, flow = IMPLEMENTATIONS["price_ladder"].create(80, **sizes), full_flows.Flow(9, market)
    given, told = [], []
    for _ in range(STRETCHES):
        given.append(flow.stretch(ladder.contents(), STRETCH))
        told.append(drive(ladder, given[-1]))
    commands, expected = np.concatenate(given), np.concatenate(told)
    jobs = [
        sanitizing.Job(engine, 80, 2, market.owners + 1, commands, 9, 30, pages)
        for engine in ENGINES
    ]
    for actual in sanitizing.events_of(program, jobs, tmp_path):
        assert actual.tobytes() == expected.tobytes()


def test_each_cell_of_the_hit_table_has_the_oracles_bytes(
    sanitizing, program, directed_flows, hit_table, drive, tmp_path
):
    """More than two thousand flows of some commands, each on a new engine."""
    room = {name: getattr(directed_flows, name.upper()) for name in ("orders", "symbols", "owners")}
    flows = [directed_flows.records_of(flow) for *_, flow in directed_flows.to_each_cell(hit_table)]
    ways = cycle((engine, *cut[:2]) for engine in ENGINES for cut in CUTS)
    jobs = [
        sanitizing.Job(engine, *room.values(), commands, batch, room_for_events)
        for commands, (engine, batch, room_for_events) in zip(flows, ways, strict=False)
    ]
    told = sanitizing.events_of(program, jobs, tmp_path)
    assert len(told) > 2_000
    for job, actual in zip(jobs, told, strict=True):
        expected = drive(IMPLEMENTATIONS["reference"].create(**room), job.commands)
        assert actual.tobytes() == expected.tobytes(), f"{job.line()}: {job.commands}"


@pytest.mark.parametrize(("orders", "symbols", "spread"), [(8, 1, 3), (60, 3, 20), (900, 2, 2**20)])
def test_the_textbook_has_the_heaps_bytes(
    sanitizing, program, random_commands, drive, tmp_path, orders, symbols, spread
):
    oracle = IMPLEMENTATIONS["binary_heap"].create(orders, symbols)
    random = np.random.default_rng(orders)
    sizes = dict(symbols=symbols, orders=orders, spread=spread, centre=2**21)
    given, told = [], []
    for start in range(0, 30_000, 100):
        given.append(random_commands(random, oracle.live_orders(), 100, start, **sizes))
        told.append(drive(oracle, given[-1]))
    commands, expected = np.concatenate(given), np.concatenate(told)
    jobs = [
        sanitizing.Job("textbook", orders, symbols, 1, commands, batch, room, timed=timed)
        for batch, room, timed in CUTS[2:]
    ]
    for actual in sanitizing.events_of(program, jobs, tmp_path):
        assert actual.tobytes() == expected.tobytes()


# name: (file, what stands there, what shall stand there, what is to be said about it)
FAULTS = {
    "an event behind the caller's buffer": (
        "events.hpp", "n < room ? events[n]", "n <= room ? events[n]", "heap-buffer-overflow"),
    "an event before its section": (
        "events.hpp", "s.spill[n - room]", "s.spill[n - room - 1]", "use-after-poison"),
    "a command behind the batch": (
        "ladder.cpp", "while (taken < count && ", "while (taken <= count && ",
        "heap-buffer-overflow"),
    "the order behind the last": (
        "queues.hpp",
        "    if (order.next)\n        slot_at(s, order.next).prev = order.prev;\n    else",
        "    slot_at(s, order.next).prev = order.prev;\n    if (!order.next)", "not so: slot >= 1"),
    "a shift by more than a word": (
        "index.hpp", "std::uint64_t{1} << (level & 63)", "std::uint64_t{1} << (level & 127)",
        "runtime error: shift exponent"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(sanitizing, program, full_flows, drive, tmp_path, fault):
    market = full_flows.Market(symbols=2, spread=70, centre=64_000, orders=120)
    oracle, flow = create("reference", market), full_flows.Flow(1, market)
    given = []
    for _ in range(50):
        given.append(flow.stretch(oracle.contents(), STRETCH))
        drive(oracle, given[-1])
    commands = np.concatenate(given)
    job = sanitizing.Job("ladder", 120, 2, market.owners + 1, commands, 64, 5)
    *change, words = FAULTS[fault]
    with_fault = sanitizing.build_with_fault(tmp_path, program.parent, *change)
    done = sanitizing.run(with_fault, [job], tmp_path)
    assert done.returncode != 0 and words in done.stderr, done.stderr[-3_000:]
    assert sanitizing.run(program, [job], tmp_path).returncode == 0
