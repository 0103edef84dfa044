"""Points of an axis, symbols spread over cores: what is measured, and that all work is done."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from engines.errors import InputError, MeasurementError
from engines.matching import IMPLEMENTATIONS
from engines.messages import EVENT
from lab.experiments import sharding_task
from lab.experiments.matching_scaling import AXES, points_of
from lab.experiments.matching_sharding import counts_of, one_cpu_a_core
from lab.measure.runner import run_experiment
from lab.workloads.order_flow import generate


def silent(*_: object) -> None:
    """Report to nobody."""


# -- an axis --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("across", "ends", "points", "expected"),
    [
        ("live_orders", (0, 0), 4, [1_000, 10_000, 100_000, 1_000_000]),
        ("live_orders", (100, 400), 2, [100, 400]),
        ("symbols", (0, 0), 5, [1, 10, 100, 1_000, 10_000]),
        ("symbols", (1, 3), 16, [1, 2, 3]),
        ("width", (0, 0), 4, [16, 256, 4_096, 65_536]),
    ],
)
def test_points_are_spread_evenly_over_decades(across, ends, points, expected):
    assert points_of(AXES[across], *ends, points) == expected


def test_an_axis_without_length_is_refused():
    with pytest.raises(InputError, match="from 500 to 400 live orders there is nothing to vary"):
        points_of(AXES["live_orders"], 500, 400, 3)


@pytest.mark.parametrize(
    ("across", "fixed", "cases"),
    [
        ("symbols", dict(lowest=1, highest=4), ["1 symbol", "4 symbols"]),
        ("width", dict(lowest=16, highest=64), ["16 ticks wide", "64 ticks wide"]),
    ],
)
def test_each_axis_is_measured(tmp_path, across, fixed, cases):
    tiny = dict(across=across, live_orders=200, messages=300, engines="price_ladder") | fixed
    result = run_experiment("matching_scaling", tiny, "smoke", silent, tmp_path)
    rates = [item for item in result.measurements if item.metric == "throughput"]
    assert [item.case for item in rates] == cases
    assert [item.at for item in rates] == [fixed["lowest"], fixed["highest"]]
    assert len({item.digest for item in rates}) == 2 and all(item.digest_ok for item in rates)
    memory = [item for item in result.measurements if item.metric == "memory"]
    assert [item.case for item in memory] == cases and all(item.median > 40 for item in memory)
    assert result.machine["caches"]
    assert result.verdict.finding.startswith(f"From {cases[0]} to {cases[1]} price_ladder keeps ")


# -- shards ---------------------------------------------------------------------------------------


def events_of(flow, engine="price_ladder") -> np.ndarray:
    events = np.zeros(8 * (len(flow.preload) + len(flow.commands)), EVENT)
    made = IMPLEMENTATIONS[engine].create(flow.orders_max, flow.symbols)
    made.submit(flow.preload, events)
    return events[: made.submit(flow.commands, events)[1]].copy()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shards_together_do_what_the_whole_does(count):
    flow = generate("balanced", 2_000, 500, 1, symbols=5)
    shards = sharding_task.cut(flow, count)
    assert sum(len(part.commands) for part in shards) == len(flow.commands)
    assert sum(part.symbols for part in shards) == 5
    expected = events_of(flow)
    seen = []
    for place, part in enumerate(shards):
        assert (np.diff(part.commands["sequence"].astype(np.int64)) > 0).all()
        assert len(part.actions) == len(part.commands)
        events = events_of(part)
        events["symbol"] = events["symbol"] * count + place
        seen.append(events)
    actual = np.concatenate(seen)
    actual = actual[np.lexsort((actual["index"], actual["sequence"]))]
    assert actual.tobytes() == expected.tobytes()
    assert flow.commands["symbol"].max() == 4  # cutting has not touched the flow


def test_more_shards_than_symbols_leave_some_without_work():
    parts = sharding_task.cut(generate("balanced", 500, 100, 1, symbols=1), 2)
    assert [len(part.commands) for part in parts] == [500, 0]


def test_a_shard_too_small_for_its_orders_is_seen(monkeypatch, tmp_path):
    if len(one_cpu_a_core()) < 2:
        pytest.skip("one core: nothing is cut")
    part = sharding_task._part

    def cramped(flow, count, place):
        made = part(flow, count, place)
        return made if count == 1 else type(made)(**{**made.__dict__, "orders_max": 150})

    monkeypatch.setattr(sharding_task, "_part", cramped)
    with pytest.raises(MeasurementError, match="2 shards write .* events and the whole"):
        run_experiment("matching_sharding", {}, "smoke", silent, tmp_path)


def test_only_cores_that_are_there_are_counted():
    assert counts_of(1) == [1]
    assert counts_of(8) == [1, 2, 4, 8]
    assert counts_of(6) == [1, 2, 4, 6]
    cpus = one_cpu_a_core()
    assert 1 <= len(cpus) <= len(os.sched_getaffinity(0))
    assert set(cpus) <= os.sched_getaffinity(0)


def test_each_shard_ran_on_its_core_and_speed_up_is_beside_the_rates(tmp_path):
    result = run_experiment(
        "matching_sharding", {"engines": "price_ladder"}, "smoke", silent, tmp_path
    )
    cores = len(one_cpu_a_core())
    rates = [item for item in result.measurements if item.metric == "throughput"]
    assert {item.at for item in rates} == set(counts_of(cores))
    assert all(item.digest_ok for item in result.measurements)
    gains = [item for item in result.measurements if item.metric == "speed_up"]
    assert {(item.rival, item.at) for item in gains} == {
        (rival, count) for rival in result.parameters["engines"] for count in counts_of(cores)[1:]
    }
    for gain in gains:
        own = {item.at: item for item in rates if item.rival == gain.rival}
        assert own[1].low / 1.01 <= own[gain.at].high / gain.low
        assert gain.unit == "times"
    assert any(
        note.startswith("One engine a core, shared-nothing, pinned") for note in result.notes
    )


def test_nobody_begins_before_all_are_at_the_gate():
    gate, begun = np.zeros(4, np.int64), []

    def shard(place: int) -> None:
        number = 1
        while sharding_task._begins(gate, place, number, is_over=number > 3):
            begun.append((number, place))
            number += 1

    others = [threading.Thread(target=shard, args=(place,)) for place in (0, 1)]
    for thread in others:
        thread.start()
    assert begun == []  # the third is not there
    shard(2)
    for thread in others:
        thread.join()
    assert sorted(begun) == [(number, place) for number in (1, 2, 3) for place in range(3)]


def test_a_shard_whose_others_do_not_come_gives_up(monkeypatch):
    monkeypatch.setattr(sharding_task, "_PATIENCE_S", 0.05)
    with pytest.raises(MeasurementError, match="waited 0 s for the others"):
        sharding_task._begins(np.zeros(3, np.int64), 1, 1, is_over=False)
