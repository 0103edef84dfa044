"""How far an independent program and the lab are apart, turn by turn."""

from __future__ import annotations

import pytest

from lab.experiments.agreement import APART, hold_beside
from lab.measure.tally import Run, measurements_of


def run_of(rival: str, number: int, turns: dict[int, float], at: float | None = None) -> Run:
    reading = {
        "case": "64 KiB",
        "metric": "load_latency",
        "unit": "ns",
        "value": 1.0,
        "samples": len(turns),
        "turns": {"turn": list(turns), "value": list(turns.values())},
    }
    if at is not None:
        reading["at"] = at
    return Run(rival, number, {"readings": [reading], "digests": ["5f1d"]})


def apart(runs: list[Run]) -> float | None:
    return hold_beside(runs, "random", "random, C++", "64 KiB", "load_latency")


def test_turns_are_compared_with_turns_and_rounds_with_rounds() -> None:
    """The machine is four times slower in every other turn, and twice in the second round."""
    runs = [
        run_of("random", 0, {1: 11.0, 2: 44.0}),
        run_of("random, C++", 0, {1: 10.0, 2: 40.0}),
        run_of("random", 1, {1: 22.0, 2: 88.0}),
        run_of("random, C++", 1, {1: 20.0}),
    ]
    assert apart(runs) == pytest.approx(0.1)


def test_of_two_processes_of_the_lab_in_a_round_it_is_the_mean() -> None:
    runs = [
        run_of("random", 0, {1: 9.0}),
        run_of("random", 0, {1: 13.0, 2: 500.0}),
        run_of("random, C++", 0, {1: 10.0}),
    ]
    assert apart(runs) == pytest.approx(0.1)


def test_it_becomes_a_measurement_of_the_program_with_a_value_a_process() -> None:
    runs = [
        run_of("random", 0, {1: 9.0}, at=65_536.0),
        run_of("random, C++", 0, {1: 10.0}, at=65_536.0),
        run_of("random, C++", 0, {1: 12.0}, at=65_536.0),
    ]
    apart(runs)
    (found,) = [item for item in measurements_of(runs, "5f1d") if item.metric == APART]
    assert (found.rival, found.unit, found.at) == ("random, C++", "relative", 65_536.0)
    assert found.values == pytest.approx([-0.1, -0.25])


def test_without_a_turn_of_both_there_is_no_answer() -> None:
    assert apart([run_of("random", 0, {1: 9.0})]) is None
    assert apart([run_of("random", 0, {1: 9.0}), run_of("random, C++", 1, {1: 9.0})]) is None
