"""Figures of experiments on the machine: heat maps, stairs, costs, gaps, and rivals' looks."""

from __future__ import annotations

import io
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import plots, tables, units
from lab.experiments.about_machines import ABOUT_MACHINES
from lab.experiments.mmap_tuning import CHOICES
from lab.experiments.parameters import controls_of
from lab.experiments.pinning_places import PLACES
from lab.measure.result import SHIPPED
from lab.measure.result import results as saved_results
from lab.metrics import INDEPENDENT, stem_of
from lab.panels import markup
from lab.panels.view import SIZE, View
from lab.plots import reading
from lab.plots.along import Curve
from lab.plots.gaps import shown as gaps_shown
from lab.plots.matrix import colours, ends_of, grids_of, readable_on
from lab.plots.staircase import plateaus
from lab.plots.styles import NUMBERED, RIVALS, is_independent, style_of
from lab.report import write
from lab.result_html import result_html
from lab.summaries import result_text

FOUR = ("compare-and-swap", "flag", "compare-and-swap, C++", "flag, C++")
# Machado, Oliveira and Fernandes 2009, at full severity: how others see red, green and blue
EYES = {
    "usual": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


ONE_OF_EACH = ("two CPUs, four rivals", "three nodes", "stairs", "clocks", "pages", "jitter of two")


@pytest.fixture(scope="module")
def results(machines):
    """Return results of every experiment on the machine, on small and on large machines."""
    return {
        "two CPUs": machines.core_to_core(2),
        "two CPUs, four rivals": machines.core_to_core(2, FOUR),
        "eight CPUs": machines.core_to_core(8, FOUR, package=4),
        "sixteen CPUs, one rival": machines.core_to_core(16, ("flag",)),
        "64 CPUs": machines.core_to_core(64, package=32),
        "one node": machines.numa_matrix(1),
        "three nodes": machines.numa_matrix(3),
        "stairs": machines.memory_latency(),
        "bandwidth": machines.memory_bandwidth(),
        "bandwidth by threads": machines.memory_bandwidth("threads"),
        "clocks": machines.clock_cost(),
        "pages": machines.page_cost(),
        "jitter of two": machines.jitter(2),
        "jitter of 64": machines.jitter(64),
        "pinning": machines.pinning(),
        "mmap": machines.mmap_tuning(),
    }


def linear(colour: str) -> np.ndarray:
    """Return red, green and blue as light, 0 to 1."""
    channels = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(colour: str, other: str) -> float:
    """Return the contrast of WCAG 2 between two colours."""
    levels = sorted(linear(one) @ TO_XYZ[1] for one in (colour, other))
    return float((levels[1] + 0.05) / (levels[0] + 0.05))


def lab_of(light: np.ndarray) -> np.ndarray:
    """Return CIELAB of linear light."""
    xyz = TO_XYZ @ np.clip(light, 0, 1) / [0.9505, 1.0, 1.089]
    bent = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])])


# -- looks -----------------------------------------------------------------------------------------


def has_look(rival: str) -> bool:
    """Say whether the table of looks knows a rival, or a rule does."""
    return stem_of(rival) in plots.STYLES or rival in plots.STYLES or bool(NUMBERED.match(rival))


def test_every_choice_of_rivals_has_a_look():
    for entry in ABOUT_MACHINES:
        for control in controls_of(entry.model()):
            if control.kind == "multi":
                for choice in control.choices or control.default:
                    rival = (PLACES | CHOICES).get(choice, choice)
                    assert has_look(rival), f"{entry.name}: {rival} is not in lab/plots/styles.py"


def test_every_rival_of_shipped_results_has_a_look():
    for entry in ABOUT_MACHINES:
        for result in saved_results(SHIPPED, entry.name):
            for rival in {item.rival for item in result.measurements}:
                assert has_look(rival), f"{entry.name}: {rival} is not in lab/plots/styles.py"


@pytest.mark.parametrize("experiment", RIVALS)
def test_rivals_of_an_experiment_are_told_apart_by_every_eye(experiment):
    for one, other in combinations(RIVALS[experiment], 2):
        look, beside = style_of(one), style_of(other)
        assert look.dash != beside.dash and look.marker != beside.marker, (one, other)
        for eye, seen in EYES.items():
            apart = np.linalg.norm(
                lab_of(np.array(seen) @ linear(look.colour))
                - lab_of(np.array(seen) @ linear(beside.colour))
            )
            assert apart > 14, f"{one} and {other} for {eye} eyes: {apart:.1f}"


def test_no_rival_of_two_experiments_has_two_looks():
    for one, other in combinations(RIVALS.values(), 2):
        for rival in set(one) & set(other):
            assert one.index(rival) == other.index(rival), rival
    assert max(map(len, RIVALS.values())) <= 13  # looks


def test_an_independent_program_has_the_colour_of_what_it_measures():
    for program in INDEPENDENT:
        beside = style_of(f"flag, {program}")
        assert beside.colour == style_of("flag").colour
        assert (beside.dash, beside.marker) != (style_of("flag").dash, style_of("flag").marker)
        assert is_independent(f"flag, {program}")
    assert not is_independent("pinned, noisy neighbour")


def test_numbered_rivals_have_looks_by_their_numbers():
    looks = [style_of(f"CPU {number}") for number in range(64)]
    assert len({look.colour for look in looks[:12]}) == 12
    assert len(set(looks)) == 64
    assert style_of("node 3's cores") == style_of("CPU 3")


# -- all figures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [plots.FULL, SIZE, plots.HALF], ids=["full", "panel", "half"])
def test_no_text_is_cut_or_lies_on_another(collisions, results, size):
    for name, result in results.items():
        for kind in plots.kinds(result):
            assert collisions(plots.drawn(result, kind, size=size)) == [], f"{name}, {kind}"


def test_each_result_has_its_figure(results):
    kinds = {name: plots.kinds(result)[0] for name, result in results.items()}
    for name in ("two CPUs", "64 CPUs", "one node", "three nodes"):
        assert kinds[name] == "matrix"
    for name in ("stairs", "bandwidth", "bandwidth by threads"):
        assert kinds[name] == "staircase"
    assert kinds["clocks"] == kinds["pages"] == "costs"
    assert kinds["jitter of two"] == "gaps"
    assert kinds["pinning"] == kinds["mmap"] == "percentiles"
    assert plots.kinds(results["pages"]) == ["costs", "percentiles", "histogram", "ecdf"]


def test_the_title_is_the_finding_and_the_header_says_where(words_of, results):
    for name in ONE_OF_EACH:
        result = results[name]
        kind = plots.kinds(result)[0]
        words = " ".join(words_of(plots.drawn(result, kind)).split("\n"))
        assert reading.main_finding(result) in words, name
        assert reading.machine(result) in words, name


@pytest.mark.parametrize("name", ["eight CPUs", "64 CPUs", "stairs", "clocks", "jitter of two"])
def test_the_same_result_gives_the_same_bytes(results, name):
    kind = plots.kinds(results[name])[0]
    first, second = (plots.to_svg(plots.drawn(results[name], kind)) for _ in range(2))
    assert first == second
    once, again = (plots.to_png(plots.drawn(results[name], kind)) for _ in range(2))
    assert once == again


def test_every_figure_is_opaque(results):
    from matplotlib.image import imread

    for name in ONE_OF_EACH:
        result = results[name]
        pixels = imread(io.BytesIO(plots.to_png(plots.drawn(result, plots.kinds(result)[0]))))
        assert pixels.shape[2] == 3 or float(pixels[..., 3].min()) == 1.0


def test_earlier_runs_lie_behind(words_of, machines):
    for make in (machines.memory_latency, machines.clock_cost, machines.jitter):
        present, earlier = make(), make()
        earlier.created = "2026-11-22T07:15:00Z"
        kind = plots.kinds(present)[0]
        words = words_of(plots.drawn([present, earlier], kind))
        assert "earlier: ① the same settings at 07:15 UTC" in words


def test_a_report_and_a_panel_show_machines(tmp_path, results):
    for name in ONE_OF_EACH:
        result = results[name]
        page = write([result], tmp_path / f"{name}.html").read_text()
        assert page.count("<img ") >= len(plots.kinds(result)), name
        view = View()
        view.show([result])
        assert view.tabs.titles == tuple(plots.KINDS[kind].tab for kind in plots.kinds(result))
        assert "data:image/png" in view.image


def test_nothing_speaks_of_commands_where_there_are_none(words_of, results):
    served = ("pinning", "mmap")
    for name, result in results.items():
        if name in served:
            continue
        said = [markup.table([result], None)]
        for kind in plots.kinds(result):
            said += [words_of(plots.drawn(result, kind)), plots.alt_text(result, kind)]
        said += [table.caption for table in tables.measurements(result)]
        assert "command" not in " ".join(said), name
        assert "live order" not in " ".join(said), name


def test_of_many_pairs_the_nearest_and_the_farthest_are_told(machines):
    result = machines.core_to_core(64)
    medians = sorted(item.median for item in result.measurements)
    told = sorted(item.median for item in tables.nearest_and_farthest(result.measurements))
    assert told == [*medians[:20], *medians[-20:]]
    rows = tables.measurements(result)[0].rows
    assert len(rows) == 41 and rows[-1][0] == "… 3,992 more"
    assert "3,992 more pairs" in result_text(result) and "3,992 more pairs" in result_html(result)
    few = machines.core_to_core(4)
    assert tables.nearest_and_farthest(few.measurements) == few.measurements


# -- heat maps -------------------------------------------------------------------------------------


def test_pairs_are_mirrored_and_the_diagonal_is_empty(machines):
    grid = grids_of(machines.core_to_core(4))[0]
    assert np.array_equal(grid.values, grid.values.T, equal_nan=True)
    assert np.isnan(np.diag(grid.values)).all()
    assert grid.is_mirrored and grid.word == "CPU"


def test_rows_are_cores_and_columns_memory(machines):
    result = machines.numa_matrix(3)
    latency, bandwidth = grids_of(result)
    assert latency.rows == [0, 1] and latency.columns == [0, 1, 2]  # the third has memory only
    expected = {item.case: item.median for item in result.measurements if item.metric == "latency"}
    assert latency.values[1, 2] == expected["node 1 → node 2"]
    assert bandwidth.unit == "bytes_per_second"
    assert (latency.rival, latency.name) == ("", "time of a load")


def test_cpus_stand_at_their_numbers_whatever_is_missing(machines):
    result = machines.core_to_core(4, ("flag",))
    kept = [item for item in result.measurements if "CPU 1 " not in f"{item.case} "]
    result = result.model_copy(update={"measurements": kept})
    grid = grids_of(result)[0]
    assert grid.rows == grid.columns == [0, 2, 3]


def test_every_number_is_written_where_cells_have_room(words_of, machines):
    result = machines.core_to_core(4, ("flag",))
    words = words_of(plots.matrix(result)).split("\n")
    for item in result.measurements:
        assert words.count(f"{item.median:.3g}") >= 2, item.case  # there and back
    many = words_of(plots.matrix(machines.core_to_core(64)))
    assert "each cell: the median" in many and "a number is" not in many


def test_a_sheet_with_little_on_it_is_low(machines):
    low = plots.matrix(machines.core_to_core(2)).get_size_inches()
    high = plots.matrix(machines.core_to_core(16)).get_size_inches()
    assert low[0] == high[0] == plots.FULL[0]
    assert low[1] < 0.7 * plots.FULL[1] < high[1] <= plots.FULL[1]


def test_independent_programs_have_panels_where_there_is_room(words_of, machines):
    few = words_of(plots.matrix(machines.core_to_core(2, FOUR))).split("\n")
    assert "flag, C++" in few
    many = words_of(plots.matrix(machines.core_to_core(8, FOUR)))
    assert "flag, C++" not in many.split("\n")
    assert "the independent program's in the table" in many


def test_noise_is_no_distance(machines):
    result = machines.core_to_core(3, ("flag",))
    for item, value in zip(result.measurements, (50.0, 50.4, 49.7), strict=True):
        item.median = value
    low, high = ends_of(grids_of(result))
    assert 10**high / 10**low == pytest.approx(1.5)


@given(st.floats(0, 1))
def test_numbers_are_readable_on_every_colour_of_the_scale(part):
    background = colours()(part)[:3]
    ink = readable_on(background)
    assert contrast(ink, matplotlib.colors.to_hex(background)) >= 4.5


def test_the_scale_of_colours_gets_darker_for_every_eye():
    steps = [colours()(part)[:3] for part in np.linspace(0, 1, 40)]
    for seen in EYES.values():
        light = [lab_of(np.array(seen) @ linear(matplotlib.colors.to_hex(c)))[0] for c in steps]
        assert all(later < sooner for sooner, later in zip(light, light[1:], strict=False))


# -- stairs ----------------------------------------------------------------------------------------


def test_stairs_have_their_caches_and_their_levels(words_of, machines):
    words = words_of(plots.staircase(machines.memory_latency())).split("\n")
    for expected in ("L1 32 KiB", "L2 512 KiB", "L3 32 MiB", "4 KiB", "1 MiB", "256 MiB"):
        assert expected in words, expected
    assert "12.2 ns" in words  # huge pages beyond the second level of the TLB
    assert "memory gone through" in words and "time of one load" in words


def test_stairs_without_caches_are_drawn(words_of, machines):
    result = machines.memory_latency()
    result.machine = {"name": "unknown board"}
    assert "L1" not in words_of(plots.staircase(result))


def test_levels_are_found():
    at = 2.0 ** np.arange(12, 22)
    values = np.array([1.0, 1.02, 0.99, 1.01, 4.0, 4.1, 4.0, 9.0, 30.0, 31.0])
    curve = Curve("read", "", at, values)
    assert plateaus(curve) == [(0, 3), (4, 6), (8, 9)]


def test_bandwidth_is_over_bytes_or_over_threads(words_of, machines):
    over_bytes = words_of(plots.staircase(machines.memory_bandwidth()))
    assert "memory gone through" in over_bytes and "GB/s" in over_bytes
    over_threads = words_of(plots.staircase(machines.memory_bandwidth("threads")))
    assert "threads" in over_threads.split("\n") and "memory gone through" not in over_threads
    assert "L1" not in over_threads


# -- costs, gaps, times ----------------------------------------------------------------------------


def test_costs_are_written_and_coarse_steps_told(words_of, machines):
    result = machines.clock_cost()
    words = words_of(plots.costs(result))
    assert "7.9 ns (7.74 ns to 7.98 ns), C++ 7.8 ns" in words  # on one row
    assert "rdtsc, C++" not in words.split("\n")
    assert "5.1 ns (5 ns to 5.15 ns), steps of 4 ms" in words
    assert "steps of 4 ms" in plots.alt_text(result, "costs")


def test_costs_of_another_case_can_be_chosen(words_of, machines):
    result = machines.clock_cost()
    assert reading.choices_of_case(result) == ["one reading", "work and a reading"]
    words = words_of(plots.costs(result, case="work and a reading"))
    assert "Work and a reading: clock_gettime coarse 59.1 ns to thread time 294 ns" in words
    assert "61.9 ns (" in words and "11.2 ns" not in words
    assert "rdtsc: 61.9 ns" in plots.alt_text(result, "costs", "work and a reading")


def test_gaps_end_at_the_longest(words_of, machines):
    result = machines.jitter(2)
    longest = max(item.quantiles["max"] for item in result.measurements if item.quantiles)
    words = words_of(plots.gaps(result))
    assert f"CPU 1, longest {units.duration(longest)}" in words


def test_of_many_cpus_the_least_and_the_most_disturbed_are_drawn(words_of, machines):
    result = machines.jitter(64)
    lost = {item.rival: item.median for item in result.measurements if item.metric == "stolen"}
    ranked = sorted(lost, key=lambda rival: lost[rival])
    shown = gaps_shown(result)
    assert set(shown) == {*ranked[:3], *ranked[-3:]}
    assert "of 64 CPUs" in words_of(plots.gaps(result))


def test_at_most_six_curves_of_times(words_of, machines):
    result = machines.mmap_tuning()
    rivals = reading.rivals_drawn(result, "all")
    assert len(rivals) == 6 and rivals[0] == "private"
    tails = {item.rival: item.quantiles["99"] for item in result.measurements}
    others = sorted(set(tails) - {"private"}, key=lambda rival: tails[rival])
    assert {others[0], others[-1]} <= set(rivals)
    for draw in (plots.percentiles, plots.histogram):
        assert "6 of 9 are drawn" in words_of(draw(result))
    assert len({line.rival for line in reading.lines([result], "all")}) == 6


def test_times_of_pages_are_said_of_pages(words_of, machines):
    words = words_of(plots.percentiles(machines.page_cost()))
    assert "percentile of pages (nines axis)" in words and "time of one page" in words
    assert "share of pages" in words_of(plots.histogram(machines.page_cost()))


def test_the_words_of_each_figure_have_its_numbers(machines):
    assert "CPU 0 and 1 " in plots.alt_text(machines.core_to_core(2), "matrix")
    many = plots.alt_text(machines.core_to_core(64), "matrix")
    assert "the lowest, the middle and the highest" in many and len(many) < 1_000
    stairs = plots.alt_text(machines.memory_latency(), "staircase")
    assert "random, huge pages: 4 KiB 1.36 ns" in stairs
    assert "gaps a second, half of them longer than" in plots.alt_text(machines.jitter(2), "gaps")
