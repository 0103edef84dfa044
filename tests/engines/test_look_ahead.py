"""A book so large that a batch is looked at ahead: the same events as without."""

from __future__ import annotations

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS, present
from engines.matching.ladder_ahead import FIRST, WORTH_IT
from lab.workloads.order_flow import generate

LADDERS = [name for name in ("price_ladder", "native") if name in present()]


@pytest.fixture(scope="module", params=["balanced", "flash_crash", "featured"])
def flow(request):
    """Return a flow on more live orders than looking ahead begins with, over a few symbols."""
    return generate(request.param, messages=20_000, live_orders=WORTH_IT + 5_000, seed=3, symbols=3)


def run(name, flow, drive, **how):
    """Return the events of a flow's commands, and the book that they leave."""
    engine = IMPLEMENTATIONS[name].create(orders=flow.orders_max, symbols=flow.symbols)
    drive(engine, flow.preload)
    assert len(engine.live_orders()) >= WORTH_IT
    events = drive(engine, flow.commands, **how)
    engine.check()
    return events.tobytes(), engine.digest()


@pytest.mark.parametrize("name", LADDERS)
def test_what_is_fetched_ahead_changes_nothing(flow, drive, name):
    timed = run(name, flow, drive, ticks=True)  # one command at a time
    assert run(name, flow, drive) == timed
    assert run(name, flow, drive, batch=FIRST + 1, room=7) == timed


@pytest.mark.parametrize("name", LADDERS)
def test_a_large_book_is_the_heaps(drive, name):
    flow = generate("swinging", messages=5_000, live_orders=WORTH_IT + 5_000, seed=4)
    assert run(name, flow, drive) == run("binary_heap", flow, drive)


@pytest.mark.parametrize("name", LADDERS)
def test_symbols_that_there_are_not_are_not_looked_at(drive, name):
    flow = generate("balanced", messages=5_000, live_orders=WORTH_IT + 5_000, seed=5)
    commands = flow.commands.copy()
    random = np.random.default_rng(5)
    wrong = random.random(len(commands)) < 0.2
    commands["symbol"][wrong] = random.integers(1, 65_536, wrong.sum())
    commands["price"][random.random(len(commands)) < 0.2] *= -1
    flow = type(flow)(**{**vars(flow), "commands": commands})
    assert run(name, flow, drive) == run(name, flow, drive, ticks=True)
