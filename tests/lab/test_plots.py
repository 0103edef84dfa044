"""Figures: they say what the result says, nothing overlaps, equal results give equal bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import plots, units
from lab.plots import reading
from lab.plots.labels import spread
from lab.plots.percentiles import nines
from lab.plots.scaling import caches_of

DRAW = {
    "percentiles": plots.percentiles,
    "histogram": plots.histogram,
    "ecdf": plots.ecdf,
    "throughput": plots.throughput,
    "scaling": plots.scaling,
}


@pytest.fixture
def make_of(latency_result, throughput_result, scaling_result):
    """Return what makes a result for each kind of figure."""
    others = {"throughput": throughput_result, "scaling": scaling_result}
    return lambda kind: others.get(kind, latency_result)


def figures_of_rates(scaling_result, sharding_result, size):
    along = scaling_result()
    yield "scaling", plots.scaling(along, size=size)
    yield "scaling over", plots.scaling([along, scaling_result(messages=5_000)], size=size)
    yield "scaling over width", plots.scaling(scaling_result(unit="ticks wide"), size=size)
    yield "over two cores", plots.scaling(sharding_result(), size=size)
    yield "over one core", plots.scaling(sharding_result(cores=(1,)), size=size)
    yield "over many cores", plots.scaling(sharding_result(cores=(1, 2, 4, 8, 16)), size=size)


def figures(latency_result, throughput_result, size):
    two = ("binary_heap", "price_ladder")
    times, earlier = latency_result(), latency_result(rivals=two, seed=7, live_orders=5_000)
    few = latency_result(samples=900, seed=3)
    rates = throughput_result()
    near = throughput_result(rates={"price_ladder": 9.1e6, "binary_heap": 8.4e6})
    yield "percentiles", plots.percentiles(times, size=size)
    yield "percentiles to 99", plots.percentiles([times, earlier], highest=99.0, size=size)
    yield "percentiles over", plots.percentiles([times, earlier, earlier, earlier], size=size)
    yield "percentiles of a kind", plots.percentiles(times, case="cancel", size=size)
    yield "percentiles of few", plots.percentiles(few, size=size)
    yield "histogram", plots.histogram(times, size=size)
    yield "histogram over", plots.histogram([times, earlier], size=size)
    yield "ecdf", plots.ecdf(times, size=size)
    yield "ecdf over", plots.ecdf([times, earlier], size=size)
    yield "ecdf over to 99", plots.ecdf([times, earlier, earlier, earlier], highest=99.0, size=size)
    yield "ecdf of a kind", plots.ecdf(latency_result(rivals=two), case="cancel", size=size)
    yield "throughput", plots.throughput(rates, size=size)
    yield "throughput over", plots.throughput([rates, near], size=size)
    yield "throughput near", plots.throughput(near, size=size)
    both = throughput_result(cases=("balanced", "add_only"))
    yield "throughput of two flows", plots.throughput(both, size=size)


@pytest.mark.parametrize("size", [plots.FULL, plots.HALF], ids=["full", "half"])
def test_no_text_is_cut_or_lies_on_another(
    collisions, latency_result, throughput_result, scaling_result, sharding_result, size
):
    every = [*figures(latency_result, throughput_result, size)]
    every += figures_of_rates(scaling_result, sharding_result, size)
    for name, figure in every:
        assert collisions(figure) == [], name


@pytest.mark.parametrize("kind", DRAW)
def test_the_same_result_gives_the_same_bytes(make_of, kind):
    make = make_of(kind)
    first, second = (plots.to_svg(DRAW[kind](make())) for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first
    assert plots.to_png(DRAW[kind](make())) == plots.to_png(DRAW[kind](make()))


def test_the_title_is_the_finding_and_the_header_names_machine_and_floor(words_of, latency_result):
    words = words_of(plots.percentiles(latency_result(live_orders=20_000)))
    assert "Half of all commands take 30 ns in price_ladder, 570 ns in binary_heap" in words
    for expected in ("20,000 live orders", "timer floor 10 ns (compiled)", "AMD EPYC, 2 CPUs, KVM"):
        assert expected in words


def test_the_values_of_every_rival_are_written(words_of, latency_result):
    result = latency_result()
    words = words_of(plots.percentiles(result))
    for item in result.measurements:
        if item.case == "all":
            assert item.rival in words
            for percent in ("50", "99", "99.9"):
                assert units.duration(item.quantiles[percent]) in words


def test_caches_stand_where_the_fastest_rivals_book_outgrows_them(words_of, scaling_result):
    caches = {cache.name: cache.at for cache in caches_of(scaling_result())}
    # 60 bytes an order; the level-1 cache holds less than the smallest book
    assert caches == {
        "L2 1 MiB": pytest.approx(2**20 / 60),
        "L3 32 MiB": pytest.approx(2**25 / 60),
    }
    words = words_of(plots.scaling(scaling_result()))
    assert "L2 1 MiB" in words and "grey: native's book outgrows a cache" in words
    assert caches_of(scaling_result(unit="ticks wide")) == []  # orders are not what grows there


def test_rates_along_an_axis_are_written_at_its_ends(words_of, scaling_result, sharding_result):
    words = words_of(plots.scaling(scaling_result()))
    for expected in ("24 M", "10.5 M", "600 k", "live orders", "1 k", "1 M", "textbook"):
        assert expected in words.split("\n"), expected
    assert "50,000 live orders" not in words  # the parameter that was varied says nothing
    over_cores = words_of(plots.scaling(sharding_result()))
    assert "light: as many times what one core does" in over_cores
    assert "cores" in over_cores.split("\n")


def test_a_result_along_an_axis_has_a_figure_of_its_own(scaling_result, throughput_result):
    assert plots.kinds(scaling_result()) == ["scaling"]
    assert plots.kinds(throughput_result()) == ["throughput", "effects"]
    assert "native, 10,000 live orders: 21 M/s (" in plots.alt_text(scaling_result(), "scaling")


def test_the_view_ends_where_it_is_asked_to(words_of, latency_result):
    result = latency_result()
    to_99, to_999 = (plots.percentiles(result, highest=value) for value in (99.0, 99.9))
    assert plots.to_png(to_99) != plots.to_png(to_999)
    assert "99.9" not in words_of(to_99).split("\n")
    assert "99.9" in words_of(to_999).split("\n")


def test_an_axis_of_nines():
    assert nines(np.array([0.0, 90.0, 99.0, 99.999])) == pytest.approx([0.0, 1.0, 2.0, 5.0])


def test_earlier_runs_are_numbered_and_explained(words_of, latency_result):
    earlier = latency_result(rivals=("price_ladder",), seed=5, live_orders=5_000)
    words = words_of(plots.percentiles([latency_result(), earlier]))
    assert "price_ladder ①" in words
    assert "① live orders 5,000" in words


def test_what_lies_above_too_few_samples_is_not_told(latency_result):
    percent, why = reading.horizon([latency_result(samples=100_000)], "all")
    assert percent == pytest.approx(99.99)
    assert why == "only 10 of 100 k times lie above"


def test_where_the_fastest_mixes_with_another_the_machine_is_measured(latency_result):
    result = latency_result(rivals=("price_ladder", "binary_heap"))
    result.measurements[0].spread = {"50": (28, 31), "99": (80, 95), "99.9": (4_000, 800_000)}
    percent, why = reading.horizon([result], "all")
    assert percent == 99.0
    assert why == (
        "at the 99.9th percentile the same code (price_ladder) differs by 200 times between "
        "runs; price_ladder and binary_heap mix"
    )
    grey = [p for p in plots.percentiles(result).axes[0].patches if p.get_x() == pytest.approx(2)]
    assert len(grey) == 1


def test_a_rival_whose_runs_differ_is_named_while_the_fastest_is_told(latency_result):
    result = latency_result(rivals=("price_ladder", "binary_heap"))
    result.measurements[0].spread = {"50": (20, 60), "99": (80, 95)}
    words = reading.doubt([result], "all")
    assert reading.horizon([result], "all")[0] == pytest.approx(99.9966)
    assert "own runs differ, at most price_ladder's: 3 times at the 50th" in words
    assert "no percentile is certain" not in words


def test_a_rival_alone_is_told_as_long_as_its_runs_agree(latency_result):
    result = latency_result(rivals=("price_ladder",))
    result.measurements[0].spread = {"50": (20, 60)}
    percent, why = reading.horizon([result], "all")
    assert percent == 0.0
    assert why == (
        "at the 50th percentile the same code (price_ladder) differs by 3 times between runs"
    )


def test_a_title_says_that_no_difference_stands_out(latency_result):
    result = latency_result()
    result.verdict.finding = "a answers within 30 ns; no difference from b stands out (floor 9 %)"
    assert reading.main_finding(result).endswith("no difference from b stands out (floor 9 %)")
    assert reading.rest_of_finding(result) == []


def test_a_shaky_run_says_so(words_of, latency_result):
    result = latency_result()
    result.verdict.stable, result.verdict.reason = False, "noise ±30 %"
    assert "not stable: noise ±30 %" in words_of(plots.percentiles(result))


def test_the_figure_in_words_has_its_numbers(latency_result, throughput_result):
    times = plots.alt_text(latency_result())
    assert "price_ladder: 50 % within 30 ns, 99 % within 90 ns" in times
    rates = plots.alt_text(throughput_result(), "throughput")
    assert "price_ladder, balanced: 9.12 M/s (8.85 M/s to 9.3 M/s)" in rates


def test_a_persons_own_settings_are_neither_used_nor_changed(latency_result):
    result = latency_result()
    expected = plots.to_png(plots.percentiles(result))
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 30, "text.color": "red"}):
        actual = plots.to_png(plots.percentiles(result))
        assert matplotlib.rcParams["font.size"] == 30
    assert actual == expected


def test_any_thread_may_draw(latency_result):
    result = latency_result()
    expected = plots.to_png(plots.percentiles(result))
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: plots.to_png(plots.percentiles(result)), range(8)))
    assert all(actual == expected for actual in drawn)


def test_a_name_with_dollars_is_a_name(words_of, latency_result):
    result = latency_result()
    result.verdict.finding = r"costs $\frac{1$ and $2"
    assert r"Costs $\frac{1$ and $2" in words_of(plots.percentiles(result))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=7))
def test_spread_labels_keep_their_order_and_their_distance(centres):
    heights = [10.0] * len(centres)
    placed = spread(centres, heights, 0.0, 100.0)
    order = sorted(range(len(centres)), key=lambda index: centres[index])
    for lower, upper in zip(order, order[1:], strict=False):
        assert placed[upper] - placed[lower] >= 10.0 - 1e-6
    assert min(placed) >= 5.0 - 1e-6 and max(placed) <= 95.0 + 1e-6


@given(st.floats(1, 3.6e12))
def test_a_written_time_is_within_half_of_its_last_digit(ns):
    number, unit = units.duration(ns).split(" ")
    back = float(number) * {"ns": 1, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert back == pytest.approx(ns, rel=0.0051)
    assert len(number.replace(".", "")) <= 4
