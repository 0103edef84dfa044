"""A server stands still for a moment: who waited, and what a tester saw who waited with it."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, SOFT_INK, lighter
from lab.units import duration

SLOW = 10.0
"""From how many times the usual service time an answer counts as slow."""

_CLIENTS, _TESTER = "#a3174f", INK
_NAMES = ("clients", "ping-pong")
_MS = 1e6


def stall(
    due_ms: np.ndarray,
    service_ms: np.ndarray,
    response_ms: np.ndarray,
    *,
    size: tuple[float, float] = (FULL[0], 3.8),
) -> Figure:
    """Draw response times over when commands were due, around the longest service.

    Parameters
    ----------
    due_ms
        When each command was due, rising; shape (n,).
    service_ms, response_ms
        How long it was served, and from when it was due to its answer.
    size
        Width and height in inches.
    """
    with own_settings():
        return _drawn(due_ms, service_ms, response_ms, size)


def in_words(service_ms: np.ndarray, response_ms: np.ndarray) -> str:
    """Return the figure for those who cannot see it."""
    slow = np.sort(response_ms[is_slow(response_ms, service_ms)])
    return (
        f"Times of commands around a stall. {_finding(service_ms, response_ms)}. The time of "
        f"clients jumps to {duration(slow[-1] * _MS)} and falls evenly, over {len(slow)} commands, "
        "until the backlog is gone; ping-pong has one point up there and nothing beside it."
    )


def is_slow(times_ms: np.ndarray, service_ms: np.ndarray) -> np.ndarray:
    """Return which times are slow, as bool of shape (n,).

    >>> is_slow(np.array([1.0, 30.0]), np.array([1.0, 1.0, 9.0]))
    array([False,  True])
    """
    return times_ms > SLOW * np.median(service_ms)


def _finding(service_ms: np.ndarray, response_ms: np.ndarray) -> str:
    seen, waited = (is_slow(times, service_ms).sum() for times in (service_ms, response_ms))
    stalled_ms = service_ms.max() - np.median(service_ms)
    return (
        f"One stall of {duration(stalled_ms * _MS)}: ping-pong sees {seen:,} slow "
        f"{'answer' if seen == 1 else 'answers'}, clients {waited:,}"
    )


def _drawn(
    due_ms: np.ndarray, service_ms: np.ndarray, response_ms: np.ndarray, size: tuple[float, float]
) -> Figure:
    longest = int(service_ms.argmax())
    length_ms, after_ms = float(service_ms[longest]), due_ms - due_ms[longest]
    slow_ms = after_ms[is_slow(response_ms, service_ms)]
    x_range = -0.25 * float(slow_ms[-1]), 1.35 * float(slow_ms[-1])
    highest = float(response_ms.max())
    note = "a point a command, by when it was due · simulated: one server, in order"
    sheet = Sheet(size, _finding(service_ms, response_ms), [note], scale=1.0)
    ticks = _round_ticks(highest, 5)
    left = sheet.room_for([_text(tick) for tick in ticks], "tick", False) + 26
    axes = sheet.plot(
        *(left, sheet.room_for(_NAMES[1:]) + 20, x_range, (-0.03 * highest, 1.08 * highest)),
        *("when it was due, after the stall began", ("time to the answer", "time")),
    )
    axes.set_yticks(ticks, [_text(tick) for tick in ticks])
    times = _round_ticks(x_range[1], 7)
    axes.set_xticks(times, [_text(time) for time in times])
    sheet.grid(axes, "y")
    axes.axvspan(0.0, length_ms, color=lighter(SOFT_INK, 0.9), linewidth=0, zorder=0)
    # While it waits, a tester sends nothing, and what was due then it never asks.
    asked = (after_ms <= 0) | (after_ms >= length_ms)
    inside = (after_ms >= x_range[0]) & (after_ms <= x_range[1])
    lines = (response_ms, inside, _CLIENTS), (service_ms, inside & asked, _TESTER)
    for times_ms, shown, colour in lines:
        (points,) = axes.plot(after_ms[shown], times_ms[shown], "o", color=colour, markersize=3.2)
        points.set(markeredgewidth=0, clip_on=False, zorder=3)
    _name(sheet, x_range[1], length_ms, highest, float(slow_ms[-1]))
    return sheet.figure


def _name(sheet: Sheet, far: float, length_ms: float, highest: float, last_ms: float) -> None:
    """Write the names: at the lines, and what the grey is beside its upper end."""
    letters = sheet.letters("name")
    x, y = sheet.at(0.45 * last_ms, 0.6 * highest)
    sheet.write(x + 14, y + 4, _NAMES[0], letters, _CLIENTS, True, "left")
    x, y = sheet.at(far, 0.0)
    sheet.write(x + 8, y, _NAMES[1], letters, _TESTER, True, "left")
    x, y = sheet.at(length_ms, highest)
    words = "grey: the server stands still"
    sheet.write(x + 6, y, words, sheet.letters("note"), SOFT_INK, side="left", over_grid=True)


def _round_ticks(highest: float, most: int) -> list[float]:
    """Return round numbers from 0 up to the highest.

    >>> _round_ticks(101.0, 5)
    [0.0, 25.0, 50.0, 75.0, 100.0]
    """
    rough = highest / most
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * part for part in (1, 2, 2.5, 5, 10) if scale * part >= rough)
    return [step * count for count in range(int(highest / step) + 1)]


def _text(time_ms: float) -> str:
    return duration(time_ms * _MS) if time_ms else "0"
