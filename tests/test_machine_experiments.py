"""Every experiment on the machine itself at its smoke size, for real, and what all of them owe."""

from __future__ import annotations

import json

import pytest

from engines.errors import InputError
from lab import plots
from lab.experiments import EXPERIMENTS
from lab.experiments.about_machines import ABOUT_MACHINES
from lab.measure.result import Result, load
from lab.measure.runner import run_experiment
from lab.plots.alternative import alt_text

NAMES = [entry.name for entry in ABOUT_MACHINES]


def silent(*_: object) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module", params=NAMES)
def result(request, smoke_run) -> Result:
    """One smoke run of an experiment."""
    return smoke_run(request.param)


def test_the_work_was_done(result: Result) -> None:
    assert result.measurements
    assert all(item.digest_ok for item in result.measurements)
    assert not result.verdict.failed


def test_numbers_lie_in_their_intervals(result: Result) -> None:
    for item in result.measurements:
        assert item.low <= item.median <= item.high, item.metric
        assert item.samples >= item.runs > 0
        assert item.median > 0 or item.unit in ("relative", "share", "per_second", "per_command")


def test_it_finds_something_to_say_and_says_where(result: Result) -> None:
    assert result.verdict.finding
    assert result.machine["name"] and result.code.version
    assert not result.verdict.stable, "one round is never called stable"


def test_the_file_is_the_result(result: Result) -> None:
    assert result.path is not None
    assert load(result.path) == result
    assert json.loads(result.path.read_text())["parameters"] == result.parameters


def test_it_has_a_figure_and_the_figure_has_words(result: Result) -> None:
    kinds = plots.kinds(result)
    assert kinds
    for kind in kinds:
        assert len(alt_text(result, kind)) > 80


def test_it_takes_about_as_long_as_was_said(result: Result) -> None:
    estimate_s = EXPERIMENTS[result.experiment].estimate_seconds(result.parameters)
    assert result.seconds / 8 < estimate_s < result.seconds * 8


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "core" in EXPERIMENTS[name].parameters({})]
)
def test_a_cpu_that_is_not_there_is_refused_in_a_line(name: str) -> None:
    with pytest.raises(InputError, match="core 1000 cannot be used here"):
        run_experiment(name, {"core": 1000}, "smoke", silent)


@pytest.mark.parametrize("name", NAMES)
def test_it_belongs_to_no_room_and_has_both_sizes(name: str) -> None:
    assert EXPERIMENTS[name].room == ""
    assert set(EXPERIMENTS[name].sizes) == {"smoke", "full"}
