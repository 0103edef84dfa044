"""How each rival looks, everywhere: one colour, one dash, one marker.

Every colour has at least 4.5 : 1 against white, so a line's name can be written in it, small; the
dashes and markers tell the rivals apart in grey print and by colour-blind readers.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

INK = "#202124"
SOFT_INK = "#5f6368"
GRID = "#e3e4e6"
GREY_SHEET = "#f1f1f2"


@dataclass(frozen=True)
class Style:
    """The look of one rival.

    Parameters
    ----------
    colour
        As ``#rrggbb``.
    dash
        A matplotlib line style.
    marker
        A matplotlib marker.
    """

    colour: str
    dash: str | tuple[int, tuple[float, ...]]
    marker: str


STYLES: dict[str, Style] = {
    "reference": Style("#5f6368", (0, (1, 1.2)), "^"),
    "sorted_array": Style("#8f4a2b", (0, (3.4, 1.3)), "s"),
    "binary_heap": Style("#0067a8", (0, (7, 1.2)), "o"),
    "price_ladder": Style("#c44f00", "-", "D"),
    "native": Style("#00755a", (0, (6, 1.2, 1.2, 1.2)), "v"),
    "textbook": Style("#8b4a93", (0, (3, 1.2, 1, 1.2, 1, 1.2)), "P"),
}

_SPARE = (
    Style("#3f51b5", (0, (5, 1, 1, 1)), "X"),
    Style("#6a6d00", (0, (2, 1)), "p"),
    Style("#a3174f", (0, (8, 2, 2, 2)), "h"),
)


def style_of(rival: str) -> Style:
    """Return the look of a rival; one that the table does not know gets a spare by its name.

    Parameters
    ----------
    rival
        The name in the registry of its room.
    """
    known = STYLES.get(rival)
    return known or _SPARE[zlib.crc32(rival.encode()) % len(_SPARE)]


def lighter(colour: str, part: float = 0.4) -> str:
    """Return a colour mixed with white, as earlier runs are drawn.

    Parameters
    ----------
    colour
        As ``#rrggbb``.
    part
        How much white.
    """
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(value + (255 - value) * part):02x}" for value in channels)
