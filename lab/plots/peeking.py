"""False alarms by the number of looks: what stopping at the first one costs, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lab.measure.effects import ERROR_RATE
from lab.measure.peeking import Peeking
from lab.measure.words import percent_text
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, SOFT_INK

_NAIVE, _SHARED = "#a3174f", INK
_NAMES = ("each look at 5 %", "5 % for all looks")


def peeking(found: Sequence[Peeking], *, size: tuple[float, float] = (FULL[0], 3.6)) -> Figure:
    """Draw the share of false alarms over the number of looks.

    Parameters
    ----------
    found
        What ``lab.measure.peeking.false_alarms`` gave.
    size
        Width and height in inches.
    """
    with own_settings():
        return _drawn(found, size)


def in_words(found: Sequence[Peeking]) -> str:
    """Return the figure for those who cannot see it."""
    told = [f"{one.looks}: {_share(one.naive)}, {_share(one.shared)}" for one in found]
    return (
        f"False alarms by looks. {_finding(found)}. Looks: share with each look at 5 %, share "
        f"with 5 % for all looks. {'; '.join(told)}."
    )


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _finding(found: Sequence[Peeking]) -> str:
    last = found[-1]
    return (
        f"{last.looks} looks, and stopping at the first alarm: {percent_text(last.naive)} false "
        f"alarms, not {percent_text(ERROR_RATE)}"
    )


def _drawn(found: Sequence[Peeking], size: tuple[float, float]) -> Figure:
    note = "the same code against itself, simulated: every alarm is false"
    sheet = Sheet(size, _finding(found), [note], scale=1.0)
    highest = max(max(one.naive, one.shared) for one in found) * 1.12
    looks = [one.looks for one in found]
    right = sheet.room_for(_NAMES) + 24
    axes = sheet.plot(
        *(52, right, (0.6, looks[-1] + 0.2), (0.0, highest)),
        *("looks", ("comparisons with a false alarm", "false alarms")),
    )
    ticks = [share for share in (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3) if share <= highest]
    axes.set_yticks(ticks, ["0" if share == 0 else f"{100 * share:.0f} %" for share in ticks])
    axes.set_xticks(looks, [str(count) for count in looks])
    sheet.grid(axes, "y")
    axes.axhline(ERROR_RATE, color=SOFT_INK, linewidth=1.0, linestyle=(0, (2, 2)))
    lines = ([one.naive for one in found], [one.shared for one in found])
    for shares, name, colour, marker in zip(lines, _NAMES, (_NAIVE, _SHARED), "os", strict=True):
        (line,) = axes.plot(looks, shares, color=colour, linewidth=2.0, marker=marker)
        line.set(markerfacecolor="white", markeredgewidth=1.5, markersize=5.5)
        x, y = sheet.at(looks[-1], shares[-1])
        sheet.write(x + 12, y, name, sheet.letters("name"), colour, True, "left")
    return sheet.figure
