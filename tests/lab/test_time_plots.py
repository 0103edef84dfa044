"""Shares within a time, times over a pass, times by kind: each figure says what the result does."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lab import plots, units
from lab.measure import over_time
from lab.measure.over_time import counts_of, packed
from lab.plots import reading
from lab.plots.ecdf import PARTS as ECDF
from lab.plots.over_time import PARTS as OVER_TIME
from lab.plots.over_time import maps

COMMANDS, PASSES = 4_800, 25


def counted(passes: np.ndarray) -> np.ndarray:
    """Return the counts of passes, shape (passes, commands), without the kernel that records."""
    edges = over_time.lower_bounds(np.arange(over_time.COUNTERS))
    slices = np.arange(passes.shape[1]) * over_time.SLICES // passes.shape[1]
    counts = over_time.no_counts()
    np.add.at(counts, (slices, np.searchsorted(edges, passes, "right") - 1), 1)
    return counts


def some_passes(slow_from: int = COMMANDS, seed: int = 1) -> np.ndarray:
    """Return times in ns that are ten times as long from a command on."""
    times = np.random.default_rng(seed).lognormal(np.log(200), 0.4, (PASSES, COMMANDS))
    times[:, slow_from:] *= 10
    return np.rint(times).astype(np.int64)


@pytest.fixture
def timed_result(latency_result):
    """Return a maker of results that kept times by their place in the pass."""

    def make(slow_from=COMMANDS, rivals=("price_ladder", "binary_heap", "sorted_array"), **changes):
        result = latency_result(rivals=rivals, **changes)
        for index, item in enumerate(item for item in result.measurements if item.case == "all"):
            counts = counted(some_passes(slow_from, seed=index))
            item.over_time = packed(counts, "commands", COMMANDS)
        return result

    return make


@pytest.fixture
def kinds_result(latency_result):
    """Return a maker of results with several kinds of command, whose times are those of one run."""

    def make(kinds=("add", "cancel", "take"), **changes):
        result = latency_result(**changes)
        whole = [item for item in result.measurements if item.case == "all"]
        apart = [item for item in result.measurements if item.case == "cancel"]
        for kind in kinds:
            whole += [item.model_copy(update={"case": kind}) for item in apart]
        result.measurements = whole
        return result

    return make


def test_the_share_within_a_time_is_that_of_the_quantiles(latency_result):
    result = latency_result()
    frame = ECDF.frame([result], ["all"], highest=99.999)
    traces = ECDF.curves(frame, [result], "all")
    assert len(traces) == 4
    for trace, line in zip(traces, reading.lines([result], "all"), strict=True):
        assert len(trace.x) <= 2_000
        assert np.all(np.diff(trace.x) >= 0) and np.all(np.diff(trace.y) >= 0)
        for percent in (10, 50, 90, 99):
            time = np.log10(float(line.histogram.quantile(percent)))
            # a corner every 80th of a decade: within is at least that share, just before at most
            assert np.interp(time + 1 / 79, trace.x, trace.y) >= percent / 100
            assert np.interp(time - 1 / 79, trace.x, trace.y) <= percent / 100
    assert traces[-1].words(2.0, 0.5) == "50 % of commands within 100 ns"


def test_a_part_of_the_shares_has_round_ticks(latency_result):
    frame = ECDF.frame([latency_result()], ["all"], highest=99.999)
    shares = [words for _, words in frame.y.ticks(*frame.y.whole, 10)]
    assert shares == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    zoomed = [words for _, words in frame.y.ticks(0.968, 0.993, 8)]
    assert zoomed == ["97 %", "97.5 %", "98 %", "98.5 %", "99 %"]


def test_the_lines_over_a_pass_are_its_slices_quantiles(timed_result):
    result = timed_result(slow_from=COMMANDS // 2)
    frame = OVER_TIME.frame([result], ["all"], highest=100.0)
    half, tail = OVER_TIME.curves(frame, [result], "all")[:2]
    assert (half.name, tail.name) == ("price_ladder, half", "price_ladder, 99 %")
    slices = some_passes(COMMANDS // 2, seed=0).reshape(PASSES, 48, -1).swapaxes(0, 1)
    for trace, percent in ((half, 50), (tail, 99)):
        expected = np.percentile(slices.reshape(48, -1), percent, axis=1)
        actual = 10.0 ** np.interp((np.arange(48) + 0.5) / 48, trace.x, trace.y)
        assert actual == pytest.approx(expected, rel=0.13), percent  # half of a counter
    assert half.words(0.75, float(half.y[-1])).startswith("3.6 k to 3.7 k: 50 % within about 2")


def test_a_map_is_dark_where_many_are_and_empty_where_none_is(timed_result):
    result = timed_result(slow_from=COMMANDS // 2)
    frame = OVER_TIME.frame([result], ["all"], highest=100.0)
    OVER_TIME.curves(frame, [result], "all")
    first, second = frame.axes.images
    shades = first.get_array()
    filled = np.asarray(shades[..., 3] > 0)
    levels = np.linspace(*first.get_extent()[2:], len(filled) + 1)
    high = np.searchsorted(levels, np.log10(2_000))  # the median of the slow half
    assert filled[high, 24:].all() and not filled[high, :24].any()
    darkness = 255 - shades[..., 1].astype(int)
    assert darkness[high, 30] > darkness[filled].min() + 60
    assert second.get_extent()[0] > first.get_extent()[1] == 1.0


def test_the_title_says_whether_a_pass_ends_as_it_began(words_of, timed_result):
    said = re.compile(
        r"99 % within about (\d+) ns in the first quarter and (\S+) (ns|µs) in the last"
    )
    even = said.search(words_of(plots.over_time(timed_result())).replace("\n", " "))
    assert [float(even[1]), float(even[2])] == pytest.approx([507, 507], rel=0.1)
    late = timed_result(slow_from=3 * COMMANDS // 4)
    words = words_of(plots.over_time(late)).replace("\n", " ")
    slow = said.search(words)
    assert slow[3] == "µs" and float(slow[2]) == pytest.approx(5.07, rel=0.1)
    assert "the best tails of 3" in words
    told = plots.alt_text(timed_result(), "over_time")
    assert "sorted_array, 99 % within, by quarters: 5" in told


def test_beside_the_best_stands_its_earlier_run_or_else_the_second_best(timed_result):
    result = timed_result()
    assert [one.name for one in maps([result])] == ["price_ladder", "binary_heap"]
    earlier = timed_result(seed=7)
    assert [one.name for one in maps([result, earlier])] == ["price_ladder", "price_ladder ①"]


def test_only_a_result_that_kept_times_over_a_pass_has_that_figure(timed_result, latency_result):
    assert "over_time" in plots.kinds(timed_result())
    assert "over_time" not in plots.kinds(latency_result())


def test_the_axis_over_a_pass_has_round_numbers_in_each_map(timed_result):
    frame = OVER_TIME.frame([timed_result()], ["all"], highest=100.0)
    whole = [words for _, words in frame.x.ticks(*frame.x.whole, 10)]
    assert whole == ["0", "1 k", "2 k", "3 k", "4 k"] * 2
    assert [words for _, words in frame.x.ticks(0.5, 0.6, 5)] == [
        "2.4 k",
        "2.5 k",
        "2.6 k",
        "2.7 k",
        "2.8 k",
    ]


@pytest.mark.parametrize("size", [plots.FULL, plots.HALF], ids=["full", "half"])
def test_no_text_of_a_map_is_cut_or_lies_on_another(collisions, timed_result, size):
    one, other = timed_result(), timed_result(slow_from=500, seed=5)
    for runs in ([one], [other, one], [timed_result(rivals=("binary_heap",))]):
        assert collisions(plots.over_time(runs, size=size)) == []
    assert plots.to_svg(plots.over_time(one)) == plots.to_svg(plots.over_time(timed_result()))


def test_few_commands_are_taken_together_for_a_tail(timed_result):
    result = timed_result(rivals=("binary_heap",))
    item = result.measurements[0]
    item.over_time = packed(counted(some_passes()[:2, :960]), "commands", 960)
    (one,) = maps([result])
    assert counts_of(item.over_time).sum() == 1_920
    assert len(set(one.quantiles(99.0))) <= 2  # a thousand times for each
    assert len(set(one.quantiles(50.0))) > 10


def test_each_kind_of_command_has_a_row_with_its_medians_and_its_part(words_of, kinds_result):
    result = kinds_result()
    words = words_of(plots.ridge(result)).split("\n")
    for kind in ("add", "cancel", "take"):
        assert kind in words
    assert words.count("50 %") == 3  # half as many samples as in all
    for item in result.measurements:
        if item.case == "take":
            assert f"{item.rival} {units.duration(item.quantiles['50'])}" in words
    told = plots.alt_text(result, "ridge")
    assert "take: price_ladder half within 30 ns" in told


def test_an_outline_encloses_what_was_measured(kinds_result):
    result = kinds_result()
    axes = plots.ridge(result).axes[0]
    tallest = [max(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) > 8]
    assert max(tallest) == pytest.approx(2.88) and min(tallest) < 0.9
    medians = {
        round(float(line.get_xdata()[0]), 6) for line in axes.lines if len(line.get_xdata()) == 1
    }
    shown = {item.quantiles["50"] for item in result.measurements if item.case == "take"}
    assert medians == {round(float(np.log10(value)), 6) for value in shown}


def test_rows_need_several_kinds(kinds_result, latency_result):
    assert "ridge" in plots.kinds(kinds_result())
    assert "ridge" not in plots.kinds(latency_result())
    assert reading.kinds_of_command(kinds_result(kinds=("take", "add"))) == ["add", "take"]


@pytest.mark.parametrize("size", [plots.FULL, plots.HALF], ids=["full", "half"])
@pytest.mark.parametrize(
    "kinds", [("add", "take"), ("add", "cancel", "reduce", "replace", "take", "stop")]
)
def test_no_text_of_the_rows_is_cut_or_lies_on_another(collisions, kinds_result, size, kinds):
    assert collisions(plots.ridge(kinds_result(kinds), size=size)) == []
    expected, actual = (plots.to_svg(plots.ridge(kinds_result(kinds))) for _ in range(2))
    assert expected == actual


def test_a_line_can_be_asked_where_it_reaches_a_percentile(latency_result):
    result = latency_result(samples=900)
    frame = ECDF.frame([result], ["all"], highest=99.999)
    trace = ECDF.curves(frame, [result], "all")[0]
    value = reading.lines([result], "all")[0].quantile(90.0)
    assert trace.at(90.0) == (pytest.approx(np.log10(value)), 0.9)
    assert trace.at(99.99) is None  # of 900 none lies above
