"""The histogram against raw samples, and against the HdrHistogram project's own reader."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.errors import LayoutError
from lab.measure.histogram import (
    COUNTERS,
    HIGHEST_NS,
    Histogram,
    index_of,
    lower_bounds,
    upper_bounds,
)
from lab.measure.recorder import record, record_ticks

PERCENTS = (0, 1, 25, 50, 90, 99, 99.9, 99.99, 99.999, 100)

times_ns = st.one_of(
    st.integers(0, 5_000),
    st.integers(1, HIGHEST_NS),
    st.integers(0, 41).map(lambda power: min(2**power, HIGHEST_NS)),
    st.integers(1, 41).map(lambda power: min(2**power - 1, HIGHEST_NS)),
)


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.record_array(np.array(values, np.int64))
    return histogram


def some_times(count: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.exp(rng.uniform(0, np.log(HIGHEST_NS), count)).astype(np.int64)


@settings(max_examples=300, deadline=None)
@given(times_ns.filter(bool))
def test_a_time_comes_back_within_a_thousandth(value):
    assert abs(histogram_of([value]).quantile(50) - value) <= value / 1_000


@settings(deadline=None)
@given(st.lists(times_ns, min_size=1, max_size=200))
def test_quantiles_are_those_of_the_sorted_samples(values):
    histogram, ordered = histogram_of(values), sorted(values)
    for percent in PERCENTS[1:]:
        rank = max(1, int(percent * len(values) / 100 + 0.5))
        expected = ordered[rank - 1]
        assert expected <= histogram.quantile(percent) <= expected + expected / 1_000


def test_every_counter_holds_what_lies_between_its_bounds_and_no_gap_is_left():
    indices = np.arange(COUNTERS)
    assert (index_of(lower_bounds(indices)) == indices).all()
    assert (index_of(upper_bounds(indices)) == indices).all()
    assert (lower_bounds(indices)[1:] == upper_bounds(indices)[:-1] + 1).all()


@settings(deadline=None)
@given(st.lists(st.one_of(times_ns, st.integers(-(2**62), 2**62)), max_size=50))
def test_the_compiled_recorder_counts_what_the_array_counts(values):
    expected = histogram_of(values)
    actual = Histogram()
    for value in values:
        record(actual.counts, value)
    assert (actual.counts == expected.counts).all()


def test_ticks_are_converted_and_sorted_by_kind():
    ticks = np.array([100, 200, 300, 100], np.int64)
    kinds = np.array([0, 1, 0, 1], np.uint8)
    counts = np.zeros((2, COUNTERS), np.int64)
    record_ticks(counts, kinds, ticks, 0.25)
    assert (counts[0] == histogram_of([25, 75]).counts).all()
    assert (counts[1] == histogram_of([50, 25]).counts).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(times_ns, max_size=100))
def test_the_projects_own_tool_reads_the_same_counts_and_percentiles(values):
    histogram = histogram_of(values)
    theirs = HdrHistogram.decode(histogram.to_hdr())
    assert theirs.get_total_count() == len(values)
    for value in values:
        assert theirs.get_count_at_value(value) == histogram.counts[index_of(value)]
    if values:
        for percent in PERCENTS:
            assert theirs.get_value_at_percentile(percent) == histogram.quantile(percent)


def test_the_projects_own_tool_agrees_on_every_counter_the_mean_and_the_maximum():
    histogram = Histogram()
    histogram.record_array(some_times())
    theirs = HdrHistogram.decode(histogram.to_hdr())
    used = np.flatnonzero(histogram.counts)
    assert [theirs.get_count_at_index(int(index)) for index in used] == list(histogram.counts[used])
    assert theirs.get_max_value() == histogram.max
    assert theirs.get_min_value() == histogram.min
    assert theirs.get_mean_value() == pytest.approx(histogram.mean, rel=1e-3)


def test_what_the_projects_own_tool_wrote_can_be_read():
    theirs = HdrHistogram(1, HIGHEST_NS, 3)
    values = some_times(500).tolist()
    for value in values:
        theirs.record_value(value)
    ours = Histogram.from_hdr(theirs.encode().decode())
    assert (ours.counts == histogram_of(values).counts).all()


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**62), min_size=1, max_size=20))
def test_any_count_survives_the_encoding(counts):
    histogram = Histogram()
    histogram.counts[7 : 7 + 3 * len(counts) : 3] = counts
    assert (Histogram.from_hdr(histogram.to_hdr()).counts == histogram.counts).all()


def test_merging_is_recording_together():
    values = some_times(1_000)
    first, second = Histogram(), Histogram()
    first.record_array(values[:300])
    second.record_array(values[300:])
    first.merge(second)
    assert (first.counts == histogram_of(values.tolist()).counts).all()


@pytest.mark.parametrize("damage", ["cut", "letters", "other cookie", "other digits"])
def test_a_damaged_histogram_is_refused(damage):
    text = histogram_of([5, 5, 900_000]).to_hdr()
    broken = {
        "cut": text[: len(text) // 2],
        "letters": "?" + text[1:],
        "other cookie": "A" + text[1:],
        "other digits": HdrHistogram(1, HIGHEST_NS, 2).encode().decode(),
    }[damage]
    with pytest.raises(LayoutError):
        Histogram.from_hdr(broken)


def test_the_median_is_read_between_the_steps_of_a_coarse_clock():
    rng = np.random.default_rng(3)
    true_ns = rng.normal(34, 4, 100_000)
    steps = np.floor(true_ns / 10 + rng.random(len(true_ns))) * 10  # a counter that moves by 10
    assert histogram_of(steps.astype(int).tolist()).middle() == pytest.approx(34, abs=0.5)
    assert histogram_of(steps.astype(int).tolist()).quantile(50) in (30, 40)


def test_the_curve_is_even_in_nines_and_ends_where_the_samples_end():
    histogram = Histogram()
    histogram.record_array(some_times(10_000))
    percents, values = histogram.percentile_curve(100)
    assert len(percents) == len(values) <= 100
    assert percents[0] == 0 and percents[-1] == pytest.approx(99.99)
    assert (np.diff(values) >= 0).all()
    steps = np.diff(-np.log10(1 - percents / 100))
    assert steps == pytest.approx(steps[0])


def test_bins_hold_every_sample_once():
    histogram = Histogram()
    histogram.record_array(some_times(10_000))
    edges, counts = histogram.bins()
    assert counts.sum() == 10_000
    assert len(edges) == len(counts) + 1
    _, chosen = histogram.bins(np.array([0.5, 1e3 + 0.5, 1e13]))
    assert chosen.sum() == 10_000


def test_an_empty_histogram_says_zero():
    empty = Histogram()
    assert (empty.samples, empty.max, empty.min, empty.mean, empty.middle()) == (0, 0, 0, 0, 0)
    assert empty.quantile(99) == 0
    assert len(empty.percentile_curve()[0]) == 0
    assert Histogram.from_hdr(empty.to_hdr()).samples == 0
