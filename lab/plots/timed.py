"""The same commands timed by several clocks: what each says they took, beside what they take."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import SOFT_INK, lighter, style_of
from lab.units import duration

_BINS_A_DECADE = 50
_HIGH = 0.74  # of the height of a strip: the tallest bar
_SHOWN = (0.5, 99.5)  # per cent of each clock's times: a tail is another figure's subject


def timed(
    times_ns: Mapping[str, np.ndarray],
    truth_ns: float,
    about: str,
    *,
    size: tuple[float, float] = FULL,
) -> Figure:
    """Draw what each clock says single commands took: a strip a clock, logarithmic.

    Parameters
    ----------
    times_ns
        By clock, the time of each command in each pass; shape (passes, commands).
    truth_ns
        What a command takes on average in the quietest pass in which no clock is read.
    about
        What was timed, and on which machine.
    size
        Width and height in inches.
    """
    with own_settings():
        return _drawn(times_ns, truth_ns, about, size)


def in_words(times_ns: Mapping[str, np.ndarray], truth_ns: float) -> str:
    """Return the figure for those who cannot see it."""
    rows = "; ".join(
        f"{name}: half within {duration(float(np.median(times)))}, 99 % within "
        f"{duration(float(np.percentile(times, 99)))}"
        for name, times in times_ns.items()
    )
    return f"Times of the same commands by several clocks. {_finding(times_ns, truth_ns)}. {rows}."


def mean_ns(times_ns: np.ndarray) -> float:
    """Return the mean of the quietest pass: what the machine did meanwhile is another subject.

    >>> mean_ns(np.array([[10, 30], [10, 32], [10, 9_000]]))
    20.0
    """
    return float(times_ns.mean(axis=1).min())


def _finding(times_ns: Mapping[str, np.ndarray], truth_ns: float) -> str:
    told = [f"{duration(mean_ns(times))} by {name}" for name, times in times_ns.items()]
    return f"A command takes {duration(truth_ns)}; with a clock around it {', '.join(told)}"


def _drawn(
    times_ns: Mapping[str, np.ndarray], truth_ns: float, about: str, size: tuple[float, float]
) -> Figure:
    ends = [np.percentile(times, _SHOWN) for times in times_ns.values()]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    x_range = math.log10(0.7 * max(1.0, min(low, truth_ns))), math.log10(1.3 * high)
    note = (
        "a bar's height: how many commands, to the 99.5th percentile · title: means, quietest pass"
    )
    sheet = Sheet(size, _finding(times_ns, truth_ns), [about, note])
    right = sheet.room_for(list(times_ns)) + 20
    axes = sheet.plot(
        *(sheet.margin + 6, right, x_range, (0.0, float(len(times_ns)))), "time of one command"
    )
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    powers = range(math.floor(x_range[0]), math.ceil(x_range[1]) + 1)
    ticks = [part * 10.0**power for power in powers for part in (1, 2, 5)]
    ticks = [tick for tick in ticks if x_range[0] <= math.log10(tick) <= x_range[1]]
    axes.set_xticks([math.log10(tick) for tick in ticks], [duration(tick) for tick in ticks])
    sheet.grid(axes, "x")
    for place, (name, times) in enumerate(times_ns.items()):
        _draw_strip(sheet, axes, len(times_ns) - 1 - place, name, times, x_range)
    axes.axvline(math.log10(truth_ns), color=SOFT_INK, linewidth=1.1, dashes=(4, 2), zorder=1)
    x, y = sheet.at(math.log10(truth_ns), float(len(times_ns)))
    words = f"no clock: {duration(truth_ns)} on average"
    sheet.write(x + 5, y - 6, words, sheet.letters("note"), SOFT_INK, side="left", over_grid=True)
    return sheet.figure


def _draw_strip(
    sheet: Sheet,
    axes: Axes,
    bottom: int,
    name: str,
    times: np.ndarray,
    x_range: tuple[float, float],
) -> None:
    """Draw one clock's times, its name and its median and 99th percentile."""
    colour = style_of(name).colour
    shown = np.log10(times[(times >= 1) & (times <= np.percentile(times, _SHOWN[1]))])
    edges = np.arange(x_range[0], x_range[1] + 1 / _BINS_A_DECADE, 1 / _BINS_A_DECADE)
    counts, _ = np.histogram(shown, edges)
    axes.bar(
        *(edges[:-1], _HIGH * counts / counts.max()),
        width=0.92 / _BINS_A_DECADE,
        bottom=bottom,
        align="edge",
        color=lighter(colour, 0.25),
        linewidth=0,
        zorder=2,
    )
    axes.axhline(bottom, color=lighter(SOFT_INK, 0.6), linewidth=0.7, zorder=1)
    x, y = sheet.at(x_range[1], bottom + 0.36)
    sheet.write(x + 8, y, name, sheet.letters("name"), colour, True, "left")
    median, tail = (duration(float(np.percentile(times, percent))) for percent in (50, 99))
    for line, words in enumerate((f"50 %  {median}", f"99 %  {tail}"), start=1):
        sheet.write(x + 8, y - 12 * line, words, sheet.letters("value"), SOFT_INK, side="left")
