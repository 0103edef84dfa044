"""Order flows side by side: where the prices of new orders are, and how many orders live.

Small multiples: one column a flow, every column on the same axes, so that widths can be compared.
Prices are on a logarithm of the distance from the centre, both ways: in ticks, the touch of one
flow and the far ends of another would not fit on one axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.plots.labels import Box, text_size
from lab.plots.ladder import BUY, SELL
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import GRID, INK, SOFT_INK
from lab.units import amount
from lab.workloads.traces import Trace

_TICKS = (-10_000, -1_000, -100, -10, 0, 10, 100, 1_000, 10_000)
_LIVE_PART = 0.27  # of the height, for the live orders


@dataclass(frozen=True)
class _Layout:
    """Where the columns are, in points."""

    lefts: tuple[float, ...]
    width: float
    prices: tuple[float, float]  # bottom and top
    live: tuple[float, float]


def flows(
    traces: Sequence[Trace], *, size: tuple[float, float] = FULL, title: str | None = None
) -> Figure:
    """Draw flows.

    Parameters
    ----------
    traces
        One for each flow, as ``lab.workloads.traces.trace`` gives them.
    size
        Width and height in inches.
    title
        What stands on top; what the traces say when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    with own_settings():
        return _drawn(traces, size, title or _finding(traces))


def flows_in_words(traces: Sequence[Trace]) -> str:
    """Return what the figure shows, for those who cannot see it."""
    said = [
        f"{trace.name}: prices over {trace.wide:,} ticks, {int(trace.live.min()):,} to "
        f"{int(trace.live.max()):,} live orders over {trace.commands:,} commands"
        for trace in traces
    ]
    return f"Order flows. {_finding(traces)}. {'. '.join(said)}."


def _finding(traces: Sequence[Trace]) -> str:
    widths = [trace.wide for trace in traces]
    live = np.concatenate([trace.live for trace in traces])
    fewest, most = (amount(float(number)) for number in (live.min(), live.max()))
    return (
        f"Prices jump over {min(widths):,} to {max(widths):,} ticks; {fewest} to {most} orders live"
    )


def _drawn(traces: Sequence[Trace], size: tuple[float, float], title: str) -> Figure:
    notes = [
        "a dot is a new order: buys blue, sells orange, those that never rest dark",
        "top: its price, in ticks from where prices start, on a logarithm both ways · "
        "bottom: live orders",
    ]
    sheet = Sheet(size, title, notes)
    layout = _laid_out(sheet, len(traces))
    reach = max((abs(int(tick)) for trace in traces for tick in (*trace.ticks, 1)), default=1)
    most = max(int(trace.live.max()) for trace in traces)
    for place, trace in enumerate(traces):
        _draw_prices(sheet, layout, place, trace, reach)
        _draw_live(sheet, layout, place, trace, most)
        _name_column(sheet, layout, place, trace)
    _name_axes(sheet, layout, traces, reach, most)
    return sheet.figure


def _laid_out(sheet: Sheet, columns: int) -> _Layout:
    tick, gap = sheet.letters("tick"), 9 * sheet.scale
    left = 3.4 * tick + sheet.room_for(["−10 k"], "tick", bold=False)
    width = (sheet.width - sheet.margin - left + gap) / max(columns, 1) - gap
    bottom, top = 2.6 * tick, sheet.top - 3.6 * tick
    split = bottom + _LIVE_PART * (top - bottom)
    return _Layout(
        tuple(left + place * (width + gap) for place in range(columns)),
        width,
        (split + gap / 2, top),
        (bottom, split - gap / 2),
    )


def _axes(
    sheet: Sheet, layout: _Layout, place: int, rows: tuple[float, float], low: float, high: float
) -> Axes:
    left, (bottom, top) = layout.lefts[place], rows
    box = Box(left, bottom, left + layout.width, top)
    axes = sheet.figure.add_axes(
        (
            box.left / sheet.width,
            box.bottom / sheet.height,
            layout.width / sheet.width,
            (top - bottom) / sheet.height,
        )
    )
    axes.set(xlim=(0, 1), ylim=(low, high), xticks=[], yticks=[], facecolor="white")
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    for edge in ("left", "bottom"):
        axes.spines[edge].set(color=SOFT_INK, linewidth=0.9 * sheet.scale)
    return axes


def _bent(ticks: np.ndarray | float) -> np.ndarray:
    """Return a logarithm that goes both ways and is 0 at 0."""
    ticks = np.asarray(ticks, float)
    return np.sign(ticks) * np.log10(1 + np.abs(ticks))


def _shown(reach: int) -> list[int]:
    return [tick for tick in _TICKS if abs(tick) <= max(reach, 10)]


def _draw_prices(sheet: Sheet, layout: _Layout, place: int, trace: Trace, reach: int) -> None:
    end = float(_bent(reach)) + 0.15
    axes = _axes(sheet, layout, place, layout.prices, -end, end)
    for tick in _shown(reach):
        axes.axhline(float(_bent(tick)), color=GRID, linewidth=0.7 * sheet.scale, zorder=0)
    where = trace.at / max(trace.commands, 1)
    # ticks are whole: spread within one, a queue of dots does not hide how many they are
    apart = ((np.arange(len(where)) * 0.618034) % 1 - 0.5) * 0.7
    height = _bent(trace.ticks + apart)
    for colour, chosen, points in (
        (BUY, trace.is_buy & ~trace.is_taker, 1.0),
        (SELL, ~trace.is_buy & ~trace.is_taker, 1.0),
        (INK, trace.is_taker, 1.1),
    ):
        axes.plot(
            *(where[chosen], height[chosen]),
            linestyle="none",
            marker="o",
            markersize=points * sheet.scale,
            markeredgewidth=0,
            color=colour,
        )


def _draw_live(sheet: Sheet, layout: _Layout, place: int, trace: Trace, most: int) -> None:
    axes = _axes(sheet, layout, place, layout.live, 0, 1.12 * max(most, 1))
    axes.axhline(most, color=GRID, linewidth=0.7 * sheet.scale, zorder=0)
    where = trace.live_at / max(trace.commands, 1)
    axes.plot(where, trace.live, color=INK, linewidth=1.3 * sheet.scale)


def _name_column(sheet: Sheet, layout: _Layout, place: int, trace: Trace) -> None:
    left, top, name = layout.lefts[place], layout.prices[1], sheet.letters("tick")
    sheet.write(left, top + 2.1 * name, trace.name, name, INK, True, "left")
    words = f"{trace.wide:,} ticks"
    sheet.write(left, top + 0.8 * name, words, sheet.letters("note"), SOFT_INK, False, "left")


def _name_axes(
    sheet: Sheet, layout: _Layout, traces: Sequence[Trace], reach: int, most: int
) -> None:
    tick, left = sheet.letters("tick"), layout.lefts[0] - 5 * sheet.scale
    (low, high), (bottom, top) = layout.prices, layout.live
    end = float(_bent(reach)) + 0.15
    room = float("inf")
    for value in reversed(_shown(reach)):
        y = low + (float(_bent(value)) + end) / (2 * end) * (high - low)
        if room - y < 1.15 * tick:
            continue
        room = y
        sign = "+" if value > 0 else "−" if value < 0 else ""
        sheet.write(left, y, sign + amount(abs(value)), tick * 0.9, INK, side="right")
    for value, part in ((0, 0.0), (most, 1 / 1.12)):
        y = bottom + part * (top - bottom)
        sheet.write(left, max(y, bottom + 2), amount(value), tick * 0.9, INK, side="right")
    commands = max(trace.commands for trace in traces)
    middle = (layout.lefts[0] + layout.lefts[-1] + layout.width) / 2
    sheet.write(middle, 1.1 * tick, f"{commands:,} commands from left to right", tick, INK)
    for ends, names in (
        (layout.prices, ("ticks from the centre", "ticks", "")),
        (layout.live, ("live orders", "live", "")),
    ):
        fitting = [name for name in names if text_size(name, tick)[0] <= ends[1] - ends[0]]
        sheet.write(0.95 * tick, sum(ends) / 2, fitting[0], tick, INK, turned=True)
