"""Times by when they were taken: a coarse histogram for each slice of a pass, all passes together.

What a percentile hides: whether the slow commands came all at once, and whether the last ones took
longer than the first. Times below 8 ns have a counter each; above, every doubling has 4, so a
counter is at most a quarter of its values wide. 48 slices of it are 2 to 4 kB in a result.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

import numpy as np

from engines.errors import LayoutError
from lab.measure.result import OverTime

SLICES = 48
STEP_BITS = 2
STEPS = 1 << STEP_BITS  # counters for each doubling
COUNTERS = 41 * STEPS  # up to 73 minutes
_STORED = np.dtype("<u4")


def no_counts() -> np.ndarray:
    """Return zeros: int64, shape (48, 164)."""
    return np.zeros((SLICES, COUNTERS), np.int64)


def lower_bounds(indices: np.ndarray) -> np.ndarray:
    """Return the least value of each counter, int64.

    >>> lower_bounds(np.array([0, 7, 8, 9, 12, 163])).tolist()
    [0, 7, 8, 10, 16, 3848290697216]
    """
    indices = np.asarray(indices, np.int64)
    doubling = np.maximum((indices >> STEP_BITS) - 1, 0)
    return (indices - (doubling << STEP_BITS)) << doubling


def add_times(counts: np.ndarray, places: np.ndarray, times_ns: np.ndarray) -> None:
    """Count times that were taken at places of a pass; ``recorder`` does it in compiled loops.

    Parameters
    ----------
    counts
        As ``no_counts`` returns them.
    places
        From 0 to 1, shape (n,).
    times_ns
        Shape (n,); below 0 counts as 0, above 73 minutes as that.
    """
    slices = np.clip((places * SLICES).astype(np.int64), 0, SLICES - 1)
    steps = np.searchsorted(_LOWEST, np.maximum(times_ns, 0), "right") - 1
    counts += np.bincount(slices * COUNTERS + steps, minlength=counts.size).reshape(counts.shape)


def packed(counts: np.ndarray, axis: str, span: float) -> OverTime | None:
    """Return counts as a result stores them, without what lies beyond the least and the largest.

    Parameters
    ----------
    counts
        As ``no_counts`` returns them.
    axis
        ``"commands"`` or ``"ns"``: what a pass was cut by.
    span
        How many of these a pass has.

    Returns
    -------
    OverTime or None
        None where nothing was counted.
    """
    used = np.flatnonzero(counts.sum(axis=0))
    if not len(used):
        return None
    kept = counts[:, used[0] : used[-1] + 1]
    edges = lower_bounds(np.arange(used[0], used[-1] + 2))
    content = zlib.compress(np.minimum(kept, 2**32 - 1).astype(_STORED).tobytes(), 9)
    return OverTime(
        axis=axis,  # type: ignore[arg-type]  # pydantic checks it
        span=span,
        slices=len(kept),
        edges_ns=edges.tolist(),
        counts=base64.b64encode(content).decode(),
    )


def counts_of(stored: OverTime) -> np.ndarray:
    """Return the counts that ``packed`` stored: int64, shape (slices, edges - 1).

    Raises
    ------
    LayoutError
        They are damaged.
    """
    shape = stored.slices, len(stored.edges_ns) - 1
    try:
        content = zlib.decompress(base64.b64decode(stored.counts, validate=True))
        return np.frombuffer(content, _STORED).astype(np.int64).reshape(shape)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise LayoutError(
            f"the times over a pass are damaged ({error}); run the experiment again"
        ) from None


def merged(parts: Sequence[OverTime]) -> OverTime | None:
    """Return what several processes stored as one; None where there is nothing.

    Passes of one task are cut alike; of spans that differ the median stands for all.
    """
    if not parts:
        return None
    whole = no_counts()
    for part in parts:
        first = int(np.searchsorted(_LOWEST, part.edges_ns[0]))
        counts = counts_of(part)
        whole[: len(counts), first : first + counts.shape[1]] += counts
    return packed(whole, parts[0].axis, float(np.median([part.span for part in parts])))


_LOWEST = lower_bounds(np.arange(COUNTERS))
