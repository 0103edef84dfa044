"""A round, turn by turn: as measured, and with what each turn did to all processes taken out.

It shows why processes take turns. The machine's speed moves all of them together, left; what
remains, right, is what each of them does, and how far two of the same code are apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.effects import Polished, polished
from lab.measure.result import Result, Turns
from lab.measure.words import percent_text, times_text
from lab.plots import reading
from lab.plots.labels import spread, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, SOFT_INK, lighter, style_of

_NEAR = math.log(1.5)  # rivals further apart than this are each held against themselves
_SHOWN = (0.04, 0.96)  # of all passes; the others run off the axis, and are counted
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_PANES = ("as measured", "with what each turn did to all taken out")


@dataclass(frozen=True)
class Round:
    """One round's processes: whose they are, and what each did by turn."""

    number: int
    case: str
    unit: str
    rivals: list[str]
    turns: list[dict[int, float]]

    @cached_property
    def parts(self) -> Polished:
        """What each process does, and what each turn did to all."""
        return polished(self.turns)

    @property
    def are_near(self) -> bool:
        """Whether all rivals go on one scale."""
        return max(self.parts.values) - min(self.parts.values) < _NEAR

    def middle(self, rival: str) -> float:
        """Return the logarithm that a rival's values are held against."""
        values = [
            value
            for name, value in zip(self.rivals, self.parts.values, strict=True)
            if self.are_near or name == rival
        ]
        return float(np.median(values))

    @property
    def wandering(self) -> float:
        """By what share turns differ, from the 10th to the 90th percentile."""
        return math.expm1(float(np.subtract(*np.quantile(self.parts.turns, [0.9, 0.1]))))

    @property
    def apart(self) -> float | None:
        """By what share two processes of the same code differ at most; None where none is twice."""
        found = []
        for rival in dict.fromkeys(self.rivals):
            pairs = zip(self.rivals, self.parts.values, strict=True)
            own = [value for name, value in pairs if name == rival]
            found += [math.expm1(max(own) - min(own))] if len(own) > 1 else []
        return max(found, default=None)


def by_turn(
    results: Result | Sequence[Result],
    *,
    number: int | None = None,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw a round's processes turn by turn, raw beside polished.

    Parameters
    ----------
    results
        The result that the figure is about; of earlier ones nothing is drawn.
    number
        Which round, from 0; the one in the middle by how far the same code was apart when None.
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
        return _drawn(run, chosen(run, number), size, title)


def chosen(result: Result, number: int | None = None) -> Round:
    """Return a round, by default the one that is usual in how far the same code was apart."""
    found = rounds(result)
    if number is not None:
        return next(item for item in found if item.number == number)
    found.sort(key=lambda item: item.apart or 0.0)
    return found[len(found) // 2]


def rounds(result: Result) -> list[Round]:
    """Return the rounds of the first case that kept turns of several processes."""
    return [_round(result, number, processes) for number, processes in reading.turned(result)]


def _round(result: Result, number: int, processes: Sequence[tuple[str, Turns]]) -> Round:
    by_turn = [dict(zip(one.turn, one.value, strict=True)) for _, one in processes]
    own = next(item for item in result.measurements if processes[0][1] in item.turns)
    return Round(number, own.case, own.unit, [rival for rival, _ in processes], by_turn)


def finding(one: Round) -> str:
    """Say what the figure shows."""
    told = f"Turns wander by {_by(one.wandering)}"
    if one.apart is None:
        return told
    return f"{told}; without that the same code agrees within {_by(one.apart)}"


def _by(share: float) -> str:
    """Write a share, from 100 % on as a factor."""
    return percent_text(share) if share < 1 else f"a factor of {times_text(1 + share)}"


def header(result: Result, one: Round) -> list[str]:
    """Return the lines under the title."""
    words = (
        f"round {one.number + 1}, {one.case}: {len(one.turns)} fresh processes that lived at the "
        "same time and ran one at a time, in random order in each turn"
    )
    beyond = _beyond(one)
    doubts = [f"{beyond} passes lie beyond the axis"] * bool(beyond)
    doubts += reading.shakiness(result)
    return [reading.about(result, with_floor=False), words, " · ".join(doubts)]


def _beyond(one: Round) -> int:
    """Count the passes that the axis does not reach."""
    low, high = _range(one)
    every = [_levels(one, place, False)[1] for place in range(len(one.turns))]
    return sum(int(((levels < low) | (levels > high)).sum()) for levels in every)


def in_words(result: Result) -> list[str]:
    """Return the figure for those who cannot see it: each process's value."""
    one = chosen(result)
    told = [
        f"{rival}: {_signed(math.expm1(value - one.middle(rival)))}"
        for rival, value in zip(one.rivals, one.parts.values, strict=True)
    ]
    return [header(result, one)[1], *told]


def _drawn(run: Result, one: Round, size: tuple[float, float], title: str | None) -> Figure:
    sheet = Sheet(size, title or finding(one), header(run, one))
    sheet.top -= 1.6 * sheet.letters("note")
    low, high = _range(one)
    ticks = _ticks(
        low,
        high,
        max(3, int((sheet.top - 3.8 * sheet.letters("tick")) / (2.4 * sheet.letters("tick")))),
    )
    labels = [_signed(math.expm1(tick), ticks) for tick in ticks]
    left = sheet.room_for(labels, "tick", False) + 26 * sheet.scale
    names = [f"{rival} {_value(one, place)}" for place, rival in enumerate(one.rivals)]
    right, gap = sheet.room_for(names, "value") + 16 * sheet.scale, 16 * sheet.scale
    width = (sheet.width - left - right - gap) / 2
    last = max(max(own) for own in one.turns)
    for pane, name in enumerate(_PANES):
        start = left + pane * (width + gap)
        axes = sheet.plot(
            *(start, sheet.width - start - width, (-0.02 * last, 1.02 * last), (low, high)),
            *("turn", (_what(one), _what(one).split(",")[0]) if pane == 0 else ("",)),
        )
        axes.set_yticks(ticks, labels if pane == 0 else [""] * len(ticks))
        numbers = _turn_ticks(last, width / (4 * sheet.letters("tick")))
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        sheet.grid(axes, "y")
        _draw_pane(axes, sheet, one, bool(pane))
        top = sheet.area.top + 9 * sheet.scale
        sheet.write(start, top, name, sheet.letters("value"), SOFT_INK, True, "left")
    _name_processes(sheet, one)
    return sheet.figure


def _what(one: Round) -> str:
    what = "time" if one.unit == "ns" else "speed"
    return f"{what} of a turn, beside " + ("the middle" if one.are_near else "the rival's own")


def _levels(one: Round, place: int, is_polished: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a process's turns, and its values as logarithms beside the middle."""
    numbers = np.array(sorted(one.turns[place]))
    own = one.turns[place]
    levels = np.log([own[number] for number in numbers]) - one.middle(one.rivals[place])
    return numbers, levels - _common(one, numbers) if is_polished else levels


def _common(one: Round, numbers: np.ndarray) -> np.ndarray:
    """Return what some turns did to all, as logarithms; 0 where only one process took part."""
    found = dict(zip(shared_turns(one.turns), one.parts.turns, strict=True))
    return np.array([found.get(int(number), 0.0) for number in numbers])


def shared_turns(processes: Sequence[dict[int, float]]) -> list[int]:
    """Return the turns that ``polished`` knows: those which more than one process took part in."""
    numbers = sorted(set().union(*processes))
    shared = [number for number in numbers if sum(number in own for own in processes) > 1]
    is_alone = any(not any(number in own for number in shared) for own in processes)
    return numbers if is_alone or not shared else shared


def _range(one: Round) -> tuple[float, float]:
    """Return the ends of the axis: what most passes did, and 0."""
    every = np.concatenate([_levels(one, place, False)[1] for place in range(len(one.turns))])
    low, high = np.quantile(every, _SHOWN)
    room = 0.12 * (high - low) + 1e-3
    return min(float(low), 0.0) - room, max(float(high), 0.0) + room


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Return the logarithms of round shares."""
    for step in _STEPS:
        counts = range(math.ceil(math.expm1(low) / step), int(math.expm1(high) / step) + 1)
        if len(counts) <= most:
            break
    return [math.log1p(count * step) for count in counts]


def _turn_ticks(last: int, most: float) -> list[int]:
    rough = max(last / max(most, 2), 1)
    scale = 10 ** int(math.log10(rough))
    step = next(scale * part for part in (1, 2, 5, 10) if scale * part >= rough)
    return list(range(0, last + 1, step))


def _signed(share: float, ticks: Sequence[float] = ()) -> str:
    """Write a share with its sign, and with a digit behind the point where that is needed."""
    step = abs(math.expm1(ticks[1]) - math.expm1(ticks[0])) if len(ticks) > 1 else 0.001
    digits = 0 if step > 0.0099 else 1
    if round(100 * share, digits) == 0:
        return "0"
    return f"{100 * share:+.{digits}f} %".replace("-", "−")


def _value(one: Round, place: int) -> str:
    return _signed(math.expm1(one.parts.values[place] - one.middle(one.rivals[place])))


def _colour(one: Round, place: int) -> str:
    """Return a process's colour: the rival's, lighter for each one after its first."""
    earlier = one.rivals[:place].count(one.rivals[place])
    return lighter(style_of(one.rivals[place]).colour, min(0.4 * earlier, 0.7))


def _draw_pane(axes: Axes, sheet: Sheet, one: Round, is_polished: bool) -> None:
    for place in range(len(one.turns)):
        numbers, levels = _levels(one, place, is_polished)
        colour = _colour(one, place)
        if not is_polished:
            axes.plot(numbers, levels, color=colour, linewidth=1.1 * sheet.scale, alpha=0.85)
        else:
            # Dots, for here nothing is left that leads from one turn to the next.
            style, size = style_of(one.rivals[place]), 3.0 * sheet.scale
            axes.plot(numbers, levels, color=colour, ls="", marker=style.marker, ms=size, mew=0)
            middle = one.parts.values[place] - one.middle(one.rivals[place])
            ends: Any = ([numbers[0], numbers[-1]], [middle, middle])
            axes.plot(*ends, color="white", linewidth=3.0 * sheet.scale, zorder=4)
            axes.plot(*ends, color=colour, linewidth=2.0 * sheet.scale, zorder=5)


def _name_processes(sheet: Sheet, one: Round) -> None:
    """Write each process's name and value where its line ends, right of the last pane."""
    letters = sheet.letters("value")
    middles = [
        sheet.at(0.0, value - one.middle(rival))[1]
        for rival, value in zip(one.rivals, one.parts.values, strict=True)
    ]
    heights = [text_size("x", letters)[1]] * len(middles)
    places = spread(middles, heights, sheet.area.bottom, sheet.area.top)
    left = sheet.area.right + 8 * sheet.scale
    for place, (rival, y) in enumerate(zip(one.rivals, places, strict=True)):
        sheet.write(left, y, rival, letters, style_of(rival).colour, True, "left")
        width = text_size(rival, letters, True)[0] + 0.4 * letters
        sheet.write(left + width, y, _value(one, place), letters, INK, side="left")
