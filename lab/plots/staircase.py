"""Time of a load, or bytes a second, over the memory that is gone through: a line a rival.

Grey lines stand where the caches end; the numbers are written where a line stays level, which is
what one place of the memory costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots import reading
from lab.plots.along import Curve, Plot, Scale, Upright, round_ticks
from lab.plots.scaling import curves_of
from lab.plots.sheet import FULL, Sheet, whole
from lab.units import amount, bytes_text, duration, quantity

LATENCY, BANDWIDTH = "load_latency", "bandwidth"
_LEVEL = 0.06  # of a decade: points that differ by less are of one step of the stairs
_LEVELS_TOLD = 4
_KIB_4 = 12  # 2 to the 12th
_TICK_EVERY = 4  # doublings
_BYTES = ("B", "KiB", "MiB", "GiB")


def staircase(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw what memory gives as more of it is gone through; see ``sheet.whole``."""
    return whole(_drawn, results, size, title)


def _drawn(runs: list[Result], size: tuple[float, float], title: str | None) -> Figure:
    metric = metric_of(runs[0])
    is_memory = over_bytes(runs[0], metric)
    text = duration if metric == LATENCY else _rate
    curves = curves_of(runs, metric, text)
    curves = [c if c.mark else replace(c, told=_told(c, text)) for c in curves]
    caches = caches_of(runs[0], curves) if is_memory else []
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, caches))
    across = _memory() if is_memory else _counts(runs[0], curves)
    return Plot(across, _up(metric), curves, caches).draw(sheet)


def metric_of(result: Result) -> str:
    """Return which of the two metrics a result has along an axis; "" where it has none."""
    along = [item.metric for item in result.measurements if item.at is not None]
    return next((metric for metric in (LATENCY, BANDWIDTH) if metric in along), "")


def over_bytes(result: Result, metric: str) -> bool:
    """Say whether the axis counts bytes, as the cases say it: 64 KiB, not 2 threads."""
    found = [item.case for item in result.measurements if item.metric == metric]
    return all(case.rsplit(" ", 1)[-1] in _BYTES for case in found)


def caches_of(result: Result, curves: Sequence[Curve]) -> list[Upright]:
    """Return the caches that end within the axis, the smallest first."""
    low = min(float(curve.at[0]) for curve in curves)
    high = max(float(curve.at[-1]) for curve in curves)
    rows = [row for row in result.machine.get("caches") or [] if row["type"] != "instruction"]
    ends = {row["bytes"]: row["level"] for row in rows if low < row["bytes"] < high}
    return [Upright(f"L{ends[end]} {bytes_text(end)}", end) for end in sorted(ends)]


def plateaus(curve: Curve) -> list[tuple[int, int]]:
    """Return the first and the last point of each level part of a line, the longest part first."""
    starts = [0]
    for index in range(1, len(curve.y)):
        own = curve.y[starts[-1] : index]
        if abs(curve.y[index] - float(np.median(own))) > _LEVEL:
            starts.append(index)
    ends = [*starts[1:], len(curve.y)]
    parts = [(start, end - 1) for start, end in zip(starts, ends, strict=True) if end > start + 1]
    return sorted(parts, key=lambda part: part[0] - part[1])


def _told(curve: Curve, text: Callable[[float], str]) -> tuple[tuple[int, str], ...]:
    """Return what is written: values where the line is level, and at ends that are not."""
    levels = plateaus(curve)[:_LEVELS_TOLD]
    ends = [i for i in (len(curve.at) - 1, 0) if not any(a <= i <= b for a, b in levels)]
    points = [*ends, *((first + last) // 2 for first, last in levels)]
    return tuple((i, text(float(curve.values[i]))) for i in points)


def _header(runs: Sequence[Result], caches: Sequence[Upright]) -> list[str]:
    words = "a mark is the median of the runs, its bar the interval"
    words += "; grey: where a cache ends" if caches else ""
    return reading.header_of_run(runs, words)


def _memory() -> Scale:
    """Return the axis of working sets: a tick every sixteenfold from 4 KiB."""

    def ticks(low: float, high: float, most: int) -> list[float]:
        doublings = range(
            math.ceil(low / math.log10(2) - 1e-9), math.floor(high / math.log10(2) + 1e-9) + 1
        )
        every = [2.0**count for count in doublings if (count - _KIB_4) % _TICK_EVERY == 0]
        return every or [2.0**count for count in doublings]

    return Scale(("memory gone through",), ticks, bytes_text)


def _counts(result: Result, curves: Sequence[Curve]) -> Scale:
    """Return an axis of what the cases count, a tick at each."""
    places = sorted({float(at) for curve in curves for at in curve.at})
    last = max(
        (item for item in result.measurements if item.at is not None), key=lambda item: item.at or 0
    )
    name = last.case.partition(" ")[2] or last.case
    return Scale((name,), lambda low, high, most: places, amount)


def _up(metric: str) -> Scale:
    if metric == LATENCY:
        return Scale(("time of one load", "time"), round_ticks, duration)
    return Scale(("bytes a second",), round_ticks, _rate)


def _rate(rate: float) -> str:
    return quantity(rate, "bytes_per_second")


def in_words(result: Result) -> list[str]:
    """Return the figure for those who cannot see it: each line at every point."""
    metric = metric_of(result)
    text = duration if metric == LATENCY else _rate
    cases = {item.at: item.case for item in result.measurements if item.metric == metric}
    return [
        f"{curve.rival}: "
        + ", ".join(
            f"{cases[float(at)]} {text(float(value))}"
            for at, value in zip(curve.at, curve.values, strict=True)
        )
        for curve in curves_of([result], metric, text)
    ]
