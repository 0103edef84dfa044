"""The generator: the shares it promises, a steady book, no rejects, the same bytes everywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS
from engines.messages import EVENT, CommandKind, EventKind, Side, TimeInForce, event_kinds
from lab.workloads.order_flow import ACTIONS, FLOWS, Flow, generate

# Pinned: a change of these bytes is a change of every recorded result's digest.
PINNED = {
    ("balanced", 5_000, 500, 1, 1): "ca5172a966f5f4a0",
    ("balanced", 5_000, 500, 2, 8): "74dd2955cdde8310",
    ("add_only", 5_000, 500, 1, 1): "2e37ebc3cfe14657",
}


def replayed(flow: Flow, pieces: int = 20) -> tuple[np.ndarray, list[int]]:
    """Run a flow through the oracle; return all its events and the live orders after each piece."""
    engine = IMPLEMENTATIONS["reference"].create(orders=flow.orders_max, symbols=flow.symbols)
    room = np.zeros(4 * len(flow.preload) + 8 * len(flow.commands), EVENT)
    taken, written = engine.submit(flow.preload, room)
    assert taken == len(flow.preload)
    events, live = [room[:written].copy()], [len(engine.live_orders())]
    for part in np.array_split(flow.commands, pieces):
        taken, written = engine.submit(part, room)
        assert taken == len(part)
        events.append(room[:written].copy())
        live.append(len(engine.live_orders()))
    engine.check()
    return np.concatenate(events), live


@pytest.fixture(scope="module")
def balanced() -> tuple[Flow, np.ndarray, list[int]]:
    flow = generate("balanced", messages=20_000, live_orders=1_000, seed=5)
    return flow, *replayed(flow)


def test_the_shares_are_those_promised(balanced):
    flow = balanced[0]
    shares = np.bincount(flow.actions) / len(flow.commands)
    assert dict(zip(ACTIONS[:3], shares, strict=True)) == pytest.approx(
        {"add": 0.55, "cancel": 0.40, "take": 0.05}, abs=0.01
    )


def test_actions_say_what_the_commands_do(balanced):
    flow = balanced[0]
    is_cancel = flow.commands["kind"] == CommandKind.CANCEL
    is_take = flow.commands["tif"] == TimeInForce.IOC
    assert np.array_equal(flow.actions, np.where(is_cancel, 1, np.where(is_take, 2, 0)))


def test_the_book_starts_full_and_stays_so(balanced):
    _, _, live = balanced
    assert live[0] == 1_000
    assert min(live) > 900 and max(live) < 1_100


def test_nothing_is_rejected_and_every_cancel_finds_its_order(balanced):
    flow, events, _ = balanced
    counts = Counter(event_kinds(events).tolist())
    assert counts[EventKind.REJECTED] == 0
    assert counts[EventKind.ACCEPTED] == np.sum(flow.actions != 1) + len(flow.preload)


def test_a_passive_order_never_trades_and_a_marketable_one_does(balanced):
    flow, events, _ = balanced
    takers = set(flow.commands["order_id"][flow.actions == 2].tolist())
    trading = set(events["order_id"][event_kinds(events) == EventKind.TRADE].tolist())
    assert trading <= takers
    assert len(trading) > 0.99 * len(takers)


def test_room_for_orders_max_is_enough_and_needed():
    flow = generate("balanced", messages=5_000, live_orders=300, seed=9)
    engine = IMPLEMENTATIONS["reference"].create(orders=flow.orders_max - 1)
    room = np.zeros(50_000, EVENT)
    engine.submit(flow.preload, room)
    _, written = engine.submit(flow.commands, room)
    assert EventKind.REJECTED in event_kinds(room[:written])


def test_add_only_cancels_nothing_and_grows():
    flow = generate("add_only", messages=10_000, live_orders=500, seed=5)
    events, live = replayed(flow)
    assert set(flow.commands["kind"].tolist()) == {CommandKind.NEW}
    assert np.all(np.diff(live) > 0) and live[-1] > 4_000
    kinds = event_kinds(events)
    assert EventKind.REJECTED not in kinds
    assert 0.2 < np.sum(kinds == EventKind.TRADE) / len(flow.commands) < 1


def test_several_symbols_share_the_flow():
    flow = generate("balanced", messages=20_000, live_orders=2_000, seed=5, symbols=8)
    events, live = replayed(flow)
    assert EventKind.REJECTED not in event_kinds(events)
    assert min(live) > 1_800 and max(live) < 2_200
    counts = np.bincount(flow.commands["symbol"], minlength=8)
    assert len(counts) == 8 and counts.min() > 0.8 * counts.mean()


def test_sequences_ids_and_times():
    flow = generate("balanced", messages=5_000, live_orders=500, seed=3)
    everything = np.concatenate([flow.preload, flow.commands])
    assert np.array_equal(everything["sequence"], np.arange(1, 5_501))
    assert np.all(np.diff(everything["time_ns"]) == 1_000)
    ids = everything["order_id"][everything["kind"] == CommandKind.NEW]
    assert len(np.unique(ids)) == len(ids) and 0 not in ids
    # sparse: spread over all 64 bits, not counted from 1
    assert np.median(ids.astype(float)) == pytest.approx(2.0**63, rel=0.1)


def test_both_sides_and_owners_are_used(balanced):
    flow = balanced[0]
    adds = flow.commands[flow.actions == 0]
    assert np.mean(adds["side"] == Side.BUY) == pytest.approx(0.5, abs=0.02)
    assert len(np.unique(adds["owner"])) == 100


@pytest.mark.parametrize("key", PINNED, ids=lambda key: "-".join(map(str, key)))
def test_the_bytes_are_pinned(key):
    assert generate(*key).digest() == PINNED[key]


def test_another_seed_gives_another_flow():
    first, second = (generate("balanced", 1_000, 100, seed) for seed in (1, 2))
    assert first.digest() != second.digest()


def test_an_empty_start_and_no_messages_are_allowed():
    flow = generate("balanced", messages=0, live_orders=0, seed=0)
    assert len(flow.preload) == len(flow.commands) == 0 and flow.orders_max == 1
    flow = generate("balanced", messages=100, live_orders=0, seed=0)
    assert flow.actions[0] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flow": "fast"}, "no order flow 'fast'; choose one of balanced, add_only"),
        ({"messages": -1}, "messages -1 is outside 0.."),
        ({"live_orders": 2**27}, "live_orders 134217728 is outside"),
        ({"seed": -1}, "seed -1 is outside"),
        ({"symbols": 0}, "symbols 0 is outside 1..65535"),
        ({"price_centre": 5}, "price_centre 5 is outside 1025.."),
        ({"symbols": 65_535}, "price levels, more than"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(change, words):
    parameters = {"flow": "balanced", "messages": 10, "live_orders": 10, "seed": 1, **change}
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        generate(**parameters)


def test_the_registry_has_one_line_for_each_flow():
    assert [kind.name for kind in FLOWS.values()] == list(FLOWS)
    assert len({kind.code for kind in FLOWS.values()}) == len(FLOWS)
