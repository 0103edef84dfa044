"""Packages that match: the reduced flow, our own seat, what each package did, wrong ones caught."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engines.errors import InputError, MeasurementError
from engines.matching import IMPLEMENTATIONS
from engines.messages import EVENT, CommandKind, EventKind, OrderType, TimeInForce, event_kinds
from lab.experiments import EXPERIMENTS, rivals
from lab.experiments.matching_rivals import ONE_A_CALL, matching_rivals
from lab.experiments.rivals import RIVALS, missing_line, task
from lab.experiments.rivals.api import Call, Facts, Operation, Rival
from lab.experiments.rivals.own_engines import OwnBook, commands_of, right_facts
from lab.experiments.rivals.plain_flow import PlainFlow, as_array, from_array, reduced
from lab.measure.bench import Bench
from lab.measure.runner import run_experiment
from lab.measure.talk import Talk
from lab.workloads.order_flow import FLOWS, generate

PRESENT = [name for name, rival in RIVALS.items() if rival.present]


def silent(*_: object) -> None:
    """Report to nobody."""


def events_of(commands: np.ndarray, orders: int) -> np.ndarray:
    """What the reference says of commands."""
    engine = IMPLEMENTATIONS["reference"].create(orders=orders)
    events = np.zeros(40 * len(commands) + 1_000, EVENT)
    taken, written = engine.submit(commands, events)
    assert taken == len(commands) and not len(engine.undelivered())
    return events[:written]


def trades_of(events: np.ndarray) -> list[tuple[int, int]]:
    """Price and lots of each trade."""
    return events[event_kinds(events) == EventKind.TRADE][["price", "quantity"]].tolist()


@pytest.fixture(scope="module")
def plain() -> PlainFlow:
    """A reduced flow with queues that are long enough for cancels inside them."""
    return reduced(generate("balanced", 3_000, 400, 5))


@pytest.fixture(scope="module")
def right(plain) -> Facts:
    """What the reference makes of it."""
    return right_facts(plain.orders_max, plain.preload, plain.commands)


# -- the flow -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
def test_a_reduced_flow_holds_nothing_but_resting_limits_and_cancels_of_live_orders(name):
    plain = reduced(generate(name, 1_500, 200, 3))
    commands = commands_of(plain.preload + plain.commands)
    assert {*commands["kind"].tolist()} <= {CommandKind.NEW, CommandKind.CANCEL}
    assert {*commands["order_type"].tolist()} == {OrderType.LIMIT}
    assert {*commands["tif"].tolist()} == {TimeInForce.GTC}
    kinds = event_kinds(events_of(commands, plain.orders_max))
    assert EventKind.REJECTED not in kinds
    assert np.count_nonzero(kinds == EventKind.CANCELLED) == np.count_nonzero(
        commands["kind"] == CommandKind.CANCEL
    )


def test_a_flow_of_limits_and_immediate_orders_trades_as_it_did_before():
    flow = generate("balanced", 3_000, 300, 7)
    plain = reduced(flow)
    assert np.count_nonzero(flow.commands["tif"] == TimeInForce.IOC) > 100
    before = events_of(np.concatenate([flow.preload, flow.commands]), flow.orders_max)
    after = events_of(commands_of(plain.preload + plain.commands), plain.orders_max)
    assert len(trades_of(before)) > 300
    assert trades_of(after) == trades_of(before)
    assert plain.left_out == 0 and len(plain.preload) == 300


def test_orders_are_numbered_from_one_in_the_order_of_their_arrival(plain):
    placed = [one.number for one in plain.preload + plain.commands if one.quantity]
    assert placed == list(range(1, len(placed) + 1))


def test_a_replace_and_a_reduction_become_a_cancel_and_a_new_order():
    flow = generate("add_only", 100, 100, 1)
    commands = commands_of([Operation(1, False, 50, 10), Operation(2, False, 50, 5)])
    more = commands_of([Operation(1, False, 0, 0)] * 2, 2)
    more["kind"] = [CommandKind.REDUCE, CommandKind.REPLACE]
    more["quantity"], more["price"] = [4, 3], [0, 60]
    late = commands_of([Operation(9, False, 0, 0)], 4)  # nobody is called that
    changed = type(flow)("made", commands, np.concatenate([more, late]), flow.actions, 10, 1)
    plain = reduced(changed)
    assert plain.commands == [
        Operation(1, False, 50, 0),
        Operation(3, False, 50, 6),
        Operation(3, False, 50, 0),
        Operation(4, False, 60, 3),
    ]
    assert plain.left_out == 1


def test_operations_come_back_from_an_array(plain):
    assert from_array(as_array(plain.commands)) == plain.commands


# -- our own seat ---------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_our_engines_say_the_same_in_calls_of_any_size(plain, right, batch):
    book = OwnBook("binary_heap", plain.orders_max, batch)
    book.run(book.calls(plain.preload))
    told = book.watch(book.calls(plain.commands))
    assert Facts(**told, **book.standing()) == right
    assert right.trades and right.orders and right.volume and not right.untold()


def test_a_call_whose_events_do_not_fit_is_noticed(plain):
    book = OwnBook("binary_heap", plain.orders_max, 500)
    book.events = book.events[:40]
    book.run(book.calls(plain.preload))
    with pytest.raises(MeasurementError, match="not taken all"):
        book.standing()


def test_the_buffer_holds_what_a_sweep_of_the_whole_book_tells():
    sales = [Operation(number, True, number, 1) for number in range(1, 301)]
    book = OwnBook("reference", 301, 1)
    book.run(book.calls([*sales, Operation(301, False, 300, 300)]))
    assert book.standing()["orders"] == 0


# -- the packages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIVALS)
def test_a_package_does_what_the_reference_does(name, plain, right):
    rival = RIVALS[name]
    if not rival.present:
        pytest.skip(missing_line([name]))
    outcome = task.rival(
        *(Talk(), as_array(plain.preload), as_array(plain.commands)),
        name=name,
        orders=plain.orders_max,
        messages=len(plain.commands),
        facts=vars(right),
        digest="right",
        seconds=0.01,
        case=ONE_A_CALL,
    )
    assert set(outcome["digests"]) == {"right"}
    assert bool(outcome["differences"]) == bool(rival.own_rules)
    assert not {"bid", "ask", "buying", "selling", "orders"} & set(outcome["untold"])
    assert ("trades" in outcome["untold"]) <= ("trades" in rival.note)
    assert outcome["readings"][0]["value"] > 0


def test_the_door_names_every_package_and_those_that_were_left_out():
    table = rivals.__doc__ or ""
    assert [name for name in RIVALS if not re.search(rf"^{name}\b", table, re.M)] == []
    assert not {"nanobook", "order-matching"} & set(RIVALS)
    assert all(rival.name == name for name, rival in RIVALS.items())


def test_the_extra_installs_the_packages_of_the_registry():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    wanted = project["project"]["optional-dependencies"]["rivals"]
    assert {line.split(";")[0].strip() for line in wanted} == set(RIVALS)
    assert {line.split(";")[0] for line in wanted if ";" in line} == {
        name for name, rival in RIVALS.items() if rival.python > (3, 11)
    }


def test_what_is_missing_is_said_in_one_line_with_what_to_install(monkeypatch):
    monkeypatch.setattr(Rival, "present", property(lambda self: ""))
    line = missing_line(["litebook", "obook"])
    assert line == "not installed: litebook, obook; run python -m pip install litebook obook"
    monkeypatch.setattr(Rival, "fits", property(lambda self: False))
    assert missing_line(["matching-engine"]) == "matching-engine needs Python 3.12"
    monkeypatch.setattr(Rival, "present", property(lambda self: "1.0"))
    assert missing_line(list(RIVALS)) == ""


def test_without_any_package_nothing_is_run(monkeypatch):
    monkeypatch.setattr(Rival, "present", property(lambda self: ""))
    with Bench(silent) as bench, pytest.raises(InputError, match="pip install litebook$"):
        matching_rivals(bench, rivals=["litebook"])
    assert not bench.runs


@pytest.mark.skipif(not PRESENT, reason=missing_line(list(RIVALS)))
def test_a_run_holds_packages_and_engines_and_says_what_they_are(tmp_path):
    chosen = {"rivals": PRESENT, "engines": ["binary_heap"]}
    result = run_experiment("matching_rivals", chosen, "smoke", silent, tmp_path)
    assert {item.rival for item in result.measurements} == {*PRESENT, "binary_heap"}
    assert all(item.digest_ok and item.digest == result.digest for item in result.measurements)
    cases = {item.case for item in result.measurements if item.rival == "binary_heap"}
    assert cases == {ONE_A_CALL, "batch"}
    assert all(any(note.startswith(f"{name} ") for note in result.notes) for name in PRESENT)
    estimate_s = EXPERIMENTS["matching_rivals"].estimate_seconds(result.parameters)
    assert result.seconds / 8 < estimate_s < result.seconds * 8


# -- wrong ones -----------------------------------------------------------------------------------


class Forgetful(OwnBook):
    """Forgets every tenth cancel."""

    def __init__(self, orders: int) -> None:
        super().__init__("binary_heap", orders, 1)

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return the calls that it does not forget."""
        cancels = [one for one in operations if not one.quantity]
        forgotten = set(cancels[::10])
        return super().calls([one for one in operations if one not in forgotten])


class Boastful(OwnBook):
    """Tells one lot more than it traded."""

    def __init__(self, orders: int) -> None:
        super().__init__("binary_heap", orders, 1)

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Return what it tells."""
        told = super().watch(calls)
        return told | {"volume": told["volume"] + 1}


@pytest.mark.parametrize(("wrong", "fact"), [(Forgetful, "orders "), (Boastful, "volume ")])
def test_a_wrong_package_is_void_and_it_is_said_why(monkeypatch, plain, right, wrong, fact):
    entry = Rival("wrong", "", "", f"{__name__}:{wrong.__name__}", 1.0)
    monkeypatch.setitem(RIVALS, "wrong", entry)
    monkeypatch.setattr(Rival, "create", lambda self, orders: wrong(orders))
    outcome = task.rival(
        *(Talk(), as_array(plain.preload), as_array(plain.commands)),
        name="wrong",
        orders=plain.orders_max,
        messages=len(plain.commands),
        facts=vars(right),
        digest="right",
        seconds=0.01,
        case=ONE_A_CALL,
    )
    assert outcome["digests"][0] != "right"
    assert any(told.startswith(fact) for told in outcome["differences"])
