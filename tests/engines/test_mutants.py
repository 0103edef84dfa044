"""Seeded faults in the ladder's kernels, each of which the comparison with the oracle must catch.

A mutant is a copy of the sources in which one piece of text stands for another. Its kernels run as
plain Python (see ``interpreted``), in a process of their own, on flows that the oracle has answered
before; so a dozen and a half take no longer than compiling once. The ladder without a fault is held
to the same, or everything would count as caught.
"""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

import engines
from engines.matching import IMPLEMENTATIONS

SOURCES = Path(engines.__file__).parent
PATIENCE_S = 120
STRETCH, STRETCHES = 20, 50  # the fault that hides longest is seen in the 30th stretch
PLAIN = dict(symbols=2, spread=8, centre=1_000, orders=40)
MARKETS = ["icebergs of many turns", "one tick wide", "one narrow book", "calls and halts"]
MARKETS += ["auction after auction", "limits and collars", "a full book"]

# name: (file, what stands there, what shall stand there)
MUTANTS = {
    "lean: a trade at the taker's price": (
        "ladder_lean", "maker.order_id, best, quantity, remaining,",
        "maker.order_id, limit, quantity, remaining,"),
    "lean: a filled maker stays in the id table": (
        "ladder_lean",
        "erase_id(s, find_id(s, symbol, maker.order_id, id_tag(symbol, maker.order_id)))", "pass"),
    "lean: a level's quantity does not follow a reduction": (
        "ladder_lean", "    queue_at(s.levels, level).quantity -= command.quantity\n", ""),
    "lean: a rare maker is taken for a plain one": (
        "ladder_lean", "if alert and maker.rare:", "if alert and maker.rare > 1:"),
    "lean: a collar does not hold a new order": (
        "ladder_lean", "    if reason == 0 and outside_collar(book, kind, command.price):\n",
        "    if reason == 0 and kind != LIMIT:\n"),
    "lean: a trade triggers no stop": (
        "ladder_lean", "if lowest_buy and lowest_buy <= last:", "if False:"),
    "lean: an order less is not counted": (
        "ladder_lean", "count_owner(s, slot_at(s.orders, slot).owner, -1)", "pass"),
    "lean: a slice costs no turn": (
        "ladder_taking", "        header.turns -= 1\n    maker.quantity -= quantity\n",
        "        pass\n    maker.quantity -= quantity\n"),
    "the next best page is sought in the wrong direction": (
        "ladder_index", "other << 6 | first_bit(page_at(s.pages, other).bitmap, upward)",
        "other << 6 | first_bit(page_at(s.pages, other).bitmap, not upward)"),
    "deletion leaves a hole in the id table": (
        "ladder_index", "if ((probe - (entry >> shift)) & mask) >= ((probe - hole) & mask):",
        "if ((probe - (entry >> shift)) & mask) > ((probe - hole) & mask) + ONE:"),
    "a cancel in the middle loses the order behind": (
        "ladder_queues", "        slot_at(s.orders, after).prev = before\n",
        "        queue.tail = before\n"),
    "a slice is refreshed at one lot too many": (
        "ladder_taking", "    terms.reserve -= shown\n", "    terms.reserve -= shown - 1\n"),
    "fill-or-kill does not see the reserve": (
        "ladder_taking", "found += terms.reserve\n", "found += 0\n"),
    "cancel-both lets the taker go on": (
        "ladder_taking", "if stp == STPS.CANCEL_BOTH:", "if stp == STPS.NONE:"),
    "decrement moves the last price": (
        "ladder_taking",
        "        if is_own:\n            n = tell_pair(",
        "        if is_own:\n            book_at(s.books, symbol).last_price = price\n"
        "            n = tell_pair("),
    "a stop triggers one tick late": (
        "ladder_taking", "return book.last_price >= terms.stop_price",
        "return book.last_price > terms.stop_price"),
    "stops at one trigger run in the order they were put there": (
        "ladder_queues",
        "if before == ZERO or terms_at(s.terms, before).arrival < arrival:",
        "if True:"),
    "a trailing stop gives way": (
        "ladder_waiting", "else trigger > terms.stop_price", "else trigger != terms.stop_price"),
    "an all-or-none order takes what there is": (
        "ladder_waiting",
        "if fillable(s.header, symbol, side, owner, terms.stp, limit, quantity, most_turns):",
        "if fillable(s.header, symbol, side, owner, terms.stp, limit, np.int64(1), most_turns):"),
    "the auction prefers the price farthest from its reference": (
        "ladder_auction", "abs(price - reference) <= abs(nearest.price - reference)",
        "abs(price - reference) >= abs(nearest.price - reference)"),
    "the auction forgets market orders": (
        "ladder_auction", "    slot = first_waiting(s, symbol, 1 + side)\n    if slot != ZERO:\n"
        "        return slot\n", ""),
    "a residue beyond the collar rests": (
        "ladder_taking", "if reason == 0 and by_collar:",
        "if reason == 0 and by_collar and is_market:"),
    "a reduction takes the slice first": (
        "ladder_orders", "hidden = min(quantity, np.int64(terms.reserve)) if order.rare else",
        "hidden = max(quantity - order.quantity, 0) if order.rare else"),
    "the first to expire is not the first to go": (
        "ladder_orders", "return ours.expiry_ns < theirs.expiry_ns",
        "return ours.expiry_ns > theirs.expiry_ns"),
    "the notional overflows": (
        "ladder_full", "notional = np.uint64(quantity * price)",
        "notional = np.uint64(quantity * price & 0xFFFFFFFF)"),
    "the order limit counts one too many": (
        "ladder_full", "limits.live_orders >= most", "limits.live_orders > most"),
    "the caller's buffer is overrun by one event": (
        "ladder_events", "if n < events.room:", "if n <= events.room:"),
    "turns do not run out": (
        "ladder_taking", "            header.turns -= 1\n        order.quantity",
        "        order.quantity"),
    "fill-or-kill does not count turns": (
        "ladder_taking", "found >= wanted and turns <= most_turns", "found >= wanted"),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(drive, full_flows, random_commands):
    """Return flows with what the oracle answers: a market, its commands, events and snapshots."""
    plain = full_flows.Market(**PLAIN)

    def plain_stretch(flow, oracle):
        commands = random_commands(
            flow.random, oracle.live_orders(), STRETCH, flow.made, **PLAIN, wrong=0.01
        )
        flow.made += STRETCH
        commands["kind"][commands["kind"] > 4] = 0
        return commands

    def full_stretch(flow, oracle):
        return flow.stretch(oracle.contents(), STRETCH)

    found = [answered(full_flows.Flow(7, plain), plain, STRETCHES, drive, plain_stretch)]
    for name in MARKETS:
        market = full_flows.MARKETS[name]
        found.append(answered(full_flows.Flow(7, market), market, STRETCHES, drive, full_stretch))
    return found


def answered(flow, market, stretches, drive, stretch):
    """Put a flow through the oracle; return the market and the parts, each with its answer."""
    oracle, parts = create(IMPLEMENTATIONS["reference"].create, market), []
    for _ in range(stretches):
        commands = stretch(flow, oracle)
        parts.append((commands, drive(oracle, commands).tobytes(), oracle.save()))
    return market, parts


def create(make, market):
    """Make an engine for a market."""
    return make(orders=market.orders, symbols=market.symbols, owners=market.owners + 1)


def judge(folder, answers, drive, interpreted, verdict) -> None:
    """Say how the ladder in a folder differs from the oracle, or nothing."""
    make = interpreted.load_ladder(folder)
    try:
        verdict.send(difference(make, answers, drive))
    except Exception as error:  # a kernel that breaks has been caught as well
        verdict.send(f"{type(error).__name__}: {error}")


def difference(make, answers, drive) -> str:
    """Return what the first difference is, "" if there is none; the markets take turns."""
    ladders = [create(make, market) for market, _ in answers]
    for number, parts in enumerate(zip(*(parts for _, parts in answers), strict=True)):
        for place, (commands, events, saved) in enumerate(parts):
            ladder = ladders[place]
            if drive(ladder, commands, room=3 + number % 50).tobytes() != events:
                return "other events"
            ladder.check()
            if ladder.save() != saved:
                return "another book"
            if number % 10 == 9:  # what is restored is put to the test too
                ladders[place] = create(make, answers[place][0])
                ladders[place].load(saved)
    return ""


def verdict_on(folder, *arguments) -> str:
    """Judge a ladder in a process of its own: it may never end, or end the process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=judge, args=(folder, *arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(PATIENCE_S) else "it did not end"
    except EOFError:
        return "it ended its process"
    finally:
        process.kill()
        process.join()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return a copy of the engines' sources."""
    folder = tmp_path_factory.mktemp("sources") / "engines"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_ladder_without_a_fault_is_not_caught(sources, answers, drive, interpreted):
    assert verdict_on(sources, answers, drive, interpreted) == ""


@pytest.mark.parametrize("title", MUTANTS)
def test_a_fault_is_caught(sources, answers, drive, interpreted, title):
    module, text, fault = MUTANTS[title]
    path = sources / "matching" / f"{module}.py"
    sound = path.read_text(encoding="utf-8")
    assert sound.count(text) == 1, "the fault's place has changed; write it anew"
    mutant = sound.replace(text, fault)
    compile(mutant, path, "exec")  # what is no program proves nothing
    path.write_text(mutant, encoding="utf-8")
    try:
        told = verdict_on(sources, answers, drive, interpreted)
    finally:
        path.write_text(sound, encoding="utf-8")
    print(f"{title}: {told}")
    assert told != "", f"not caught: {title}"
