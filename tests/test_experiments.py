"""Every registered experiment at its smoke size, for real; and wrong engines, to be caught."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS
from lab.experiments import EXPERIMENTS, matching_task
from lab.experiments.matching_flow import Prepared, prepare, say_how_timed
from lab.hardware.clock import calibrate
from lab.measure.histogram import Histogram
from lab.measure.result import Result, load
from lab.measure.runner import Bench, Task, run_experiment
from lab.measure.tally import comparisons_of, measurements_of
from lab.measure.verdict import Surroundings, judge
from lab.workloads.order_flow import ACTIONS, generate


def silent(*_: object) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module", params=EXPERIMENTS)
def result(request, tmp_path_factory) -> Result:
    """One smoke run of an experiment."""
    folder = tmp_path_factory.mktemp("results")
    return run_experiment(request.param, {}, "smoke", silent, folder)


def test_every_engine_is_measured_and_did_the_references_work(result):
    assert {item.rival for item in result.measurements} == set(IMPLEMENTATIONS)
    assert all(item.digest_ok for item in result.measurements)
    assert {item.digest for item in result.measurements} == {result.digest}
    cases = {(item.rival, item.case) for item in result.measurements}
    assert len(cases) == len(IMPLEMENTATIONS) * len({case for _, case in cases})


def test_numbers_are_there_for_every_run(result):
    runs = 2 * result.parameters["rounds"]
    for item in result.measurements:
        assert item.runs == len(item.values) == runs
        assert 0 < item.low <= item.median <= item.high
        assert item.samples >= runs


def test_times_carry_their_histogram(result):
    for item in result.measurements:
        if item.unit != "ns":
            assert item.histogram is None and not item.quantiles
            continue
        assert item.histogram is not None
        times = Histogram.from_hdr(item.histogram)
        assert times.samples == item.samples
        assert item.quantiles["99"] == times.quantile(99)
        assert item.quantiles["50"] <= item.quantiles["99.9"] <= item.quantiles["max"] == times.max


def test_each_rival_is_compared_with_the_others_and_with_itself(result):
    pairs = {(item.rival, item.baseline) for item in result.comparisons}
    names = list(IMPLEMENTATIONS)
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
    for name in EXPERIMENTS:
        with pytest.raises(
            InputError, match="^core 1000 cannot be used here; choose from .*-1 for"
        ):
            run_experiment(name, {"core": 1000}, "smoke", lambda *words: told.append(words))
    assert [words[3] for words in told] == list(EXPERIMENTS)  # its name, and no flow


# -- what is timed --------------------------------------------------------------------------------


def readings_of(engine: str, batch: int, messages: int = 500) -> dict[str, dict]:
    """Return what one process would find, by case; the work is checked against the reference."""
    flow = generate("balanced", messages, 100, 1)
    room = {"orders": flow.orders_max, "symbols": 1}
    answer = matching_task.expect(silent, flow.preload, flow.commands, room)
    outcome = matching_task.latency(
        *(silent, flow.preload, flow.commands, flow.actions),
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
