"""What a machine takes from a spinning core: how many gaps a second are longer than so long.

A line a CPU. Far to the right and low is a gap that is long and rare, and an engine's worst answers
are as bad as that; to the left and high is what every interrupt costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.along import Curve, Plot, Scale, round_ticks
from lab.plots.sheet import FULL, Sheet, whole
from lab.plots.styles import Style, style_of
from lab.units import amount, duration

GAP, GAPS, STOLEN = "gap", "gaps", "stolen"
_POINTS = 160
_BEST = 3  # of many CPUs so many of the least and of the most disturbed are drawn


def gaps(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how many gaps a second each CPU has that are longer than a time; see ``sheet.whole``."""
    return whole(_drawn, results, size, title)


def shown(result: Result) -> list[str]:
    """Return the CPUs that are drawn: all of a few, of many the least and the most disturbed."""
    rivals = list(dict.fromkeys(item.rival for item in _timed(result)))
    if len(rivals) <= 2 * _BEST:
        return rivals
    ranked = sorted(rivals, key=lambda rival: _disturbance(result, rival))
    kept = {*ranked[:_BEST], *ranked[-_BEST:]}
    return [rival for rival in rivals if rival in kept]


def longest(result: Result, rival: str) -> float:
    """Return a CPU's longest gap in ns."""
    return max(item.quantiles.get("max", item.median) for item in _timed(result, rival))


def rate_of(result: Result, rival: str) -> float:
    """Return how many gaps a second a CPU has; 0 where it was not counted."""
    found = [m for m in result.measurements if (m.rival, m.metric) == (rival, GAPS)]
    return found[0].median if found else 0.0


def _drawn(runs: list[Result], size: tuple[float, float], title: str | None) -> Figure:
    rivals = shown(runs[0])
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, rivals))
    looks = _looks(rivals)
    curves = [
        _curve(run, rival, reading.mark(index), looks[rival])
        for index, run in reversed(list(enumerate(runs)))
        for rival in rivals
        if _timed(run, rival) and rate_of(run, rival)
    ]
    across = Scale(("gaps longer than",), _decades, duration)
    up = Scale(("gaps a second", "gaps"), round_ticks, _per_second)
    return Plot(across, up, curves, room=0.12, has_marks=False, names_inside=True).draw(sheet)


def _looks(rivals: Sequence[str]) -> dict[str, Style]:
    """Return the CPUs' looks; of more than twelve, some would have the same colour."""
    own = {rival: style_of(rival) for rival in rivals}
    if len({look.colour for look in own.values()}) == len(own):
        return own
    return {rival: style_of(f"CPU {place}") for place, rival in enumerate(rivals)}


def _curve(run: Result, rival: str, mark: str, look: Style) -> Curve:
    """Return a CPU's line: from all gaps to the longest, which is one in the whole run."""
    item = _timed(run, rival)[0]
    parts = np.geomspace(1.0, 1.0 / max(item.samples, 2), _POINTS)
    histogram = reading.histogram_of(item.histogram or "")
    times = np.array([float(histogram.quantile(100.0 * (1.0 - part))) for part in parts])
    times[-1] = longest(run, rival)
    curve = Curve(rival, mark, np.maximum(times, 1.0), rate_of(run, rival) * parts, look=look)
    if mark:
        return curve
    return replace(curve, told=((_POINTS - 1, f"longest {duration(longest(run, rival))}"),))


def _timed(result: Result, rival: str = "") -> list[Measurement]:
    found = [item for item in result.measurements if item.metric == GAP and item.histogram]
    return [item for item in found if not rival or item.rival == rival]


def _disturbance(result: Result, rival: str) -> float:
    """Return what part of the time a CPU lost; where that was not measured, its gaps a second."""
    found = [m for m in result.measurements if (m.rival, m.metric) == (rival, STOLEN)]
    return found[0].median if found else rate_of(result, rival)


def _header(runs: Sequence[Result], rivals: Sequence[str]) -> list[str]:
    words = "a line is one CPU that did nothing but look at the clock; its end is its longest gap"
    every = len({item.rival for item in _timed(runs[0])})
    if every > len(rivals):
        words += f"; the {_BEST} least and the {_BEST} most disturbed of {every} CPUs"
    return reading.header_of_run(runs, words)


def in_words(result: Result) -> list[str]:
    """Return the figure for those who cannot see it: each CPU's rate, usual and longest gap."""
    said = []
    for rival in shown(result):
        item = _timed(result, rival)[0]
        said.append(
            f"{rival}: {amount(rate_of(result, rival))} gaps a second, half of them longer than "
            f"{duration(item.median)}, the longest {duration(longest(result, rival))}"
        )
    return said


def _decades(low: float, high: float, most: int) -> list[float]:
    return [tick for tick in round_ticks(low, high, 9)]


def _per_second(rate: float) -> str:
    """Write a rate; what is rarer than one in ten seconds as one in so many."""
    return amount(rate) if rate >= 0.1 else f"{rate:g}"
