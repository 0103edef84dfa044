"""Every registered experiment at its smoke size, for real; and wrong engines, to be caught."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from engines.errors import InputError
from engines.matching import present
from engines.messages import EVENT
from lab.experiments import EXPERIMENTS, matching_task, oracle_task
from lab.experiments.matching_flow import (
    Prepared,
    able,
    prepare,
    say_how_timed,
    say_what_is_counted,
)
from lab.hardware.clock import calibrate
from lab.measure.bench import Bench
from lab.measure.histogram import Histogram
from lab.measure.process import Task
from lab.measure.result import Result, load
from lab.measure.runner import run_experiment
from lab.measure.talk import Talk
from lab.measure.tally import comparisons_of, measurements_of
from lab.measure.verdict import Surroundings, judge
from lab.workloads.order_flow import ACTIONS, FLOWS, generate


def silent(*_: object) -> None:
    """Report to nobody."""


# Packages of other people are an extra: tests/lab/test_rivals.py has them. What belongs to no room
# has no engines to compare: tests/test_machine_experiments.py and tests/lab/test_self_check.py.
OURS = [name for name, entry in EXPERIMENTS.items() if entry.room and name != "matching_rivals"]
ALL_ENGINES = ("matching_throughput", "matching_latency", "replay")
RATES_AND_TIMES = ("throughput", "service_time")
# One number a turn: their times are in the histogram of the response time.
OF_TURNS = ("response_time_mean", "response_time_p99", "response_time_p99.9")


@pytest.fixture(scope="module", params=OURS)
def result(request, smoke_run) -> Result:
    """One smoke run of an experiment."""
    return smoke_run(request.param)


def test_every_engine_is_measured_and_did_the_references_work(result):
    engines = result.parameters["engines"]
    assert {item.rival for item in result.measurements} == set(engines)
    assert result.experiment not in ALL_ENGINES or engines == present()
    assert all(item.digest_ok for item in result.measurements)
    measured = [item for item in result.measurements if item.metric in RATES_AND_TIMES]
    by_case = {
        case: {item.digest for item in measured if item.case == case} for case in cases(result)
    }
    assert all(len(digests) == 1 for digests in by_case.values())
    if result.experiment in ALL_ENGINES:  # all of their cases are the same work
        assert set.union(*by_case.values()) == {result.digest}
    assert len({(item.rival, item.case, item.metric) for item in measured}) == len(measured)
    assert len({(item.rival, item.case) for item in measured}) == len(engines) * len(by_case)


def cases(result: Result) -> list[str]:
    """Return the cases that were measured."""
    measured = [item for item in result.measurements if item.metric in RATES_AND_TIMES]
    return list(dict.fromkeys(item.case for item in measured))


def test_numbers_are_there_for_every_run(result):
    for item in result.measurements:
        runs = 2 * result.parameters["rounds"] if item.metric != "memory" else 1
        assert item.runs == len(item.values) == runs
        assert 0 < item.low <= item.median <= item.high
        assert item.samples >= runs


def test_times_carry_their_histogram(result):
    for item in result.measurements:
        if item.unit != "ns" or item.metric in OF_TURNS:
            assert item.histogram is None and not item.quantiles
            continue
        assert item.histogram is not None
        times = Histogram.from_hdr(item.histogram)
        assert times.samples == item.samples
        assert item.quantiles["99"] == times.quantile(99)
        assert item.quantiles["50"] <= item.quantiles["99.9"] <= item.quantiles["max"] == times.max


def test_each_rival_is_compared_with_the_others_and_with_itself(result):
    pairs = {(item.rival, item.baseline) for item in result.comparisons}
    names = result.parameters["engines"]
    for place, baseline in enumerate(names):
        assert (baseline, baseline) in pairs
        assert all((rival, baseline) in pairs for rival in names[place + 1 :])
    assert all(item.noise_low <= 1 <= item.noise_high for item in result.comparisons)


def test_one_round_is_never_called_stable(result):
    assert not result.verdict.stable
    assert result.verdict.reason and result.verdict.remedy and result.verdict.finding
    assert not any(item.clear for item in result.comparisons)


def test_the_file_is_the_result_and_names_machine_code_and_clocks(result):
    assert load(result.path) == result
    content = json.loads(result.path.read_text())
    assert content["machine"]["name"] and content["code"]["version"]
    assert content["clocks"]["compiled"]["floor_ns"] > 0
    assert content["parameters"] == result.parameters


def test_it_takes_about_as_long_as_was_said(result):
    estimate_s = EXPERIMENTS[result.experiment].estimate_seconds(result.parameters)
    # A machine may be busy or quicker than the one whose costs were written down.
    assert result.seconds / 8 < estimate_s < result.seconds * 8


def test_a_cpu_that_is_not_there_is_refused_before_anything_is_made():
    told: list[tuple] = []
    pinning = [name for name in OURS if "core" in EXPERIMENTS[name].parameters({})]
    for name in pinning:
        with pytest.raises(
            InputError, match="^core 1000 cannot be used here; choose from .*-1 for"
        ):
            run_experiment(name, {"core": 1000}, "smoke", lambda *words: told.append(words))
    assert [words[3] for words in told] == pinning  # its name, and no flow
    assert set(OURS) - set(pinning) == {"matching_sharding"}  # each of its shards has a core


def test_more_cores_than_there_are_are_refused():
    with pytest.raises(InputError, match=r"^cores_max 1000 is more than this process may use"):
        run_experiment("matching_sharding", {"cores_max": 1000}, "smoke", silent)


# -- what is timed --------------------------------------------------------------------------------


def readings_of(engine: str, batch: int, messages: int = 500) -> dict[str, dict]:
    """Return what one process would find, by case; the work is checked against the reference."""
    flow = generate("balanced", messages, 100, 1)
    room = {"orders": flow.orders_max, "symbols": 1}
    answer = oracle_task.expect(Talk(), flow.preload, flow.commands, room)
    outcome = matching_task.latency(
        *(Talk(), flow.preload, flow.commands, flow.actions),
        room=room,
        events=answer["events"],
        engine=engine,
        batch=batch,
        seconds=0.01,
        action_names=list(ACTIONS),
        ns_per_tick=1.0,
        cycles_trusted=False,
    )
    assert set(outcome["digests"]) == {answer["digest"]}
    return {reading["case"]: reading for reading in outcome["readings"]}


def test_the_call_from_python_stands_beside_the_time_inside_the_engine():
    found = readings_of("price_ladder", 50)
    assert {"all", "add", "cancel", "take", "batch of 1", "batch of 50"} == set(found)
    assert found["batch of 1"]["value"] > 4 * found["all"]["value"]
    assert found["batch of 1"]["value"] > 4 * found["batch of 50"]["value"]
    assert found["batch of 1"]["samples"] % 500 == found["batch of 50"]["samples"] % 10 == 0


@pytest.mark.parametrize(
    ("batch", "cases"),
    [
        (501, ["batch of 1", "batch of 500"]),
        (1, ["batch of 1"]),
        (400, ["batch of 1", "batch of 400"]),
    ],
)
def test_no_size_of_batch_goes_unmeasured(batch, cases):
    found = readings_of("binary_heap", batch)
    assert [case for case in found if case.startswith("batch")] == cases


def test_calls_beyond_the_limit_are_made_and_not_timed(monkeypatch):
    monkeypatch.setattr(matching_task, "_CALLS_MAX", 7)
    found = readings_of("binary_heap", 50)
    assert found["batch of 1"]["samples"] % 7 == found["batch of 50"]["samples"] % 7 == 0


def test_a_batch_is_finer_than_a_nanosecond_a_command():
    values = {readings_of("price_ladder", 250)["batch of 250"]["value"] for _ in range(3)}
    assert any(value != round(value) for value in values)


def test_a_batch_of_more_than_all_commands_is_noted(bench):
    say_how_timed(bench, calibrate(), 64, 2_000)
    assert not any("is more than" in note for note in bench.notes)
    assert any("inside the engine" in note and "batch of 1" in note for note in bench.notes)
    say_how_timed(bench, calibrate(), 10_000, 2_000)
    assert "A batch of 10,000 is more than the 2,000 commands of a pass" in bench.notes[-1]


def rate_of(engine: str, batch: int) -> dict:
    """Return what one process would find of whole passes; ``right`` is the reference's digest."""
    flow = generate("balanced", 1_000, 200, 1)
    room = {"orders": flow.orders_max, "symbols": 1}
    answer = oracle_task.expect(Talk(), flow.preload, flow.commands, room)
    known = {"room": room, "events": answer["events"], "batch": batch, "seconds": 0.05}
    outcome = matching_task.throughput(Talk(), flow.preload, flow.commands, engine=engine, **known)
    return outcome | {"right": answer["digest"]}


@pytest.mark.parametrize("room", [1, 7, 2**14])
@pytest.mark.parametrize("batch", [1, 100, 5_000])
def test_a_buffer_of_events_that_is_used_again_gives_the_same_digest(monkeypatch, batch, room):
    monkeypatch.setattr(matching_task, "REUSED_EVENTS", room)
    outcome = rate_of("price_ladder", batch)
    assert len(outcome["digests"]) >= 2  # the pass that is looked at, and those that are timed
    assert set(outcome["digests"]) == {outcome["right"]}


@pytest.mark.parametrize("engine", ["binary_heap", "price_ladder"])
def test_the_book_is_filled_and_nothing_of_that_waits_for_the_pass(engine):
    """What fills the book ends with a taker, whose events a small buffer does not hold."""
    flow = generate("balanced", 1_000, 200, 1)
    taker = 1 + int(np.flatnonzero(flow.actions == ACTIONS.index("take"))[-1])
    preload = np.concatenate([flow.preload, flow.commands[:taker]])
    room = {"orders": flow.orders_max, "symbols": 1}
    answer = oracle_task.expect(Talk(), preload, flow.commands[taker:], room)
    events = np.zeros(1, EVENT)
    passes = matching_task.Passes(preload, flow.commands[taker:], engine, room, events)
    assert len(passes.fresh_engine().undelivered()) == 0
    assert matching_task.see(passes, 10, answer["events"]).digest == answer["digest"]


def test_a_timed_pass_that_does_other_work_is_seen(monkeypatch):
    """The first pass, whose events are looked at, is right; the timed ones lose a command each."""
    hand_over = matching_task._hand_over

    def lazy(engine, passes, batch, most, digest=None):
        whole = passes.commands
        passes.commands = whole if digest is not None else whole[:-1]
        try:
            return hand_over(engine, passes, batch, most, digest)
        finally:
            passes.commands = whole

    monkeypatch.setattr(matching_task, "_hand_over", lazy)
    outcome = rate_of("price_ladder", 100)
    assert outcome["digests"][0] == outcome["right"]
    assert outcome["right"] not in outcome["digests"][1:]


def test_what_the_processor_counts_stands_beside_the_rate(monkeypatch):
    class Counting:
        names, missing = ["cycles", "instructions"], {}

        def start(self):
            self.is_on = True

        def stop(self):
            assert self.is_on
            return {"cycles": 250_000, "instructions": 700_000}

        def close(self):
            self.is_on = False

    monkeypatch.setattr(matching_task, "open_counters", lambda: (Counting(), ""))
    outcome = rate_of("price_ladder", 100)
    found = {item["metric"]: (item["value"], item["unit"]) for item in outcome["readings"]}
    assert found["cycles"] == (250.0, "per_command")
    assert found["instructions"] == (700.0, "per_command")
    assert list(found)[0] == "throughput" and outcome["no_counters"] == ""


def test_where_nothing_is_counted_a_note_says_why(bench):
    prepared = prepare(bench, "balanced", 1_000, 200, 1, 1)
    task = prepared.task("throughput", engine="binary_heap", batch=100, seconds=0.01)
    bench.compare({"binary_heap": task}, case="balanced", rounds=1, core=-2, seed=1)
    say_what_is_counted(bench)
    outcome = bench.runs[0].outcome
    metrics = {item["metric"] for item in outcome["readings"]}
    said = [note for note in bench.notes if note.startswith("No cycles, instructions or misses")]
    assert ("cycles" in metrics) == (not said)
    assert len(said) <= 1


def test_an_engine_that_lacks_what_a_flow_needs_is_left_out_and_said(bench):
    assert able(bench, ["price_ladder", "binary_heap"], "featured") == ["price_ladder"]
    (note,) = bench.notes
    assert note.startswith("binary_heap is left out: featured needs what it does not have (")
    assert "iceberg" in note
    assert able(bench, ["price_ladder", "binary_heap"], "calm") == ["binary_heap", "price_ladder"]
    with pytest.raises(InputError, match="no chosen engine can carry out featured; choose from"):
        able(bench, ["binary_heap"], "featured")


@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_is_measured(flow, tmp_path):
    # the heap loads nothing that was compiled; what it does not have is what featured is for
    engines = "binary_heap,price_ladder" if flow == "featured" else "binary_heap"
    tiny = dict(messages=300, live_orders=100, engines=engines, flow=flow)
    result = run_experiment("matching_throughput", tiny, "smoke", silent, tmp_path)
    assert all(item.digest_ok for item in result.measurements)
    assert {item.rival for item in result.measurements} == {engines.split(",")[-1]}


def test_words_stand_for_engines():
    parameters = EXPERIMENTS["matching_throughput"].parameters
    assert parameters({"engines": "all"})["engines"] == present()
    fast, compiled = (parameters({"engines": word})["engines"] for word in ("fast", "compiled"))
    assert set(present()) - set(fast) == {"reference", "sorted_array"}
    assert set(fast) - set(compiled) == {"binary_heap"}


# -- a wrong engine -------------------------------------------------------------------------------

CROOKED = '''
from engines.matching import IMPLEMENTATIONS
from engines.matching.api import Implementation
from engines.matching.binary_heap import BinaryHeap
from engines.messages import EventKind, event_kinds
from lab.experiments.matching_task import latency, throughput

class Crooked(BinaryHeap):
    """Does what the heap does, and says one tick more for the price of each trade."""

    def submit(self, commands, events, ticks=None):
        counts = super().submit(commands, events, ticks)
        written = events[: counts[1]]
        written["price"][event_kinds(written) == EventKind.TRADE] += 1
        return counts

class Forgetful(BinaryHeap):
    """Gives every event rightly, and a book that lacks its best bid."""

    def live_orders(self):
        return super().live_orders()[1:]

for engine in (Crooked, Forgetful):
    IMPLEMENTATIONS[engine.__name__] = Implementation(
        engine.__name__, "wrong", "", "", "", frozenset(), f"crooked:{engine.__name__}"
    )
'''


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Iterator[Bench]:
    """A bench whose measured processes know two engines that are wrong."""
    (tmp_path / "crooked.py").write_text(CROOKED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Bench(silent) as bench:
        yield bench


def crooked_task(prepared: Prepared, engine: str) -> Task:
    ours = prepared.task("throughput", engine=engine, batch=100, seconds=0.01)
    return Task("crooked:throughput", ours.arguments, ours.shared)


@pytest.mark.parametrize("wrong", ["Crooked", "Forgetful"])
def test_a_wrong_engine_is_void_and_the_right_one_beside_it_is_not(bench, wrong):
    prepared = prepare(bench, "balanced", 2_000, 200, 1, 1)
    tasks = {engine: crooked_task(prepared, engine) for engine in ("binary_heap", wrong)}
    bench.compare(tasks, case="balanced", rounds=1, core=-1, seed=1)
    measurements = measurements_of(bench.runs, bench.expected_digest)
    assert {item.rival: item.digest_ok for item in measurements} == {
        "binary_heap": True,
        wrong: False,
    }
    comparisons = comparisons_of(bench.runs, bench.main_case)
    verdict = judge(bench.runs, measurements, comparisons, bench.main_case, Surroundings())
    assert not verdict.stable and verdict.reason.startswith(f"{wrong} gave other events")
    assert wrong not in verdict.finding
