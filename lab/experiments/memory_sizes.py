"""The sizes of memory that an experiment goes through, and how much of what is free it may take."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lab.experiments.parameters import Control
from lab.hardware.memory import left_bytes
from lab.hardware.sysfs import Tree
from lab.units import bytes_text

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_PART = 4  # of the memory that is free, what an experiment may take
_LEAST_BYTES = 2**18

Largest = Annotated[
    int,
    Field(
        ge=1,
        le=8192,
        description="The most memory to go through; less where that would be more than a quarter "
        "of what is free.",
    ),
    Control(unit="MiB", scale="log", group="Memory"),
]
Steps = Annotated[
    int,
    Field(ge=1, le=4, description="Sizes from one power of two to the next."),
    Control(unit="sizes", group="Memory"),
]


def sizes_of(least_bytes: int, largest_bytes: int, steps: int) -> list[int]:
    """Return sizes, ``steps`` from one power of two to the next, in whole pages.

    Examples
    --------
    >>> sizes_of(2**16, 2**18, 2)
    [65536, 98304, 131072, 196608, 262144]
    """
    found, nbytes = {largest_bytes}, float(max(least_bytes, mmap.PAGESIZE))
    while nbytes < largest_bytes:
        for step in range(steps):  # evenly spaced between two powers of two, as lat_mem_rd's are
            found.add(int(nbytes * (1 + step / steps)) // mmap.PAGESIZE * mmap.PAGESIZE)
        nbytes *= 2
    return sorted(size for size in found if size <= largest_bytes)


def allowed_bytes(bench: Bench, mebibytes: int, each: float) -> int:
    """Return how much may be gone through; where that is less than was wanted, note it.

    Parameters
    ----------
    bench
        Takes the note.
    mebibytes
        How much is wanted.
    each
        How many times as much is taken from the machine, by all processes that live at once.

    Returns
    -------
    int
        Bytes: as wanted, or the largest power of two that is left to it.
    """
    wanted, left = mebibytes * 2**20, left_bytes(Tree())
    if left is None or wanted * each <= left / _PART:
        return wanted
    room = max(_LEAST_BYTES, 1 << max(0, int(left / _PART / each).bit_length() - 1))
    if room < wanted:
        bench.note(
            f"{bytes_text(wanted)} were asked for and {bytes_text(room)} are gone through: all "
            f"processes together take {each:g} times as much, and of the {bytes_text(left)} that "
            "are free no more than a quarter is taken; free some, or give the container more."
        )
    return min(room, wanted)
