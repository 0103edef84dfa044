"""Live figures: their two parts are their static twin, and what is drawn last is what is true."""

from __future__ import annotations

import asyncio
import math
import re
import time

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lab import plots, units
from lab.panels.canvas import Soon
from lab.panels.live import SIZE, LiveFigure
from lab.panels.view import HIGHEST, READ, View
from lab.plots import parts
from lab.plots.sheet import own_settings

LIVE = ("percentiles", "histogram", "ecdf")
CASES = ["all", "cancel"]
ROUND = re.compile(
    r"1 in \d+ [kM]|\d{1,3}|(\d{1,3}|\d{1,2}\.\d|\d\.\d\d) (ns|µs|ms|%)|\d\d\.\d{1,4}"
)


@pytest.fixture(scope="module")
def result(latency_result):
    return latency_result()


def figure_of(kind: str, result, case: str = "all", highest: float = 99.99) -> LiveFigure:
    """Return a live figure that was drawn."""
    made = LiveFigure(plots.KINDS[kind].parts)
    made.show([result], CASES, case, highest)
    return made


def pixels(figure: LiveFigure) -> np.ndarray:
    return np.asarray(figure.canvas.get_renderer().buffer_rgba()).copy()


def ticks_of(figure: LiveFigure) -> list[str]:
    axes = figure.frame.axes
    return [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]


def labels_of(figure: LiveFigure) -> list[str]:
    """What is written beside the curves."""
    return [artist.get_text() for artist in figure._of_curves if isinstance(artist, Text)]


class TestTwins:
    @pytest.mark.parametrize("kind", LIVE)
    def test_a_blitted_figure_has_the_pixels_of_one_that_is_drawn_at_once(self, kind, result):
        """Lines end in sub-pixels, so what is drawn over a frame may differ by a shade."""
        live = figure_of(kind, result)
        live.show([result], CASES, "cancel", 99.99)
        own = plots.KINDS[kind].parts
        with own_settings():
            frame = own.frame([result], CASES, highest=99.99, size=SIZE, title="")
            own.curves(frame, [result], "cancel")
            frame.sheet.figure.dpi = live.canvas.figure.dpi
            at_once = FigureCanvasAgg(frame.sheet.figure)
            at_once.draw()
        apart = np.abs(pixels(live).astype(int) - np.asarray(at_once.buffer_rgba()))
        assert apart.mean() < 0.5
        assert np.mean(apart.max(axis=2) > 60) < 0.01

    @pytest.mark.parametrize("kind", LIVE)
    def test_curves_leave_the_frame_as_it_is(self, kind, result):
        with own_settings():
            frame = plots.KINDS[kind].parts.frame(
                [result], CASES, highest=99.99, title="", size=SIZE
            )
            before = frame.axes.get_xlim(), frame.axes.get_ylim(), list(frame.axes.get_xticks())
            with parts.noted(frame) as drawn:
                plots.KINDS[kind].parts.curves(frame, [result], "all")
            after = frame.axes.get_xlim(), frame.axes.get_ylim(), list(frame.axes.get_xticks())
            for artist in drawn:
                artist.remove()
            with parts.noted(frame) as rest:
                pass
        assert before == after
        assert drawn and not rest
        orders = [artist.get_zorder() for artist in drawn]
        assert orders == sorted(orders)

    @pytest.mark.parametrize("kind", LIVE)
    def test_curves_hold_few_points_and_are_opaque(self, kind, result):
        live = figure_of(kind, result)
        assert {trace.name for trace in live.traces} == {item.rival for item in result.measurements}
        assert all(len(trace.x) == len(trace.y) <= 2000 for trace in live.traces)
        assert (pixels(live)[:, :, 3] == 255).all()


class TestMoves:
    def test_another_case_keeps_the_axes_and_its_way_back_the_pixels(self, result):
        live = figure_of("percentiles", result)
        frame, first = live.frame, pixels(live)
        live.show([result], CASES, "cancel", 99.99)
        assert live.frame is frame
        assert (pixels(live) != first).any()
        live.show([result], CASES, "all", 99.99)
        assert (pixels(live) == first).all()

    def test_an_earlier_run_is_ticked_off_and_on_again_on_the_same_axes(
        self, result, latency_result
    ):
        live, earlier = LiveFigure(plots.KINDS["percentiles"].parts), latency_result(seed=7)
        live.show([result, earlier], CASES, "all", 99.99)
        frame, both = live.frame, pixels(live)
        live.show([result], CASES, "all", 99.99)
        assert live.frame is frame
        assert not any("①" in text for text in labels_of(live))
        live.show([result, earlier], CASES, "all", 99.99)
        assert any("①" in text for text in labels_of(live))
        assert (pixels(live) == both).all()

    def test_another_end_makes_other_axes(self, result):
        live = figure_of("percentiles", result)
        live.show([result], CASES, "all", 99.0)
        assert "99" in ticks_of(live) and "99.9" not in ticks_of(live)

    def test_what_is_read_is_drawn_and_taken_away(self, result):
        live = figure_of("percentiles", result)
        before = pixels(live)
        live.read(99.0)
        assert (pixels(live) != before).any()
        live.read(None)
        assert (pixels(live) == before).all()

    @pytest.mark.parametrize("kind", LIVE)
    def test_a_curve_says_where_it_reaches_a_percentile(self, kind, result):
        live = figure_of(kind, result)
        for trace in live.traces:
            stored = next(
                item.quantiles["99"]
                for item in result.measurements
                if (item.rival, item.case) == (trace.name, "all")
            )
            found = trace.at(99.0)[trace.time_on == "y"]
            assert 10.0**found == pytest.approx(stored, rel=0.02)

    def test_no_percentile_is_read_beyond_the_samples(self, latency_result):
        live = figure_of("percentiles", latency_result(samples=2_000))
        assert all(trace.at(99.999) is None for trace in live.traces)
        live.read(99.999)


class TestZoom:
    @pytest.mark.parametrize("kind", LIVE)
    def test_ticks_stay_round_and_all_comes_back(self, kind, result):
        live = figure_of(kind, result)
        first, whole = pixels(live), live.frame.shown
        live.zoom(4.0)
        assert live.frame.shown != whole
        assert len(ticks_of(live)) >= 4
        assert all(ROUND.fullmatch(text) for text in ticks_of(live))
        live.whole()
        assert live.frame.shown == whole
        assert (pixels(live) == first).all()

    def test_it_ends_where_there_is_nothing_to_see(self, result):
        live = figure_of("percentiles", result)
        whole = live.frame.shown
        live.zoom(1e6)
        (left, right), _ = live.frame.shown
        assert right - left > 0.01 * (whole[0][1] - whole[0][0])
        live.zoom(1e-6)
        assert live.frame.shown == whole

    def test_dragging_has_one_meaning_at_a_time(self, result):
        live = figure_of("percentiles", result)
        for mode in ("zoom", "pan", ""):
            live.mode = mode
            assert live.mode == mode

    def test_keys_read_zoom_and_show_all(self, result):
        steps: list[int] = []
        live = LiveFigure(plots.KINDS["percentiles"].parts, steps.append)
        live.show([result], CASES, "all", 99.99)
        whole = live.frame.shown
        for key in ("right", "left", "x"):
            live._on_key(key)
        assert steps == [1, -1]
        live._on_key("+")
        assert live.frame.shown != whole
        live._on_key("home")
        assert live.frame.shown == whole


class TestHover:
    @pytest.mark.parametrize("kind", LIVE)
    def test_the_nearest_point_of_the_nearest_curve(self, kind, result):
        live = figure_of(kind, result)
        sheet = live.frame.sheet
        trace = live.traces[0]
        middle = len(trace.x) // 2
        at = sheet.at(trace.x[middle], trace.y[middle])
        found = live.nearest(at[0], at[1] + 0.2)
        assert math.dist(sheet.at(found.x, found.y), at) < 1.0
        assert "%" in found.words or "1 in" in found.words

    def test_what_a_percentile_plot_says_is_true(self, result):
        live = figure_of("percentiles", result)
        trace = next(trace for trace in live.traces if trace.name == "price_ladder")
        x, y = trace.at(99.9)
        assert trace.words(x, y).startswith("99.9 % within")
        assert trace.words(trace.at(50.0)[0], y).startswith("50 % within")

    def test_nothing_is_read_off_the_axes(self, result):
        live = figure_of("percentiles", result)
        assert live.nearest(2.0, 2.0) is None

    def test_it_is_drawn_once_and_goes_away(self, result):
        live = figure_of("percentiles", result)
        before, trace = pixels(live), live.traces[0]
        at = live.frame.sheet.at(trace.x[200], trace.y[200])
        live._hover(live.nearest(*at))
        assert (pixels(live) != before).any()
        drawn = live.drawings
        live._hover(live.nearest(*at))
        assert live.drawings == drawn
        live._hover(None)
        assert (pixels(live) == before).all()


class TestSoon:
    def test_what_is_asked_for_meanwhile_is_one_turn_and_the_last_is_done(self):
        asked, done = [0], []

        def work() -> None:
            time.sleep(0.01)
            done.append(asked[0])

        async def scene() -> None:
            soon = Soon(work)
            for number in range(1, 51):
                asked[0] = number
                soon.ask()
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.1)

        asyncio.run(scene())
        assert done[-1] == 50
        assert len(done) <= 10

    def test_many_moves_of_a_view_are_few_drawings_and_the_last_is_shown(self, result):
        async def scene() -> tuple[int, np.ndarray]:
            view = View()
            view.show([result])
            await asyncio.sleep(0.3)
            before = view.live.drawings
            for percent in READ[:20]:
                view.read_at.value = percent
            await asyncio.sleep(0.5)
            return view.live.drawings - before, pixels(view.live)

        drawings, last = asyncio.run(scene())
        assert drawings == 1
        slow = View()
        slow.show([result])
        slow.read_at.value = READ[19]
        assert (pixels(slow.live) == last).all()

    def test_who_asked_hears_of_a_failure(self):
        heard: list[Exception] = []

        async def scene() -> None:
            Soon(lambda: 1 // 0, heard.append).ask()
            await asyncio.sleep(0.05)

        asyncio.run(scene())
        assert isinstance(heard[0], ZeroDivisionError)


class TestView:
    def test_what_is_read_stands_in_words_too(self, result):
        view = View()
        view.show([result])
        assert "within" not in view.read_words.value
        view.read_at.value = 99.0
        assert "99 % within: " in view.read_words.value
        for item in result.measurements:
            assert item.rival in view.read_words.value

    def test_the_canvas_stays_when_results_come_again(self, result, latency_result):
        """As the figure of a run that is under way does."""
        view = View()
        view.show([result])
        canvas, before = view.live.canvas, pixels(view.live)
        view.case.value = "cancel"
        view.show([latency_result(seed=9)])
        assert view.live.canvas is canvas
        assert view.case.value == "cancel"
        assert (pixels(view.live) != before).any()

    def test_curves_of_a_result_that_came_at_once_after_another_can_be_read(
        self, result, latency_result
    ):
        """Its words were asked for before there was anything to say of its own figure."""
        other = latency_result(samples=3_000)
        other.comparisons.clear()  # another tab less: other figures

        async def scene() -> View:
            view = View()
            view.show([other])
            await asyncio.sleep(0)
            view.show([result])
            await asyncio.sleep(0.5)
            return view

        view = asyncio.run(scene())
        assert len(view.live.traces) == 4
        assert view.read_at.layout.display == ""

    def test_the_finding_and_the_notes_are_inert(self, latency_result):
        result = latency_result(samples=3_000)
        evil = "<img src=x onerror=alert(1)>"
        result.verdict.finding = result.machine["name"] = evil
        view = View()
        view.show([result])
        heading = view.tabs.children[0].children[0].value
        assert evil not in heading
        assert heading.count("&lt;img src=x") >= 2

    def test_its_twin_has_header_and_words(self, result):
        view = View()
        view.show([result])
        assert isinstance(view.figure(), Figure)
        assert 'alt="Percentile plot.' in view.image

    def test_a_note_takes_no_room_when_there_is_none(self, result):
        view = View(with_table=False)
        view.note("so far, round 2 of 6")
        assert "round 2" in view.noted.value and view.noted.layout.display == ""
        view.note("")
        assert view.noted.layout.display == "none"
        assert view.table.layout.display == "none"

    def test_nothing_is_shown_of_nothing(self, result):
        view = View()
        view.show([])
        assert view.kind is None and view.live is None and view.image == ""
        view.show([result])
        view.show([])
        assert view.kind is None

    def test_percentiles_to_choose_from_are_round(self):
        assert READ[0] == 10.0 and READ[-1] == HIGHEST[-1]
        assert set(HIGHEST[2:]) & set(READ)
        assert all(units.percentile(percent) == f"{percent:g}" for percent in READ)


@pytest.mark.parametrize(
    ("ticks", "low", "high", "expected"),
    [
        (parts.time_ticks, 0.9, 4.1, ["10 ns", "100 ns", "1 µs", "10 µs"]),
        (parts.time_ticks, 2.2, 3.4, ["200 ns", "500 ns", "1 µs", "2 µs"]),
        (parts.time_ticks, 2.0, 2.25, ["100 ns", "120 ns", "140 ns", "160 ns"]),
        (parts.nines_ticks, 0.0, 3.0, ["0", "50", "90", "99", "99.9"]),
        (parts.nines_ticks, 2.2, 3.4, ["99.5", "99.8", "99.9", "99.95"]),
        (parts.share_ticks, -3.0, 0.3, ["0.1 %", "1 %", "10 %", "100 %"]),
    ],
)
def test_ticks_are_round_and_named(ticks, low, high, expected):
    found = ticks(low, high, 8)
    assert [words for _, words in found][: len(expected)] == expected
    assert all(low - 1e-9 <= at <= high + 1e-9 for at, _ in found)


def test_of_many_shares_the_highest_is_among_the_ticks():
    assert parts.share_ticks(-7.0, 0.3, 4)[-1][1] == "100 %"
