"""How each rival looks, everywhere: one colour, one dash, one marker.

Every colour has at least 4.5 : 1 against white, so a line's name can be written in it, small; the
dashes and markers tell the rivals apart in grey print and by colour-blind readers. Looks are shared
by rivals that never stand in one figure: those of two experiments.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from lab.metrics import stem_of

INK = "#202124"
SOFT_INK = "#5f6368"
GRID = "#e3e4e6"
GREY_SHEET = "#f1f1f2"
SHADE = "#20212410"  # over white the same, and a grid can be seen through it


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

# Chosen so that any two of the first nine lie 20 steps of CIELAB apart, and any two at all 15, for
# the usual eye and for the three kinds of colour-blindness (Machado, Oliveira and Fernandes 2009).
_LOOKS = (
    Style("#0067a8", "-", "o"),
    Style("#c44f00", (0, (7, 1.2)), "D"),
    Style("#001177", (0, (3.4, 1.3)), "s"),
    Style("#772200", (0, (6, 1.2, 1.2, 1.2)), "v"),
    Style("#996677", (0, (3, 1.2, 1, 1.2, 1, 1.2)), "P"),
    Style("#7755dd", (0, (1.6, 1.2)), "^"),
    Style("#667744", (0, (5, 1, 1, 1)), "X"),
    Style("#772266", (0, (8, 2, 2, 2)), "p"),
    Style("#442222", (0, (4, 1, 2, 1)), "h"),
    Style("#cc1133", (0, (9, 2.5)), "d"),
    Style("#0033aa", (0, (2.4, 2.4)), "<"),
    Style("#aa0099", (0, (4, 1, 1, 1, 1, 1, 1, 1)), ">"),
    Style("#8800ee", (0, (6, 1, 2, 1, 2, 1)), "*"),
)
_NO_ENGINES = _LOOKS[2:]
"""The looks whose colours no engine has: of those that stand beside engines."""
OUTSIDE = (
    "limit-order-book",
    "orderly-chaos",
    "liquibook",
    "litebook",
    "cython-orderbook",
    "obook",
    "lightmatchingengine",
    "pyorderbook",
    "matching-engine",
    "fastlob",
    "manticore-orderbook",
)
"""Other people's engines, in the order of their looks: a new one goes last."""
RIVALS: dict[str, tuple[str, ...]] = {
    "self_check": ("lab",),
    "clock_cost": (
        "rdtsc",
        "lfence rdtsc",
        "rdtscp",
        "clock_gettime",
        "clock_gettime raw",
        "clock_gettime coarse",
        "thread time",
        "perf_counter_ns",
        "jitted rdtsc",
        "time_ns",
        "ctypes clock_gettime",
        "no clock",
    ),
    "core_to_core": ("compare-and-swap", "flag"),
    "pinning": (
        "pinned",
        "free",
        "pinned, disturbed",
        "pinned, noisy neighbour",
        "pinned, memory traffic",
        "real-time",
    ),
    "memory_latency": (
        "random, 4 KiB pages",
        "random, huge pages",
        "page by page, 4 KiB pages",
        "another page each load",
    ),
    "memory_bandwidth": ("read", "write", "copy", "triad"),
    "page_cost": (
        "first touch",
        "populate",
        "huge page",
        "file, first touch",
        "file, re-dirtied",
        "shared, first touch",
        "there already",
        "locked",
        "populate by advice",
        "huge page, populate",
        "shared, mapped again",
        "file, allocated, first touch",
        "huge page, reserved",
    ),
    "mmap_tuning": (
        "private",
        "private, prefaulted",
        "huge pages",
        "shared memory",
        "file",
        "file, prefaulted",
        "huge pages, prefaulted",
        "locked",
        "file, being synced",
        "shared memory, prefaulted",
        "2 MiB pages",
        "interleaved",
    ),
}
"""The rivals of experiments on the machine, in the order of their looks: a new one goes last.

One that stands in two experiments has the same place in both.
"""
CODE_NAMES = frozenset({*STYLES, "rdtsc", "rdtscp", "lfence"})
"""What a sentence begins with as it is written: engines and instructions."""
_BESIDE = Style("", (0, (1, 1.6)), "x")
NUMBERED = re.compile(r"(?:CPU|node) (\d+)")
_SPARE = (
    Style("#3f51b5", (0, (5, 1, 1, 1)), "X"),
    Style("#6a6d00", (0, (2, 1)), "p"),
    Style("#a3174f", (0, (8, 2, 2, 2)), "h"),
)
STYLES |= dict(zip(OUTSIDE, _NO_ENGINES, strict=True))
STYLES |= {
    rival: look for rivals in RIVALS.values() for rival, look in zip(rivals, _LOOKS, strict=False)
}


def style_of(rival: str) -> Style:
    """Return the look of a rival; one that the table does not know gets a spare by its name.

    An independent program's line has the colour of what it measures beside the lab, dots for a dash
    and crosses for marks; CPUs and nodes have looks by their numbers.

    Parameters
    ----------
    rival
        The name in the registry of its room, or among an experiment's rivals.
    """
    if rival in STYLES:
        return STYLES[rival]
    if stem := stem_of(rival):
        return Style(style_of(stem).colour, _BESIDE.dash, _BESIDE.marker)
    if numbered := NUMBERED.match(rival):
        return _numbered(int(numbered[1]))
    return _SPARE[zlib.crc32(rival.encode()) % len(_SPARE)]


def is_independent(rival: str) -> bool:
    """Say whether a rival is an independent program's line beside one of the lab's."""
    return bool(stem_of(rival))


def _numbered(number: int) -> Style:
    """Return a look for each number; those of one colour have another dash and another marker."""
    turn, place = divmod(number, len(_LOOKS))
    looks = [_LOOKS[(place + shift * turn) % len(_LOOKS)] for shift in range(3)]
    return Style(looks[0].colour, looks[1].dash, looks[2].marker)


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
