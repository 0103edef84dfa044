"""Times by when they were taken: the kernel against a search by hand, and through a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.errors import LayoutError
from lab.measure import over_time
from lab.measure.histogram import HIGHEST_NS
from lab.measure.recorder import record_slices

times_ns = st.lists(st.integers(0, HIGHEST_NS), min_size=1, max_size=300)


def recorded(times: list[int], ns_per_tick: float = 1.0) -> np.ndarray:
    counts = over_time.no_counts()
    record_slices(counts, np.array(times, np.int64), ns_per_tick)
    return counts


@settings(deadline=None)
@given(times_ns)
def test_each_time_is_counted_in_its_slice_between_its_edges(times):
    edges = over_time.lower_bounds(np.arange(over_time.COUNTERS))
    expected = over_time.no_counts()
    for index, time in enumerate(times):
        expected[
            index * over_time.SLICES // len(times), np.searchsorted(edges, time, "right") - 1
        ] += 1
    assert np.array_equal(recorded(times), expected)


def test_no_counter_is_wider_than_a_quarter_of_its_values():
    edges = over_time.lower_bounds(np.arange(over_time.COUNTERS))
    widths = np.diff(edges)
    assert (widths >= 1).all()
    assert (widths[8:] <= edges[8:-1] / over_time.STEPS).all()
    assert edges[-1] > HIGHEST_NS


def test_ticks_become_nanoseconds_and_what_is_below_zero_counts_as_zero():
    counts = recorded([28, -3], 0.25)
    assert counts[0, 7] == counts[over_time.SLICES // 2, 0] == 1


@settings(deadline=None)
@given(times_ns)
def test_what_is_stored_comes_back_and_is_small(times):
    counts = recorded(times)
    stored = over_time.packed(counts, "commands", len(times))
    found = over_time.counts_of(stored)
    first = int(np.flatnonzero(counts.sum(axis=0))[0])
    assert np.array_equal(found, counts[:, first : first + found.shape[1]])
    assert found.sum() == len(times)
    assert stored.edges_ns[0] <= min(times) and stored.edges_ns[-1] > max(times)


@settings(deadline=None)
@given(times_ns)
def test_times_at_places_of_a_pass_are_counted_there(times):
    actual = over_time.no_counts()
    over_time.add_times(actual, (np.arange(len(times)) + 0.5) / len(times), np.array(times))
    expected = over_time.no_counts()
    edges = over_time.lower_bounds(np.arange(over_time.COUNTERS))
    for index, time in enumerate(times):
        place = min(int((index + 0.5) / len(times) * over_time.SLICES), over_time.SLICES - 1)
        expected[place, np.searchsorted(edges, time, "right") - 1] += 1
    assert np.array_equal(actual, expected)


def test_processes_are_added_up():
    one, other = recorded([5, 70, 900] * 40), recorded([3, 20_000] * 60)
    both = over_time.merged([over_time.packed(part, "commands", 120) for part in (one, other)])
    expected = over_time.packed(one + other, "commands", 120)
    assert both == expected
    assert over_time.merged([]) is None
    assert over_time.packed(over_time.no_counts(), "ns", 1.0) is None


def test_a_pass_of_real_spread_is_stored_in_a_few_kilobytes():
    rng = np.random.default_rng(3)
    times = np.rint(rng.lognormal(4, 1.2, 1_000_000)).astype(np.int64)
    assert len(over_time.packed(recorded(times), "commands", 1e6).counts) < 6_000


@pytest.mark.parametrize("damage", ["!!!", "AAAA", ""])
def test_damaged_counts_are_named(damage):
    stored = over_time.packed(recorded([5, 70]), "commands", 2)
    stored.counts = damage
    with pytest.raises(LayoutError, match="the times over a pass are damaged"):
        over_time.counts_of(stored)
