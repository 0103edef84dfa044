"""Times from 1 ns to 1 h within 0.1 %, in 34 thousand counters: the layout of HdrHistogram.

Values below 2,048 have a counter each. Above, every doubling has 1,024 counters, so a counter's
width is at most 1/1,024 of its values. Raw samples are not kept: 400 quantiles of 10^7 samples take
0.97 s by sorting and 0.12 ms from here.

::

    value    0 … 1023 │ 1024 … 2047 │ 2048 … 4095 │ 4096 … 8191 │ …
    width        1    │      1      │      2      │      4      │
    counter  0 … 1023 │ 1024 … 2047 │ 2048 … 3071 │ 3072 … 4095 │ … 33791

Layout and encoding are Gil Tene's (github.com/HdrHistogram), whose tools read ``to_hdr``.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from typing import Any

import numpy as np

from engines.errors import LayoutError

DIGITS = 3
HIGHEST_NS = 3_600_000_000_000
HALF_BITS = 10
HALF = 1 << HALF_BITS  # counters for each doubling
COUNTERS = 33 * HALF  # 2,048 × 2^31 is the first power above one hour
_LARGEST = (2 * HALF << 31) - 1  # what the last counter still holds

_COOKIE, _COMPRESSED_COOKIE = 0x1C849303 | 0x10, 0x1C849304 | 0x10
_HEAD = struct.Struct(">iiiiqqd")  # cookie, payload bytes, offset, digits, lowest, highest, ratio
_COMPRESSED_HEAD = struct.Struct(">ii")


class Histogram:
    """Counts of nanoseconds.

    Parameters
    ----------
    counts
        int64, shape (33792,): counters to start from and to count in; zeros by default.

    Examples
    --------
    >>> times = Histogram()
    >>> times.record_array(np.array([20, 30, 30, 5_000_000]))
    >>> times.quantile(50), times.samples
    (30, 4)
    """

    def __init__(self, counts: np.ndarray[Any, Any] | None = None) -> None:
        if counts is None:
            counts = np.zeros(COUNTERS, np.int64)
        if counts.shape != (COUNTERS,) or counts.dtype != np.int64:
            raise LayoutError(
                f"a histogram has {COUNTERS} int64 counters, not {counts.shape} {counts.dtype}"
            )
        self.counts = counts

    @property
    def samples(self) -> int:
        """How many values were recorded."""
        return int(self.counts.sum())

    @property
    def max(self) -> int:
        """The largest value, within the counter's width; 0 when empty."""
        used = np.flatnonzero(self.counts)
        return int(upper_bounds(used[-1:])[0]) if len(used) else 0

    @property
    def min(self) -> int:
        """The smallest value, within the counter's width; 0 when empty."""
        used = np.flatnonzero(self.counts)
        return int(lower_bounds(used[:1])[0]) if len(used) else 0

    @property
    def mean(self) -> float:
        """The mean, each value taken as the middle of its counter; 0 when empty."""
        used = np.flatnonzero(self.counts)
        if not len(used):
            return 0.0
        return float(np.average(_middles(used), weights=self.counts[used]))

    def record_array(self, values_ns: np.ndarray[Any, Any]) -> None:
        """Count an array of nanoseconds.

        Below 0 counts as 0 and above 73 minutes as that: a value is never dropped.
        """
        self.counts += np.bincount(index_of(values_ns), minlength=COUNTERS)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts."""
        self.counts += other.counts

    def quantile(self, percent: float) -> int:
        """Return the value that ``percent`` of all values do not exceed; 0 when empty."""
        return int(self.quantiles([percent])[0])

    def quantiles(self, percents: Any) -> np.ndarray[Any, Any]:
        """Return the values at percentiles.

        Parameters
        ----------
        percents
            0 to 100, any shape (n,).

        Returns
        -------
        ndarray of int64, shape (n,)
            Highest value of the counter that holds the nearest rank, as HdrHistogram gives it.
        """
        used = np.flatnonzero(self.counts)
        wanted = np.asarray(percents, float)
        if not len(used):
            return np.zeros(len(wanted), np.int64)
        running = np.cumsum(self.counts[used])
        ranks = np.maximum(1, np.floor(np.minimum(wanted, 100) * running[-1] / 100 + 0.5))
        places = np.searchsorted(running, ranks)
        bounds = np.where(wanted > 0, upper_bounds(used)[places], lower_bounds(used)[places])
        return bounds.astype(np.int64)

    def middle(self) -> float:
        """Return the median, read between the clock's steps; 0 when empty.

        A clock that moves in steps of 10 ns gives 30 or 40 for a median of 34, and a ratio of two
        such numbers is off by a quarter. Each value counts half at its own place and half beyond
        it, and the median is interpolated between values (the mid-distribution quantile of Ma,
        Genton and Parzen, 2011). Where values are dense it is the ordinary median.
        """
        used = np.flatnonzero(self.counts)
        if not len(used):
            return 0.0
        counts = self.counts[used]
        middle_ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
        return float(np.interp(0.5, middle_ranks, _middles(used)))

    def percentile_curve(
        self, points: int = 400
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return a curve that is even on an axis of nines (0, 90, 99, 99.9 …).

        Parameters
        ----------
        points
            How many at most.

        Returns
        -------
        percents, values_ns : ndarray, shape (<= points,)
            From 0 to the last percentile that the number of samples can tell.
        """
        samples = self.samples
        if samples == 0:
            return np.zeros(0), np.zeros(0, np.int64)
        nines = np.linspace(0, max(math.log10(samples), 0.0), points)
        percents = np.unique(100 * (1 - 10**-nines))
        return percents, self.quantiles(percents)

    def bins(
        self, edges: np.ndarray[Any, Any] | None = None, per_decade: int = 24
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return counts between edges, for a histogram with a logarithmic axis.

        Parameters
        ----------
        edges
            Rising, in nanoseconds; by default ``per_decade`` a decade from the least to the largest
            value, moved between whole nanoseconds.

        Returns
        -------
        edges, counts : ndarray, shapes (n + 1,) and (n,)
        """
        used = np.flatnonzero(self.counts)
        if edges is None:
            edges = _even_edges(max(self.min, 1), max(self.max, 1), per_decade)
        counts, _ = np.histogram(_middles(used), bins=edges, weights=self.counts[used])
        return edges, counts.astype(np.int64)

    def to_hdr(self) -> str:
        """Return the histogram in HdrHistogram's V2 compressed encoding, base64."""
        payload = _encode_counts(self.counts)
        head = _HEAD.pack(_COOKIE, len(payload), 0, DIGITS, 1, HIGHEST_NS, 1.0)
        packed = zlib.compress(head + payload)
        whole = _COMPRESSED_HEAD.pack(_COMPRESSED_COOKIE, len(packed)) + packed
        return base64.b64encode(whole).decode()

    @classmethod
    def from_hdr(cls, text: str) -> Histogram:
        """Return the histogram that ``to_hdr`` wrote.

        Raises
        ------
        LayoutError
            It is damaged, or not a V2 histogram of 3 digits from 1 ns.
        """
        try:
            whole = base64.b64decode(text, validate=True)
            cookie, size = _COMPRESSED_HEAD.unpack_from(whole)
            body = zlib.decompress(whole[_COMPRESSED_HEAD.size :][:size])
            inner, payload_bytes, _, digits, lowest, _, _ = _HEAD.unpack_from(body)
        except (binascii.Error, struct.error, zlib.error, ValueError) as error:
            raise LayoutError(
                f"the histogram is damaged ({error}); run the experiment again"
            ) from None
        if (cookie, inner, digits, lowest) != (_COMPRESSED_COOKIE, _COOKIE, DIGITS, 1):
            raise LayoutError(
                f"the histogram has cookie {cookie:#x}, {digits} digits from {lowest}; "
                f"only V2 with {DIGITS} digits from 1 can be read"
            )
        return cls(_decode_counts(body[_HEAD.size :][:payload_bytes]))


def __getattr__(name: str) -> Any:
    # For compiled loops. Behind a door, since who only reads results shall not load a compiler.
    if name == "record":
        from lab.measure.recorder import record

        return record
    raise AttributeError(f"module {__name__} has no attribute {name}")


def index_of(values_ns: Any) -> np.ndarray[Any, Any]:
    """Return each value's counter, int64, same shape."""
    values = np.clip(np.asarray(values_ns), 0, _LARGEST).astype(np.int64)
    # frexp's exponent is the bit length; exact, since the values stay below 2^53
    bits = np.frexp((values | (2 * HALF - 1)).astype(float))[1].astype(np.int64)
    doubling = bits - (HALF_BITS + 1)
    return (doubling << HALF_BITS) + (values >> doubling)


def lower_bounds(indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the least value of each counter, int64."""
    indices = np.asarray(indices, np.int64)
    doubling = np.maximum((indices >> HALF_BITS) - 1, 0)
    return (indices - (doubling << HALF_BITS)) << doubling


def upper_bounds(indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the largest value of each counter, int64."""
    indices = np.asarray(indices, np.int64)
    return lower_bounds(indices) + (1 << np.maximum((indices >> HALF_BITS) - 1, 0)) - 1


def _middles(indices: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the middle of each counter's values, float."""
    return (lower_bounds(indices) + upper_bounds(indices)) / 2


def _even_edges(least: int, largest: int, per_decade: int) -> np.ndarray[Any, Any]:
    """Return logarithmic edges moved between whole numbers, so that no value lies on one."""
    first = math.floor(math.log10(least) * per_decade)
    last = math.ceil(math.log10(largest + 1) * per_decade)
    edges = 10 ** (np.arange(first, last + 2) / per_decade)
    return np.unique(np.floor(edges) - 0.5)


def _encode_counts(counts: np.ndarray[Any, Any]) -> bytes:
    """Write counts as ZigZag LEB128; a run of zeros is its length, negated."""
    out = bytearray()
    position = 0
    for index in np.flatnonzero(counts).tolist():
        if index > position:
            _write_number(out, position - index)
        _write_number(out, int(counts[index]))
        position = index + 1
    return bytes(out)


def _decode_counts(payload: bytes) -> np.ndarray[Any, Any]:
    """Read what ``_encode_counts`` wrote."""
    counts = np.zeros(COUNTERS, np.int64)
    index = position = 0
    while position < len(payload):
        number, position = _read_number(payload, position)
        if number > 0 and index < COUNTERS:
            counts[index] = number
        index += 1 if number > 0 else max(-number, 1)
        if index > COUNTERS:
            raise LayoutError(f"the histogram has more than {COUNTERS} counters; it is damaged")
    return counts


def _write_number(out: bytearray, number: int) -> None:
    """Append one number: seven bits a byte, the ninth byte holds eight."""
    rest = (number << 1 ^ number >> 63) & 0xFFFF_FFFF_FFFF_FFFF
    for _ in range(8):
        if rest < 0x80:
            out.append(rest)
            return
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)


def _read_number(payload: bytes, position: int) -> tuple[int, int]:
    """Return the number at a position and the position behind it."""
    rest = 0
    for place in range(9):
        if position >= len(payload):
            raise LayoutError("the histogram ends in the middle of a number; it is damaged")
        byte = payload[position]
        position += 1
        rest |= byte << 7 * place if place == 8 else (byte & 0x7F) << 7 * place
        if place == 8 or byte < 0x80:
            break
    return rest >> 1 ^ -(rest & 1), position
