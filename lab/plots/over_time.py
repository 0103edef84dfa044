"""When the slow commands came: a heat map of times over one pass, for two rivals side by side.

What no percentile shows: whether the worst came all at once or all the time, and whether an engine
is slower at the end of a flow than at its beginning. Both maps stand on one pair of axes, so that
they are read and zoomed together. Not for every rival: the table and the words have all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lab.measure.over_time import counts_of
from lab.measure.result import Measurement, OverTime, Result
from lab.plots import parts, reading
from lab.plots.labels import shortened, text_size
from lab.plots.parts import Frame, Scale, Trace
from lab.plots.sheet import FULL, Sheet
from lab.plots.styles import INK, Style, style_of
from lab.units import amount, duration

DRAWN = {50.0: "half", 99.0: "99 %"}
"""The percentiles that have a line, by what is written at its end."""
_MAPS_MOST = 2
_BETWEEN = 0.06  # of a map's width: what lies between two
_ROWS_A_DECADE = 24
_PALEST = 0.12  # of the rival's colour: one command among all
_SAMPLES_ABOVE = 10
_ALIKE = 1.25  # times: how far a counter's ends are apart
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Map:
    """The times of one rival over a pass, and where on the axes they stand.

    Attributes
    ----------
    name
        The rival's, with the circled number of an earlier run.
    item
        Where they come from.
    place
        How many maps stand left of it.
    step_ns
        What its clock can tell apart.
    """

    name: str
    item: Measurement
    place: int
    step_ns: float

    @property
    def style(self) -> Style:
        """The rival's look."""
        return style_of(self.item.rival)

    @property
    def left(self) -> float:
        """Where it begins; it is 1 wide."""
        return self.place * (1.0 + _BETWEEN)

    @property
    def span(self) -> float:
        """How many commands, or nanoseconds, a pass has."""
        return self._stored.span

    @property
    def is_clocked(self) -> bool:
        """Whether it is cut by time and not by counting commands."""
        return self._stored.axis == "ns"

    @cached_property
    def counts(self) -> np.ndarray:
        """How many commands of each slice took so long; shape (slices, bins)."""
        return np.add.reduceat(counts_of(self._stored), self._kept, axis=1)

    @cached_property
    def levels(self) -> np.ndarray:
        """The edges of the bins: logarithms of ns, shape (bins + 1,)."""
        edges = np.asarray(self._stored.edges_ns, dtype=float)
        kept = np.append(edges[self._kept], edges[-1])
        return np.log10(np.maximum(kept, 0.5 * self.step_ns))

    def quantiles(self, percent: float) -> np.ndarray:
        """Return each slice's quantile as a logarithm; slices with few commands are taken together.

        What lies between two edges is taken to be spread evenly.
        """
        counts = self.counts
        together = 1
        least = _SAMPLES_ABOVE / (1.0 - percent / 100.0)
        while together < len(counts) and counts.sum() * together / len(counts) < least:
            together *= 2
        starts = np.arange(0, len(counts), together)
        found = [self.quantile(percent, rows) for rows in np.add.reduceat(counts, starts, axis=0)]
        return np.repeat(found, together)[: len(counts)]

    def quantile(self, percent: float, counts: np.ndarray) -> float:
        """Return a quantile of some counts, a number a bin, as a logarithm."""
        running = np.concatenate(([0], np.cumsum(counts)))
        return float(np.interp(percent / 100.0 * running[-1], running, self.levels))

    def of_part(self, first: float, last: float, percent: float) -> float:
        """Return a quantile in ns of a part of the pass, from and to a share of it."""
        ends = round(first * len(self.counts)), round(last * len(self.counts))
        return 10.0 ** self.quantile(percent, self.counts[slice(*ends)].sum(axis=0))

    def usual(self, percent: float) -> str:
        """Write a percentile of the whole pass, as the result has it."""
        return duration(self.item.quantiles.get(f"{percent:g}", self.item.median))

    def position(self, part: float) -> str:
        """Write a place in the pass."""
        text = duration if self.is_clocked else amount
        return text(part * self.span) if part else "0"

    @property
    def _stored(self) -> OverTime:
        assert self.item.over_time is not None
        return self.item.over_time

    @cached_property
    def _kept(self) -> list[int]:
        """The bins that begin a clock's step after the last: what it cannot tell is one bin."""
        edges, kept = self._stored.edges_ns[:-1], [0]
        for index, edge in enumerate(edges):
            if edge >= edges[kept[-1]] + self.step_ns:
                kept.append(index)
        return kept


def over_time(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw times by their place in the pass.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones: the best of the one stands beside
        itself in the newest of the others, else beside the second best.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    return parts.drawn(PARTS, results, highest=100.0, size=size, title=title)


def maps(runs: Sequence[Result]) -> list[Map]:
    """Return what is drawn, from left to right."""
    found = [("", runs[0], item) for item in _recorded(runs[0])]
    best = found[0][2]
    earlier = [
        (reading.mark(index), run, item)
        for index, run in enumerate(runs)
        for item in _recorded(run)
        if index and (item.rival, item.case) == (best.rival, best.case)
    ]
    chosen = [found[0], *earlier, *found[1:]][:_MAPS_MOST]
    return [
        Map(f"{item.rival} {sign}".rstrip(), item, place, reading.step_ns(run))
        for place, (sign, run, item) in enumerate(chosen)
    ]


def _recorded(run: Result) -> list[Measurement]:
    """Return the times that were kept by when they were taken, the best tail first."""
    found = [item for item in run.measurements if item.over_time is not None]
    usual = reading.default_case(run)
    cases = sorted({item.case for item in found}, key=lambda case: case != usual)
    found = [item for item in found if item.case == cases[0]]
    return sorted(found, key=lambda item: item.quantiles.get("99", item.median))


def frame(
    runs: list[Result],
    cases: Sequence[str],
    *,
    highest: float,
    size: tuple[float, float] = FULL,
    title: str | None = None,
    figure: Figure | None = None,
) -> Frame:
    """Draw the axes, which hold both maps; see ``parts.Parts``."""
    drawn = maps(runs)
    sheet = _sheet(runs, drawn, size, title, figure)
    words = reading.in_words(runs[0], drawn[0].item.case)
    low = min(float(one.levels[0]) for one in drawn) - 0.05
    high = max(float(one.levels[-1]) for one in drawn) + 0.05
    high += 1.9 * sheet.letters("name") / (sheet.top - 5.4 * sheet.letters("tick")) * (high - low)
    decades = range(math.ceil(low), math.floor(high) + 1)
    axes = sheet.plot(
        sheet.room_for([duration(10.0**d) for d in decades], "tick", False) + 32 * sheet.scale,
        sheet.room_for(list(DRAWN.values()), "value") + 14 * sheet.scale,
        (-0.01, drawn[-1].left + 1.01),
        (low, high),
        _axis_name(drawn[0], words.of),
        (f"{words.measure} of a {words.of}", words.measure),
    )
    across = Scale((-0.01, drawn[-1].left + 1.01), _positions(drawn))
    return Frame(sheet, axes, across, Scale((low, high), parts.time_ticks), highest)


def curves(frame: Frame, runs: list[Result], case: str) -> list[Trace]:
    """Draw the maps and their lines; see ``parts.Parts``."""
    drawn = maps(runs)
    traces = []
    for one in drawn:
        _draw_map(frame, one)
        _write_name(frame, one)
        for percent in DRAWN:
            traces.append(_draw_line(frame, one, percent))
    _name_lines(frame, drawn[-1])
    return traces


PARTS = parts.Parts(frame, curves)


def finding(one: Map) -> str:
    """Say of a rival whether it was as fast at the end of a pass as at its beginning."""
    first, last = one.of_part(0.0, 0.25, 99.0), one.of_part(0.75, 1.0, 99.0)
    worst = int(np.argmax(one.quantiles(99.0)))
    slices = len(one.counts)
    peak = 10.0 ** float(one.quantiles(99.0)[worst])
    told = f"{one.name} answers 99 % within about {_rough(first)} in the first quarter"
    told += f" and {_rough(last)} in the last"
    if peak > _ALIKE**2 * max(first, last):
        told += f", but {_rough(peak)} at {one.position(worst / slices)}"
    return told


def in_words(runs: Sequence[Result]) -> list[str]:
    """Return the figure for those who cannot see it: each rival's tail by quarters."""
    said = []
    for item in _recorded(runs[0]):
        one = Map(item.rival, item, 0, reading.step_ns(runs[0]))
        quarters = [one.of_part(part / 4, (part + 1) / 4, 99.0) for part in range(4)]
        said.append(f"{item.rival}, 99 % within, by quarters: {', '.join(map(_rough, quarters))}")
    return said


def _rough(ns: float) -> str:
    """Write a time that is known to a counter's width: two digits."""
    return duration(float(f"{ns:.2g}"))


def _sheet(
    runs: Sequence[Result],
    drawn: Sequence[Map],
    size: tuple[float, float],
    title: str | None,
    figure: Figure | None,
) -> Sheet:
    case = drawn[0].item.case
    if title == "":
        return parts.sheet_for(runs, [case], size, title, figure)
    every = len(_recorded(runs[0]))
    notes = [reading.about(runs[0])]
    if case != reading.WHOLE:
        notes[0] = f"{reading.one_in(runs[0], case)}, {notes[0]}"
    own = len([one for one in drawn if one.name == one.item.rival])
    if every > own:
        notes.append(f"the best {'tails' if own > 1 else 'tail'} of {every}; all turns together")
    notes += [*reading.shakiness(runs[0]), *reading.legend(runs)]
    return Sheet(size, title or reading.sentence(finding(drawn[0])), notes, figure=figure)


def _axis_name(one: Map, of: str) -> str:
    along = "time since the load began" if one.is_clocked else f"{of}s of a pass, first to last"
    return f"{along} (darker: more of those at that moment)"


def _positions(drawn: Sequence[Map]) -> parts.Ticks:
    """Return what finds round places in each of the maps that are in sight."""

    def ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
        found = []
        for one in drawn:
            first, last = max(low - one.left, 0.0), min(high - one.left, 1.0)
            if first < last:
                fitting = max(round(most * (last - first) / (high - low)), 2)
                found += [
                    (one.left + part, one.position(part))
                    for part in _round_parts(first, last, one.span, min(fitting, 6))
                ]
        return found

    return ticks


def _round_parts(first: float, last: float, span: float, most: int) -> list[float]:
    """Return parts of a pass that are round numbers of what it has."""
    least = (last - first) * span / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(size * power for size in _STEPS if size * power >= least * (1 - 1e-9))
    every = range(math.ceil(first * span / step - 1e-9), math.floor(last * span / step + 1e-9) + 1)
    return [index * step / span for index in every]


def _draw_map(frame: Frame, one: Map) -> None:
    """Draw a rival's counts as shades of its colour, empty where there was none."""
    low, high = float(one.levels[0]), float(one.levels[-1])
    rows = max(round((high - low) * _ROWS_A_DECADE), 1)
    centres = low + (np.arange(rows) + 0.5) * (high - low) / rows
    bins = np.clip(np.searchsorted(one.levels, centres, "right") - 1, 0, len(one.levels) - 2)
    shares = one.counts / np.maximum(one.counts.sum(axis=1, keepdims=True), 1)
    dense = (shares / np.diff(one.levels))[:, bins].T
    picture = AxesImage(
        frame.axes,
        extent=(one.left, one.left + 1.0, low, high),
        origin="lower",
        interpolation="nearest",
        zorder=0.8,
    )
    picture.set_data(_shaded(dense, one.style.colour))
    picture.set_clip_path(frame.axes.patch)
    frame.axes.add_image(picture)


def _shaded(dense: np.ndarray, colour: str) -> np.ndarray:
    """Return colours, shape (rows, slices, 4): the logarithm of what is there, on white."""
    filled = dense > 0
    levels = np.log10(np.where(filled, dense, 1.0))
    low, high = float(levels[filled].min()), float(levels[filled].max())
    depth = _PALEST + (1.0 - _PALEST) * (levels - low) / max(high - low, 1e-9)
    ink = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
    shades = np.empty((*dense.shape, 4), np.uint8)
    shades[..., :3] = np.rint(255 + (ink - 255) * depth[..., None])
    shades[..., 3] = 255 * filled
    return shades


def _draw_line(frame: Frame, one: Map, percent: float) -> Trace:
    """Draw a percentile over the pass, a step a slice, with a white edge to stand on any shade."""
    levels = one.quantiles(percent)
    ends = one.left + np.linspace(0.0, 1.0, len(levels) + 1)
    x, y = np.repeat(ends, 2)[1:-1], np.repeat(levels, 2)
    dash = "-" if percent == 50.0 else (0, (3.2, 1.4))
    frame.axes.plot(x, y, color="white", linewidth=3.4 * frame.sheet.scale, alpha=0.75)
    frame.axes.plot(x, y, color=INK, linewidth=1.5 * frame.sheet.scale, linestyle=dash)
    name = f"{one.name}, {DRAWN[percent]}"
    return Trace(name, one.style.colour, x, y, _told(one, percent), one.style.marker)


def _told(one: Map, percent: float) -> Callable[[float, float], str]:
    """Return what says in words what a point of a line means."""
    slices = len(one.counts)

    def words(x: float, y: float) -> str:
        at = int(np.clip((x - one.left) * slices, 0, slices - 1))
        where = f"{one.position(at / slices)} to {one.position((at + 1) / slices)}"
        return f"{where}: {percent:g} % within about {_rough(10.0**y)}"

    return words


def _write_name(frame: Frame, one: Map) -> None:
    """Write a rival's name over that part of its map which is in sight."""
    sheet, (left, right) = frame.sheet, frame.shown[0]
    first, last = max(left, one.left), min(right, one.left + 1.0)
    if first >= last:
        return
    ends = sheet.at(first, 0.0)[0], sheet.at(last, 0.0)[0]
    letters, room = sheet.letters("name"), ends[1] - ends[0]
    times = [f"{words} {one.usual(at)}" for at, words in DRAWN.items()]
    told = f"{one.name}: {', '.join(times)}"
    if text_size(told, letters, bold=True)[0] > room:
        told = shortened(one.name, letters, room, bold=True)
    y = sheet.area.top - 0.7 * letters
    sheet.write(ends[0], y, told, letters, one.style.colour, True, "left", over_grid=True)


def _name_lines(frame: Frame, last: Map) -> None:
    """Write at the end of the last map's lines what they are."""
    sheet, letters = frame.sheet, frame.sheet.letters("value")
    if not frame.holds(last.left + 1.0, sum(frame.shown[1]) / 2):
        return
    found = {percent: float(last.quantiles(percent)[-1]) for percent in DRAWN}
    below = -math.inf
    for percent, level in sorted(found.items()):
        if frame.holds(last.left + 1.0, level):
            x, y = sheet.at(last.left + 1.0, level)
            y = max(y, below + text_size("", letters)[1])
            sheet.write(x + 5 * sheet.scale, y, DRAWN[percent], letters, INK, side="left")
            below = y
