"""The self-check finds what it is meant to find, and its simulations are what they say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from engines.errors import InputError, MeasurementError
from lab.experiments.self_check_asked import SAME, Asked, Question
from lab.experiments.self_check_designs import (
    QUANTILES,
    quantile_rank,
    quantiles_of_even,
    simulated,
)
from lab.experiments.self_check_queues import Errors
from lab.experiments.self_check_simulated import DISTRIBUTIONS, SEVERAL_LOOKS
from lab.experiments.self_check_wanted import QUEUES_LEAST
from lab.measure.bench import Bench
from lab.measure.effects import effect_of
from lab.measure.result import Result
from lab.measure.runner import run_experiment
from lab.measure.simulated import LOADS, repetitions


def silent(*_: object) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module")
def told() -> list[tuple]:
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory, told) -> Result:
    """One smoke run."""
    folder = tmp_path_factory.mktemp("results")
    return run_experiment("self_check", {}, "smoke", lambda *words: told.append(words), folder)


def test_every_kind_of_question_is_asked_and_counted(result):
    found = {(item.metric, item.case): item for item in result.measurements}
    assert {item.rival for item in result.measurements} == {"lab"}
    assert all(item.digest_ok for item in result.measurements)
    for key in (
        ("false_alarm_share", "same_code"),
        ("found_share", "planted_3_percent"),
        ("found_share", "planted_1_percent"),
    ):
        assert found[key].unit == "share" and found[key].runs == 1
    coverage = [item for item in result.measurements if item.metric == "coverage"]
    assert [item.case for item in coverage] == [*QUANTILES, SEVERAL_LOOKS]
    for item in coverage:
        assert item.runs == 20 and set(item.values) <= {0.0, 1.0}
        assert item.median == pytest.approx(np.mean(item.values))
        # the exact binomial interval, as scipy has it
        bounds = stats.binomtest(int(sum(item.values)), 20).proportion_ci(method="exact")
        assert (item.low, item.high) == pytest.approx(tuple(bounds))


def test_a_percentile_is_that_of_a_sort_within_a_thousandth(result):
    errors = {m.case: m.values for m in result.measurements if m.metric == "percentile_error"}
    assert list(errors) == list(DISTRIBUTIONS)
    assert max(abs(error) for values in errors.values() for error in values) <= 1e-3
    assert any(error != 0 for values in errors.values() for error in values)


def test_few_queues_are_no_proof(result):
    assert not any(item.metric == "queueing_error" for item in result.measurements)


def test_response_times_of_simulated_servers_are_those_of_theory():
    """On the virtual clock nothing depends on the machine: the same seed, the same error."""
    errors = Errors("virtual clock")
    for seed in range(QUEUES_LEAST):
        errors.add(repetitions(False, 0.2, seed, LOADS))
    found = {item["case"]: item for item in errors.readings()}
    assert len(found) == 16 and {item["samples"] for item in found.values()} == {QUEUES_LEAST}
    assert max(abs(item["value"]) for item in found.values()) < 0.02
    assert "M/M/1, 80 % load, p99, virtual clock" in found


def test_what_it_found_is_said(result, told):
    alarms = next(m for m in result.measurements if m.metric == "false_alarm_share").values
    assert f"Of 1 comparisons of the same code {sum(alarms):.0f} gave" in result.verdict.finding
    assert " hold the truth" in result.verdict.finding
    assert any("8 rounds of 2 processes" in note for note in result.notes)
    details = [detail for _, _, _, detail in told]
    assert any(detail.startswith("simulated comparisons, p99.9") for detail in details)
    assert all(done <= total for phase, done, total, _ in told if phase == "measuring")


def test_a_cpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="^core 1000 cannot be used here; choose from .*-1 for"):
        run_experiment("self_check", {"core": 1000}, "smoke", silent)


# -- comparisons ----------------------------------------------------------------------------------


def test_a_planted_third_is_found():
    planted = Question("planted_30_percent", 0.3)
    with Bench(silent) as bench, Asked(bench, 3, 30, "none", -2, seed=1) as asked:
        found = asked._ask(planted, 0)
    assert found.clear and found.state == "slower"
    assert 1 / found.ratio == pytest.approx(1.3, rel=0.1)
    (run,) = bench.runs
    readings = {item["metric"]: item["value"] for item in run.outcome["readings"]}
    assert readings["found_share"] == 1 and set(run.outcome["digests"]) == {bench.expected}


def test_the_same_code_is_seldom_claimed_to_differ_and_what_differs_is_found():
    random = np.random.default_rng(21)
    alike = [effect_of(*simulated(random, "throughput", 0.0).sides).state for _ in range(200)]
    assert sum(state in ("faster", "slower") for state in alike) <= 0.08 * 200
    apart = [effect_of(*simulated(random, "throughput", 0.3).sides).state for _ in range(50)]
    assert apart == ["faster"] * 50


def cpu_ticks(number: int) -> int:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def is_there(number: int) -> bool:
    return Path(f"/proc/{number}").exists()


def test_the_second_load_works_on_every_cpu_and_is_gone_afterwards():
    with Bench(silent) as bench, Asked(bench, 2, 5, "compute", -1, seed=1) as asked:
        numbers = [process._process.pid for process in asked._beside]
        assert len(numbers) == len(os.sched_getaffinity(0))
        end_s = time.monotonic() + 60
        while min(map(cpu_ticks, numbers)) < 100:  # loading takes 20: it does begin
            assert time.monotonic() < end_s
            time.sleep(0.05)
    assert not any(map(is_there, numbers))
    assert any(note.startswith("A second load ran beside it") for note in bench.notes)


def test_the_second_load_is_gone_after_a_failure():
    with (
        pytest.raises(RuntimeError, match="^something else$"),
        Bench(silent) as bench,
        Asked(bench, 2, 5, "memory", -1, seed=1) as asked,
    ):
        numbers = [process._process.pid for process in asked._beside]
        raise RuntimeError("something else")
    assert numbers and not any(map(is_there, numbers))


def test_a_second_load_that_died_is_said():
    with (
        pytest.raises(MeasurementError, match="^the second load ended before"),
        Bench(silent) as bench,
        Asked(bench, 2, 5, "compute", -1, seed=1) as asked,
    ):
        asked._beside[0]._process.kill()
        asked._beside[0]._process.wait()
        asked._ask(SAME, 0)


# -- simulations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "percent"), [(1_234, 99.9), (2_000, 99), (1_501, 50)])
def test_a_quantile_that_is_drawn_at_once_is_that_of_real_samples(samples, percent):
    """Kolmogorov and Smirnov's test against sorted draws; the nearest rank is numpy's."""
    random = np.random.default_rng(3)
    drawn = quantiles_of_even(random, samples, percent, 2_000)
    real = np.sort(random.random((500, samples)), axis=1)[:, quantile_rank(samples, percent) - 1]
    assert stats.ks_2samp(drawn, real).pvalue > 0.01
    one = random.lognormal(0, 1, samples)
    nearest = np.quantile(one, percent / 100, method="inverted_cdf")
    assert np.sort(one)[quantile_rank(samples, percent) - 1] == nearest


def test_repetitions_of_processes_that_were_disturbed_are_put_together():
    """Two halves of what was found give what the whole gives."""
    whole = repetitions(False, 1.0, 5, [0.6])
    sound = Errors("virtual clock")
    sound.add(whole)
    halves = Errors("virtual clock")
    for case in whole["cases"]:
        few = {"means": case["means"][:6], "shares": {k: v[:6] for k, v in case["shares"].items()}}
        for half in (few, few):
            halves.add({"clock": "virtual", "cases": [case | half | {"disturbed": 30}]})
    assert (sound.disturbed, halves.disturbed) == (0, 4 * 30)
    expected = {case: values for case, values in sound.values.items() if "p9" in case}
    found = {case: values for case, values in halves.values.items() if "p9" in case}
    assert len(expected) == 4 and found == expected
    assert sound.readings() == []  # one process has no interval
    few = Errors("virtual clock")
    few.add({"clock": "virtual", "cases": [whole["cases"][0] | {"means": [1.0], "shares": {}}]})
    assert few.readings() == []


@pytest.mark.parametrize("case", [*QUANTILES, SEVERAL_LOOKS])
def test_a_design_has_the_difference_that_it_says(case):
    random = np.random.default_rng(4)
    drawn = [simulated(random, case, 0.5) for _ in range(60)]
    errors = [np.log(effect_of(*one.sides).ratio / one.ratio) for one in drawn]
    assert {one.ratio for one in drawn} == {1.5}
    assert abs(np.mean(errors)) < 0.02
    assert {len(one.first) for one in drawn} == set(range(3, 9))
    counts = [len(process) for one in drawn for process in one.first[0]]
    assert min(counts) >= 10 and max(counts) <= 100
    assert any(len(one.first[0][0]) != len(one.second[0][0]) for one in drawn)
