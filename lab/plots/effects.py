"""Is B really faster than A? A line a comparison: the ratio, its interval, the noise behind it.

The grey band round 1 is how far the same code differs from itself in this run; a bar that reaches
out of it on one side, and does not cross 1, is a difference. What is claimed stands in words at the
line's end. A claimed difference has the rival's colour; what is the same, or cannot be told, is
grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lab.measure import claims
from lab.measure.result import Comparison, Result
from lab.measure.words import SAME, noise_text, percent_text
from lab.metrics import stem_of
from lab.plots import reading
from lab.plots.labels import shortened, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, SOFT_INK, lighter, style_of

ROWS_MOST = 14
_BESIDE = " beside "
# How far apart ticks may be where differences are small, and what they may be where they are large.
_STEPS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_TIMES = (
    (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
    (5, 10, 50, 100, 500, 1000),
    (10, 100, 1000, 10_000),
    (100, 10_000),
)
_BAND = "#dcdde0"
_LINES_LEAST = 4
_BAND_POINTS = 20.0


@dataclass(frozen=True)
class _Look:
    """How one comparison is drawn."""

    colour: str
    letters: str  # of the words at its end
    filled: bool


def effects(
    results: Result | Sequence[Result],
    *,
    case: str | None = None,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how rivals compare.

    Parameters
    ----------
    results
        The result that the figure is about; earlier ones are not drawn, for no turns were shared.
    case
        What was measured; every case when None, the first one where that is too much.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    run = reading.several(results)[0]
    with own_settings():
        return _drawn(run, case, size, title)


def shown(result: Result, case: str | None = None) -> list[Comparison]:
    """Return the comparisons that are drawn, of too many the fastest rival's and the first case's.

    Each is put as the rival puts it that is drawn: of few as the result has them.
    """
    along = {item.case: item.at for item in result.measurements if item.at is not None}
    found = sorted(claims.pairs(result), key=lambda item: along.get(item.case, 0.0))
    cases = dict.fromkeys(item.case for item in found)
    if case in cases:
        found = [item for item in found if item.case == case]
    if len(found) > ROWS_MOST:  # how near independent programs are is in the table
        own = [item for item in found if not (stem_of(item.rival) or stem_of(item.baseline))]
        found = own or found
    if len(found) > ROWS_MOST:
        found = [item for _, group in _groups(found) for item in _of_fastest(result, group)]
    if len(found) > ROWS_MOST:
        usual = reading.default_case(result)
        first = usual if usual in cases else found[0].case
        found = [item for item in found if item.case == first]
    return found[:ROWS_MOST]


def header(result: Result, found: Sequence[Comparison]) -> list[str]:
    """Return the lines under the title: what was measured, how to read it, what is doubtful."""
    words = (
        f"a bar is wrong in {percent_text(claims.error_rate(found))} of cases at most · grey band: "
        "how far the same code differs from itself"
    )
    left_out = len(claims.pairs(result)) - len(found)
    more = [f"{left_out} more comparisons in the table"] if left_out else []
    doubts = " · ".join([*more, *reading.shakiness(result)])
    return [reading.about(result, with_floor=False), words, doubts]


def _groups(found: Sequence[Comparison]) -> list[tuple[tuple[str, str], list[Comparison]]]:
    """Return comparisons by case and metric."""

    def key(item: Comparison) -> tuple[str, str]:
        return item.case, item.metric

    order = list(dict.fromkeys(map(key, found)))
    found = sorted(found, key=lambda item: order.index(key(item)))
    return [(name, list(group)) for name, group in groupby(found, key)]


def _of_fastest(result: Result, group: list[Comparison]) -> list[Comparison]:
    """Return how the fastest compares with each of the others, the nearest first."""
    best = claims.fastest(result, group[0].case, group[0].metric, group)
    own = [item for item in group if best in (item.rival, item.baseline)]
    own = [claims.as_seen_from(best, item) for item in own]
    return sorted(own, key=lambda item: item.ratio)


def _drawn(run: Result, case: str | None, size: tuple[float, float], title: str | None) -> Figure:
    found = shown(run, case)
    sheet = Sheet(
        size, title or reading.sentence(claims.finding_of_pairs(run, found)), header(run, found)
    )
    groups = _groups(found)
    places = _places(groups)
    spare = max(_LINES_LEAST - places, 0) / 2
    letters = min(sheet.letters("name"), 0.55 * sheet.top / (places + 2))
    widest = max(_name_width(item, letters) for item in found)
    left = min(widest, sheet.width * 0.4)
    # the title names a rival that all others stand beside; where room is short that is enough
    is_named = widest <= left or len({item.rival for item in found}) > 1
    words = _words(found, letters * 0.9, sheet.width * (0.32 if sheet.scale > 0.9 else 0.3))
    right = max(text_size(text, letters * 0.9)[0] for text in words.values())
    low, high = _range(found)
    axes = sheet.plot(
        *(left + 22 * sheet.scale, right + 20 * sheet.scale, (low, high)),
        (places - 0.4 + spare, -0.6 - spare),
        "times as fast",
    )
    ticks = _ticks(low, high, 5 if sheet.width < 400 else 8)
    axes.set_xticks([math.log(tick) for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    sheet.grid(axes, "x")
    _draw_groups(axes, sheet, groups, words, letters, is_named)
    axes.axvline(0.0, color=SOFT_INK, linewidth=1.1 * sheet.scale, zorder=2)
    return sheet.figure


def _places(groups: Sequence[tuple[tuple[str, str], list[Comparison]]]) -> int:
    """Count the lines, with one for each group's name where there are several."""
    lines = sum(len(group) for _, group in groups)
    return lines + (len(groups) if len(groups) > 1 else 0)


def _name_width(item: Comparison, letters: float) -> float:
    rival = text_size(item.rival, letters, True)[0]
    return rival + text_size(_BESIDE + item.baseline, letters * 0.88)[0]


def _words(found: Sequence[Comparison], letters: float, room: float) -> dict[int, str]:
    """Return what is claimed, by the comparison's id, without bounds where there is no room."""
    told = {id(item): claims.claim(item) for item in found}
    if max(text_size(text, letters)[0] for text in told.values()) <= room:
        return told
    return {id(item): claims.short_claim(item) for item in found}


def _range(found: Sequence[Comparison]) -> tuple[float, float]:
    """Return the ends of the axis as logarithms; 1 is on it, and every bar."""
    ends = [end for item in found for end in (item.low, item.high)]
    noise = min(item.noise_high for item in found)
    levels = [math.log(end) for end in (*ends, noise, 1 / noise) if end > 0]
    low, high = min(levels), max(levels)
    room = max(0.05 * (high - low), 1e-4)
    return low - room, high + room


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Return round ratios on both sides of 1 between two logarithms."""
    if high - low > math.log(4):
        for chosen in _TIMES:
            ticks = sorted({1.0, *chosen, *(1 / value for value in chosen)})
            ticks = [tick for tick in ticks if low <= math.log(tick) <= high]
            if len(ticks) <= most:
                break
        return ticks
    for step in _STEPS:
        counts = range(math.ceil((math.exp(low) - 1) / step), int((math.exp(high) - 1) / step) + 1)
        if len(counts) <= most:
            break
    return [round(1 + count * step, 4) for count in counts]


def _draw_groups(
    axes: Axes,
    sheet: Sheet,
    groups: Sequence[tuple[tuple[str, str], list[Comparison]]],
    words: dict[int, str],
    letters: float,
    is_named: bool,
) -> None:
    place = 0
    for name, group in groups:
        if len(groups) > 1:
            _, y = sheet.at(0.0, place + 0.12)
            sheet.write(
                sheet.margin, y, _group_name(groups, *name), letters * 0.88, SOFT_INK, side="left"
            )
            place += 1
        for item in group:
            _draw_row(axes, sheet, place, item, words[id(item)], letters, is_named)
            place += 1


def _group_name(groups: Sequence[tuple[tuple[str, str], object]], case: str, metric: str) -> str:
    """Name what a group compares by what it does not share with the others."""
    cases, metrics = ({name[part] for name, _ in groups} for part in (0, 1))
    stem, _, tail = metric.partition("_p9")
    word = f"its p9{tail}" if tail else f"its {stem.replace('_', ' ')}"
    parts = [case] if len(cases) > 1 else []
    return ", ".join([*parts, *([word] if len(metrics) > 1 else [])])


def _draw_row(
    axes: Axes,
    sheet: Sheet,
    place: int,
    item: Comparison,
    words: str,
    letters: float,
    is_named: bool,
) -> None:
    look = _look(item)
    noise = math.log(item.noise_high)
    line = abs(sheet.at(0.0, place)[1] - sheet.at(0.0, place + 1)[1])
    half = min(0.4, _BAND_POINTS * sheet.scale / line)
    band = Rectangle((-noise, place - half), 2 * noise, 2 * half, zorder=1, linewidth=0)
    band.set_facecolor(_BAND)
    axes.add_patch(band)
    ends = [math.log(item.low), math.log(item.high)]
    axes.plot(ends, [place, place], color=look.colour, linewidth=2.2 * sheet.scale, zorder=4)
    axes.plot(
        *([math.log(item.ratio)], [place]),
        marker=style_of(item.rival).marker,
        markersize=6.4 * sheet.scale,
        markerfacecolor=look.colour if look.filled else "white",
        markeredgecolor=look.colour,
        markeredgewidth=1.6 * sheet.scale,
        zorder=5,
    )
    _write_row(sheet, place, item, words, letters, look, is_named)


def _write_row(
    sheet: Sheet,
    place: int,
    item: Comparison,
    words: str,
    letters: float,
    look: _Look,
    is_named: bool,
) -> None:
    """Write the two names left of the bar, and what is claimed right of it."""
    _, y = sheet.at(0.0, place)
    small, left = letters * 0.88, sheet.margin
    if is_named:
        sheet.write(left, y, item.rival, letters, style_of(item.rival).colour, True, "left")
        left += text_size(item.rival, letters, True)[0] + 0.4 * small
    room = sheet.area.left - 6 * sheet.scale - left
    beside = shortened(_BESIDE.strip() + " " + item.baseline, small, room)
    sheet.write(left, y, beside, small, SOFT_INK, side="left")
    end = sheet.area.right + 10 * sheet.scale
    sheet.write(end, y, words, letters * 0.9, look.letters, side="left")


def _look(item: Comparison) -> _Look:
    state = claims.state_of(item)
    if state == claims.CANNOT_TELL:
        return _Look(lighter(SOFT_INK, 0.25), SOFT_INK, False)
    if state == SAME:
        return _Look(SOFT_INK, INK, True)
    return _Look(style_of(item.rival).colour, INK, True)


def in_words(result: Result, case: str | None = None) -> list[str]:
    """Return the figure for those who cannot see it: a sentence a comparison."""
    found = shown(result, case)
    several = len(_groups(found)) > 1
    return [
        f"{item.rival}{_BESIDE}{item.baseline}"
        + (f", {item.case}, {item.metric.replace('_', ' ')}" if several else "")
        + f": {claims.claim(item)}, noise {noise_text(item.noise_high)}"
        for item in found
    ]
