"""Looks: every name that the lab registers has one, told apart by eye and in grey print."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS
from lab.experiments import EXPERIMENTS
from lab.experiments.clock_cost_task import ALONE
from lab.experiments.memory_latency_asked import HUGE, IN_CPP, OURS, PAGE_BY_PAGE, RANDOM, THEIRS
from lab.experiments.mmap_tuning import MEMORIES
from lab.experiments.numa_matrix_task import rival_of
from lab.experiments.page_cost_task import WAYS
from lab.experiments.parameters import controls_of
from lab.experiments.pinning_places import PLACES
from lab.experiments.rivals import RIVALS as OUTSIDE
from lab.hardware.handoff import KINDS
from lab.hardware.stream import ARRAYS
from lab.hardware.time_sources import time_sources
from lab.measure.result import SHIPPED, load
from lab.metrics import stem_of
from lab.plots import reading
from lab.plots.styles import NUMBERED, STYLES, style_of

CPUS = tuple(f"CPU {number}" for number in range(12))
REGISTERED = {
    "clock_cost": (*(source.name for source in time_sources()), ALONE),
    "core_to_core": (*KINDS, *(f"{kind}, C++" for kind in KINDS)),
    "jitter": CPUS,
    "matching_rivals": (*IMPLEMENTATIONS, *OUTSIDE),
    "memory_bandwidth": tuple(ARRAYS),
    "memory_latency": (RANDOM, HUGE, PAGE_BY_PAGE, OURS, THEIRS, IN_CPP),
    "mmap_tuning": tuple(MEMORIES),
    "numa_matrix": tuple(rival_of(node) for node in range(8)),
    "page_cost": tuple(WAYS),
    "pinning": tuple(PLACES.values()),
    "self_check": ("lab",),
}
"""Who is measured, by experiment; of the others it is the engines."""


def rivals_of(experiment: str) -> tuple[str, ...]:
    return tuple(REGISTERED.get(experiment, IMPLEMENTATIONS))


def is_known(rival: str) -> bool:
    return rival in STYLES or stem_of(rival) in STYLES or NUMBERED.match(rival) is not None


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2 for #rrggbb."""
    channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_registered_rival_has_a_look_of_its_own(experiment):
    rivals = rivals_of(experiment)
    assert [rival for rival in rivals if not is_known(rival)] == []
    looks = {rival: style_of(rival) for rival in rivals}
    assert len(set(looks.values())) == len(rivals)
    for one, other in combinations(looks, 2):
        is_pair = stem_of(one) == other or stem_of(other) == one  # measured by another program
        assert is_pair or looks[one].colour != looks[other].colour, (one, other)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_look_is_seen_on_white(experiment):
    for rival in rivals_of(experiment):
        assert 1.05 / (luminance(style_of(rival).colour) + 0.05) >= 3.0, rival


def test_an_experiment_with_rivals_of_its_own_is_in_the_table():
    for name, entry in EXPERIMENTS.items():
        choices = [c.choices for c in controls_of(entry.model()) if c.kind == "multi"]
        engines_only = all(tuple(found) == tuple(IMPLEMENTATIONS) for found in choices) and choices
        assert engines_only or name in REGISTERED or name.startswith(("matching", "replay")), name


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem[17:-5])
def test_what_is_shipped_has_looks_and_at_most_six_curves_of_times_in_a_figure(path):
    result = load(path)
    assert {item.rival for item in result.measurements if not is_known(item.rival)} == set()
    for case in reading.choices_of_case(result):
        lines = [line for line in reading.lines([result], case) if not line.is_aside]
        assert len(lines) <= 6, case


def test_engines_are_told_apart_by_colour_by_dash_and_by_marker():
    looks = [STYLES[name] for name in IMPLEMENTATIONS]
    for part in ("colour", "dash", "marker"):
        assert len({getattr(look, part) for look in looks}) == len(looks), part


def test_every_colour_is_seen_on_white():
    for rival, look in STYLES.items():
        assert 1.05 / (luminance(look.colour) + 0.05) >= 4.5, rival


def test_an_unknown_rival_has_the_same_look_every_time():
    assert style_of("skip_list") == style_of("skip_list")
    assert style_of("skip_list") not in STYLES.values()
