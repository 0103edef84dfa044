"""Rivals beside each other: what is claimed, how it is drawn and tabled, and a round by turn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from lab import plots, tables
from lab.how_to_read import how_to_read
from lab.measure import claims
from lab.measure.peeking import false_alarms
from lab.measure.result import Comparison, Turns
from lab.plots import turns
from lab.plots.effects import shown
from lab.plots.peeking import in_words, peeking
from lab.plots.sheet import own_settings
from lab.summaries import result_text

RIVALS = ("price_ladder", "native", "textbook")


def compared(rival, baseline, ratio, low, high, state, clear=None, **more) -> Comparison:
    """Return a comparison over the noise of two per cent."""
    return Comparison(
        rival=rival,
        baseline=baseline,
        case="balanced",
        metric="throughput",
        ratio=ratio,
        low=low,
        high=high,
        coverage=0.95,
        noise_low=1 / 1.02,
        noise_high=1.02,
        words="cannot tell (x; noise ±2 %): about 9 rounds would tell 1 %",
        clear=state in ("faster", "slower") if clear is None else clear,
        state=state,
        **more,
    )


@pytest.fixture
def result(throughput_result):
    """Return a run of three: one clearly ahead, one behind, two the same."""
    made = throughput_result(dict.fromkeys(RIVALS, 9e6))
    made.measurements[1].median = 1.01e7
    made.comparisons = [
        compared("native", "price_ladder", 1.12, 1.1, 1.14, "faster", q_value=0.0004, looks=3),
        compared("textbook", "price_ladder", 0.998, 0.99, 1.006, "same", q_value=0.6),
        compared("textbook", "native", 0.97, 0.955, 0.99, "slower", False, q_value=0.07),
        compared("native", "native", 1.0, 0.98, 1.02, "same"),
    ]
    return made


def texts_of(figure):
    """Return every text that is drawn, with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    with own_settings():
        canvas.draw()
    found = figure.findobj(Text)
    renderer = canvas.get_renderer()
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found if t.get_text().strip()]


def words_of(figure) -> str:
    return "\n".join(text for text, _ in texts_of(figure)).replace("\u00a0", " ")


def with_turns(result, gap=0.01, wander=0.2, seed=5):
    """Give a result's first two rivals three rounds of turns that wander together.

    Return what the turns of each round did to all, as logarithms.
    """
    random = np.random.default_rng(seed)
    common = [random.uniform(-wander / 2, wander / 2, 50) for _ in range(3)]
    for place, item in enumerate(result.measurements[:2]):
        item.turns = [
            Turns(
                round=number,
                turn=list(range(50)),
                value=list(1e7 * np.exp(shared + place * gap + own)),
            )
            for number, shared in enumerate(common)
            for own in (0.0, 0.002)
        ]
    return common


class TestWhatIsClaimed:
    def test_each_state_in_words(self, result):
        said = [claims.claim(item) for item in result.comparisons[:3]]
        assert said[0] == "faster by 12 % (10 % to 14 %)"
        assert said[1] == "no difference larger than 1.0 %"
        assert said[2] == "cannot tell (0.95 to 0.99 times)"

    def test_a_difference_that_is_lost_among_many_says_so(self, result):
        lost = result.comparisons[2]
        assert claims.state_of(lost) == "cannot tell"
        assert "not clear enough among so many" in claims.with_remedy(lost)
        alone = compared("native", "textbook", 1.05, 0.9, 1.2, "cannot tell")
        assert claims.with_remedy(alone).endswith("times): about 9 rounds would tell 1 %")

    def test_a_file_of_version_1_has_no_state_and_claims_what_was_clear(self):
        told = [
            claims.state_of(compared("native", "textbook", ratio, 0.5, 2.0, None, clear))
            for ratio, clear in ((1.3, True), (0.7, True), (1.3, False))
        ]
        assert told == ["faster", "slower", "cannot tell"]

    def test_seen_from_the_other_side_and_back(self, result):
        item = result.comparisons[0]
        turned = claims.as_seen_from("price_ladder", item)
        assert (turned.rival, turned.baseline) == ("price_ladder", "native")
        assert claims.claim(turned) == "slower by 12 % (10 % to 14 %)"
        again = claims.as_seen_from("native", turned)
        assert again.low == pytest.approx(item.low)
        assert again.state == "faster"

    def test_the_finding_is_about_the_fastest_and_the_one_next_to_it(self, result):
        told = claims.finding_of_pairs(result, claims.pairs(result))
        assert told == "native cannot be told from textbook, but is faster than price_ladder"
        del result.comparisons[2]
        told = claims.finding_of_pairs(result, claims.pairs(result))
        assert told == "native is faster than price_ladder by 12 % (10 % to 14 %)"

    @pytest.mark.parametrize(
        ("q_value", "text"), [(None, ""), (0.0002, "below 0.001"), (0.0314, "0.031"), (0.4, "0.40")]
    )
    def test_q_as_it_is_read(self, q_value, text):
        item = compared("native", "textbook", 1.1, 1.0, 1.2, "faster", q_value=q_value)
        assert claims.q_text(item) == text


class TestComparisonsAsAFigure:
    def test_every_rival_and_every_claim_stands_on_it(self, result):
        words = words_of(plots.effects(result))
        for item in claims.pairs(result):
            assert claims.claim(item) in words
            assert f"beside {item.baseline}" in words
        told = plots.alt_text(result, "effects")
        assert all(claims.claim(item) in told for item in claims.pairs(result))

    def test_every_bar_and_1_lie_on_the_axis(self, result):
        (axes,) = plots.effects(result).axes
        low, high = np.exp(axes.get_xlim())
        assert low < min(item.low for item in result.comparisons)
        assert high > max(item.high for item in result.comparisons)
        assert low < 1 < high

    def test_only_what_is_clear_has_the_rivals_colour(self, result):
        (axes,) = plots.effects(result).axes
        bars = [line.get_color() for line in axes.lines if len(line.get_xdata()) == 2][:3]
        assert bars[0] == plots.style_of("native").colour
        assert plots.style_of("textbook").colour not in bars

    @pytest.mark.parametrize("size", [plots.FULL, plots.HALF])
    @pytest.mark.parametrize("kind", ["effects", "by_turn"])
    def test_nothing_overlaps_and_nothing_is_cut_off(self, result, kind, size):
        with_turns(result)
        figure = getattr(plots, kind)(result, size=size)
        found = [(text, box) for text, box in texts_of(figure) if box.width > 1]
        width, height = figure.get_size_inches() * figure.dpi
        for text, box in found:
            assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text
        for (one, box), (other, other_box) in combinations(found, 2):
            assert not box.padded(-1).overlaps(other_box.padded(-1)), (one, other)

    def test_of_too_many_the_fastest_is_compared(self, throughput_result):
        rates = {f"engine_{place}": 1e6 * (place + 1) for place in range(9)}
        result = throughput_result(rates)
        result.comparisons = [
            compared(one, other, rates[one] / rates[other], 1.9, 2.1, "faster")
            for other, one in combinations(rates, 2)
        ]
        found = shown(result)
        assert len(found) == 8
        assert {item.rival for item in found} == {"engine_8"}


class TestARoundByTurn:
    def test_what_turns_did_is_found_and_taken_out(self, result):
        common = with_turns(result)
        one = turns.chosen(result, 0)
        high, low = np.quantile(common[0], [0.9, 0.1])
        assert one.wandering == pytest.approx(np.expm1(high - low), rel=1e-6)
        assert one.apart == pytest.approx(np.expm1(0.002), rel=1e-6)
        raw, polished = plots.by_turn(result, number=0).axes
        spans = [max(np.ptp(line.get_ydata()) for line in axes.lines) for axes in (raw, polished)]
        assert spans[0] > 0.15
        assert spans[1] < 1e-9

    def test_the_title_has_both_numbers(self, result):
        with_turns(result)
        found = turns.finding(turns.chosen(result))
        assert found.startswith("Turns wander by 1")
        assert found.endswith("the same code agrees within 0.2 %")
        assert found.split(";")[0] in words_of(plots.by_turn(result))
        assert "native: +0.4 %" in plots.alt_text(result, "by_turn")

    def test_rivals_far_apart_are_each_held_against_themselves(self, result):
        with_turns(result, gap=3.0)
        one = turns.chosen(result)
        assert not one.are_near
        (raw, _) = plots.by_turn(result).axes
        assert max(np.abs(raw.get_ylim())) < 0.3

    def test_kinds_say_what_there_is(self, result):
        assert plots.kinds(result) == ["throughput", "effects"]
        with_turns(result)
        assert plots.kinds(result) == ["throughput", "effects", "by_turn"]


class TestInWords:
    def test_the_table_has_interval_noise_q_and_claim(self, result):
        (table,) = tables.comparisons(result)
        assert table.headings[-5:] == [
            "times as fast",
            "interval",
            "noise",
            "q",
            "what can be said",
        ]
        first = dict(zip(table.headings, table.rows[0], strict=True))
        assert first["noise"] == "±2 %"
        assert first["q"] == "below 0.001"
        assert first["what can be said"] == "faster by 12 % (10 % to 14 %)"
        assert "case" not in table.headings  # all have the same
        for row in table.rows:
            assert row[-1] in result_text(result)
            assert row[-1] in result._repr_html_()

    def test_nothing_compared_has_no_table_and_no_paragraph(self, result):
        result.comparisons = []
        assert tables.comparisons(result) == []
        assert how_to_read(result) == ""

    def test_the_paragraph_speaks_of_what_the_result_has(self, result):
        told = how_to_read(result)
        assert "looked at 3 times" in told
        assert "3 comparisons would show something by chance" in told
        assert "1 that would pass alone did not" in told
        assert "turns" not in told
        with_turns(result)
        assert "for up to 50 turns" in how_to_read(result)
        result.comparisons = [compared("native", "textbook", 1.1, 1.05, 1.15, "faster")]
        told = how_to_read(result)
        assert "looked at" not in told
        assert "by chance" not in told


class TestPeeking:
    def test_looks_held_against_5_per_cent_each_are_those_of_the_literature(self):
        """Armitage, McPherson and Rowe (1969), table 2: repeated tests at 5 %."""
        expected = [0.05, 0.083, 0.107, 0.126, 0.142]
        found = false_alarms(5, 40_000, seed=2)
        assert [one.naive for one in found] == pytest.approx(expected, abs=0.006)
        assert [one.shared for one in found] == pytest.approx([0.05] * 5, abs=0.006)

    def test_the_figure_says_it(self):
        found = false_alarms(4, 2_000)
        said = f"{100 * found[-1].naive:.0f} % false alarms"
        assert said in words_of(peeking(found))
        assert said in in_words(found)
