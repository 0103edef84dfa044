"""What a median hides, planted and found; and what the machine does, which is nobody's."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.cbook import boxplot_stats

from lab.measure.shape import CLASSES, Shape, common_effects, shape_of


def race(seed, rivals=2, rounds=5, turns=60, groups=None, drift=0.0, layouts=0.0, machine=0.0):
    """Rivals side by side, two processes each; what is planted is the first rival's.

    ``groups`` is the share and the distance of slow passes, ``layouts`` what half of its processes
    are slower by, ``machine`` how far the machine slows down meanwhile, all as logarithms.
    """
    chance = np.random.default_rng(seed)
    played = []
    for _ in range(rounds):
        speed = [chance.normal() * 0.05]
        for _ in range(turns - 1):
            speed.append(0.8 * speed[-1] + 0.6 * chance.normal() * 0.05)
        speed = np.array(speed) + chance.normal() * 0.05 + machine * np.arange(turns) / turns
        part = {}
        for rival in range(rivals):
            for _ in range(2):
                logs = speed + chance.normal() * 0.005 + chance.normal(size=turns) * 0.01
                spiked = chance.random(turns) < 0.02
                logs = logs + spiked * np.log(chance.uniform(2, 10, turns))
                if rival == 0:
                    logs = logs + drift * np.arange(turns) / turns
                    logs = logs + (layouts if chance.random() < 0.5 else 0.0)
                    if groups:
                        logs = logs + (chance.random(turns) < groups[0]) * groups[1]
                part.setdefault(str(rival), []).append(dict(enumerate(1e6 * np.exp(logs))))
        played.append(part)
    return played


def shapes(rounds, with_common=True):
    """The shape of each rival."""
    common = common_effects(rounds)
    return [
        shape_of(
            [list(turns.values()) for part in rounds for turns in part[rival]],
            [turns for part in common for turns in part[rival]] if with_common else None,
        )
        for rival in rounds[0]
    ]


def named(shape):
    return bool(shape.modes), bool(shape.process_modes), shape.drift is not None


def shares_named(tries, with_common=True, **planted):
    """How often groups of passes, groups of processes and a drift are named, of each rival."""
    found = [shapes(race(seed, **planted), with_common) for seed in range(tries)]
    return np.array([[named(shape) for shape in one] for one in found]).mean(axis=0)


def test_outliers_are_those_beyond_matplotlibs_fences():
    """Against ``matplotlib.cbook.boxplot_stats``, which finds the same fences by its own code."""
    chance = np.random.default_rng(1)
    values = chance.standard_t(1.5, size=500) * 0.02 + 1
    values = values[values > 0.05] / np.median(values[values > 0.05])
    beyond = [boxplot_stats(values, whis=whis)[0]["fliers"] for whis in (1.5, 3)]
    low, high = [(part < 1).sum() for part in beyond], [(part > 1).sum() for part in beyond]
    found = shape_of([list(values)]).outliers
    expected = (low[1], low[0] - low[1], high[0] - high[1], high[1])
    assert [found[name] for name in CLASSES] == list(expected)
    assert min(expected) > 0


def test_a_slow_process_has_no_outliers_for_that():
    quick = [1 + 0.001 * (7 * turn % 31) for turn in range(31)]
    found = shape_of([quick, quick, quick, [3 * value for value in quick]])
    assert sum(found.outliers.values()) == 0
    assert found.words == []


def test_nothing_is_named_where_nothing_was_planted():
    """One per cent of each is expected; 20 races of two rivals, 5 per cent are allowed."""
    assert shares_named(20).mean(axis=0).max() <= 0.05
    assert shares_named(20, with_common=False).mean(axis=0).max() <= 0.05
    assert shares_named(20, machine=0.15).mean(axis=0).max() <= 0.05


@pytest.mark.parametrize(
    "groups", [(0.4, 0.25), (0.5, 0.1), (0.1, 0.25)], ids=["two heaps", "near", "small"]
)
def test_two_groups_of_passes_are_named_where_they_are(groups):
    found = shares_named(20, groups=groups)
    assert found[0, 0] >= 0.8
    assert found[1, 0] <= 0.1


def test_their_centres_and_shares_are_what_was_planted():
    found = [shapes(race(seed, groups=(0.4, 0.25)))[0] for seed in range(10)]
    modes = np.median([one.modes for one in found if one.modes], axis=0)
    assert modes[1, 0] / modes[0, 0] == pytest.approx(np.exp(0.25), rel=0.03)
    assert modes[0, 1] == pytest.approx(0.6, abs=0.06)


def test_groups_that_are_too_near_to_matter_are_not_named():
    quick = np.random.default_rng(2).normal(size=100) * 0.0005
    heaps = 1e6 * np.exp(quick + 0.01 * (np.arange(100) % 2))
    assert shape_of([list(heaps)]).modes == ()
    further = 1e6 * np.exp(quick + 0.03 * (np.arange(100) * 7919 % 5 < 2))
    assert len(shape_of([list(further)]).modes) == 2


def test_groups_of_processes_are_their_own_finding():
    found = shares_named(20, layouts=0.25, rounds=8)
    assert found[0, 1] >= 0.7
    assert found[0, 0] == 0 and found[1].max() <= 0.1


def test_a_drift_is_its_rivals_and_not_the_machines():
    found = shares_named(20, drift=0.1)
    assert found[0, 2] >= 0.8
    assert found[1, 2] <= 0.2
    drifts = [shapes(race(seed, drift=0.1))[0].drift for seed in range(10)]
    assert np.median([value for value in drifts if value]) == pytest.approx(np.exp(0.1), rel=0.03)


def test_what_slows_a_turn_is_what_the_others_did_in_it():
    """Against a direct count on one round: the median of all others, relative to their usual."""
    part = {"a": [{0: 10.0, 1: 12.0}, {0: 11.0, 1: 13.2}], "b": [{0: 100.0, 1: 130.0}, {0: 90.0}]}
    found = common_effects([part])[0]
    usual = {"a": np.median([11.0, 12.1]), "b": np.median([115.0, 90.0])}
    others = [11.0 / usual["a"], 100.0 / usual["b"], 90.0 / usual["b"]]
    assert found["a"][0][0] == pytest.approx(np.median(others))
    assert found["b"][0][1] == pytest.approx(np.median([12.0, 13.2]) / usual["a"])
    assert [len(turns) for turns in found["b"]] == [2, 1]


def test_a_turn_with_fewer_than_two_others_says_nothing_and_is_left_out():
    found = common_effects([{"a": [{0: 5.0}, {0: 6.0, 1: 7.0}]}])
    assert np.isnan([factor for turns in found[0]["a"] for factor in turns]).all()
    quick = [1 + 0.001 * (7 * turn % 31) for turn in range(31)]
    known = [1.0] * 31
    assert shape_of([[*quick, 9.0]], [[*known, np.nan]]) == shape_of([quick], [known])
    assert shape_of([quick], [[np.nan] * 31]) == shape_of([quick])


def test_words():
    chance = np.random.default_rng(4)
    slow = np.where(chance.random(200) < 0.6, np.log(1.25), 0.0)
    passes = 1.2e6 * np.exp(slow + chance.normal(size=200) * 0.01)
    found = shape_of([list(passes)], [[1.0] * 200])
    low = 100 * found.modes[0][1]
    assert found.words == [
        f"passes fall into two groups, {low:.0f} % near 1.2 ms and {100 - low:.0f} % near 1.5 ms"
    ]
    assert "may be the machine" in shape_of([list(passes)]).words[-1]
    drifting = 1e6 * np.exp(0.05 * np.arange(100) / 99 + chance.normal(size=100) * 0.002)
    ones = [[1.0] * 100]
    slower = "becomes slower against the other rivals by 5 % from the first turn to the last"
    assert shape_of([list(drifting)], ones).words == [slower]
    assert "becomes faster" in shape_of([list(drifting)], ones, "per_second").words[0]


@pytest.mark.parametrize("turns", [[[5.0]], [[5.0], [6.0]], [[5.0] * 30] * 6, [[], [4.0, 5.0]]])
def test_little_or_equal_values_have_no_shape(turns):
    assert shape_of(turns) == Shape(dict.fromkeys(CLASSES, 0))


def test_a_process_whose_passes_are_alike_beside_others_in_two_groups():
    """A clock's step can make all of a process's passes but a hair the same number."""
    spread = [54.2, 54.6] * 20
    alike = [54.48] * 7 + [54.478]
    shape = shape_of([spread, alike, spread, [54.48] * 12])
    assert shape.modes == ()
