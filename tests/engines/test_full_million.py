"""Long random flows with every order rule: the oracle, the ladders and a book told by the events.

Also the hit table: which rules these flows have reached, for each type, time in force and state.
`make soak` runs ten million commands (two processes) and writes the table to
`.cache/hit_table.txt`; here a slice is run, with short flows that lead to the rarest cells.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from engines.errors import BrokenInvariant
from engines.matching import IMPLEMENTATIONS, Feature, present

PIECE, STRETCH = 50_000, 40
SLICE = 3_500  # commands of a piece in CI
SLICES = 36  # pieces in CI, two of each market
LOOK = 25  # stretches between two looks at invariants and at the told book
SOAK_TESTS, SOAK_PIECES = 20, 10  # of PIECE commands: ten million
TABLE = Path(__file__).resolve().parents[2] / ".cache" / "hit_table.txt"
NAMES = [name for name in present() if IMPLEMENTATIONS[name].features == frozenset(Feature)]


def create(name, market):
    """Make an engine for a market."""
    made = IMPLEMENTATIONS[name]
    return made.create(orders=market.orders, symbols=market.symbols, owners=market.owners + 1)


def run_piece(number, count, drive, full_flows, told_book, hit_table, then=None):
    """Put one piece through all engines and return its hit table.

    A difference is cut down to the fewest commands that show it. ``then`` gets the number, the
    market, the commands and the events.
    """
    markets = list(full_flows.MARKETS.values())
    market = markets[number % len(markets)]
    flow, table, told = full_flows.Flow(number, market), hit_table.HitTable(), told_book.ToldBook()
    table.reset(market.symbols)
    engines = [create(name, market) for name in NAMES]
    given, answers = [], []
    for start in range(0, count, STRETCH):
        contents = engines[0].contents()
        if any(contents.digest() != engine.digest() for engine in engines[1:]):
            fail(number, market, given, drive, "the books differ")
        given.append(flow.stretch(contents, min(STRETCH, count - start)))
        room = 1 + number % 97
        expected, *told_by = (drive(engine, given[-1], room=room) for engine in engines)
        if any(expected.tobytes() != actual.tobytes() for actual in told_by):
            fail(number, market, given, drive, "the events differ")
        answers.append(expected)
        table.add(given[-1], expected)
        told.feed(expected)
        if start // STRETCH % LOOK == 0:
            look(engines, told, market.symbols)
    look(engines, told, market.symbols)
    if then:
        then(number, market, np.concatenate(given), np.concatenate(answers))
    assert table.impossible() == []
    return table


def look(engines, told, symbols) -> None:
    """Look at all invariants, and at the books as the events tell them."""
    told.assert_conserved()
    for engine in engines:
        engine.check()
    for engine in engines[1:]:
        told.assert_equals(engine, symbols)


def fail(number, market, given, drive, what) -> None:
    """Find the fewest commands that still make a difference, and show them."""
    commands = shrunk(np.concatenate(given), partial(differs, market, drive))
    rows = [f"  { {n: int(row[n]) for n in row.dtype.names if row[n]} }" for row in commands]
    lines = [
        f"{name}\n" + "\n".join(f"  {event}" for event in drive(create(name, market), commands))
        for name in NAMES
    ]
    pytest.fail(f"piece {number}, {what}: {market}\n" + "\n".join([*rows, *lines]))


def differs(market, drive, commands) -> bool:
    """Return whether the engines tell or hold different things after some commands."""
    engines = [create(name, market) for name in NAMES]
    try:
        told = {drive(engine, commands).tobytes() for engine in engines}
        for engine in engines:
            engine.check()
    except (BrokenInvariant, AssertionError):
        return True
    return len(told) > 1 or len({engine.digest() for engine in engines}) > 1


def shrunk(commands, differs, tries=400):
    """Return fewer commands that still differ, by leaving out ever smaller parts (ddmin)."""
    size = max(1, len(commands) // 2)
    while size and tries > 0:
        start = 0
        while start < len(commands) and tries > 0:
            fewer = np.delete(commands, slice(start, start + size))
            tries -= 1
            if len(fewer) and differs(fewer):
                commands = fewer
            else:
                start += size
        size //= 2
    return commands


@pytest.fixture(scope="module")
def hits(hit_table):
    """Return the hit table that the tests of this module fill, random flows and directed ones."""
    return hit_table.HitTable()


@pytest.fixture(scope="module")
def piece(drive, full_flows, told_book, hit_table):
    """Return the function that runs a piece, by number and length."""
    return partial(
        run_piece, drive=drive, full_flows=full_flows, told_book=told_book, hit_table=hit_table
    )


@pytest.mark.parametrize("number", range(SLICES))
def test_oracle_and_ladders_agree_over_a_slice(number, piece, hits):
    hits.merge(piece(number, SLICE))


def reach_each_cell(drive, hit_table, directed_flows, told_book, hits) -> list:
    """Put each directed flow through new engines, and return those that lead elsewhere."""
    room = {name: getattr(directed_flows, name.upper()) for name in ("orders", "symbols", "owners")}
    missed = []
    for title, cell, flow in directed_flows.to_each_cell(hit_table):
        commands, told = directed_flows.records_of(flow), told_book.ToldBook(strict=True)
        engines = [IMPLEMENTATIONS[name].create(**room) for name in NAMES]
        expected, *told_by = (drive(engine, commands) for engine in engines)
        for name, actual, engine in zip(NAMES[1:], told_by, engines[1:], strict=True):
            assert expected.tobytes() == actual.tobytes(), f"{name}, {title} {cell}: {flow}"
            assert engines[0].digest() == engine.digest(), f"{name}, {title} {cell}: {flow}"
        told.feed(expected)
        look(engines, told, room["symbols"])
        table = hit_table.HitTable()
        table.reset(room["symbols"])
        table.add(commands, expected)
        if not getattr(table, title)[cell]:
            missed.append((title, cell, flow))
        hits.merge(table)
    return missed


@pytest.fixture(scope="module")
def missed(drive, hit_table, directed_flows, told_book, hits):
    """Return the directed flows that lead elsewhere; all are counted."""
    return reach_each_cell(drive, hit_table, directed_flows, told_book, hits)


def test_a_flow_leads_to_each_cell(missed):
    """More than two thousand flows of some commands, each on new engines."""
    assert missed == []


def test_hit_table(hits, missed, piece):
    """No cell that can be reached is empty, none that cannot be is hit; shown with ``-s``."""
    if hits.orders.sum() < SLICE * SLICES:  # alone, as with `-k hit_table -s`
        for number in range(SLICES):
            hits.merge(piece(number, SLICE))
    print(hits.text())
    assert hits.impossible() == []
    assert hits.empty() == []


def run_in_two_processes(first, piece):
    """Run pieces side by side and return their hit tables.

    The children are forked: they take over the fixtures, and kernels that are compiled already.
    """
    global _piece
    _piece = piece
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        yield from pool.map(_run_numbered, range(first, first + SOAK_PIECES))


def _run_numbered(number):
    table = _piece(number, PIECE)
    return table.orders, table.commands


@pytest.fixture(scope="module")
def sanitized(sanitizing, tmp_path_factory):
    """Return what looks at a piece under sanitizers, or None where nothing is built with them."""
    folder = tmp_path_factory.mktemp("sanitized")
    if sanitizing.what_is_missing(folder):  # test_sanitizers is skipped then, and says why
        return None
    return partial(sanitizing.assert_answers, sanitizing.build(folder))


@pytest.mark.soak
@pytest.mark.parametrize("half_million", range(SOAK_TESTS))
def test_oracle_and_ladders_agree_over_ten_million_commands(half_million, piece, sanitized, hits):
    """And so does the ladder in C++ under AddressSanitizer and UBSan."""
    piece = partial(piece, then=sanitized)
    for orders, commands in run_in_two_processes(1_000 + SOAK_PIECES * half_million, piece):
        hits.orders += orders
        hits.commands += commands


@pytest.mark.soak
def test_the_hit_table_of_ten_million_commands_is_written(hits):
    """Without the flows that were made for it; they are in the slice."""
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(hits.text(), encoding="utf-8")
    assert hits.impossible() == []
