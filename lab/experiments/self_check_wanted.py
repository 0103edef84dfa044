"""What the self-check's answers should be, and which of them cannot be so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.measure.result import Measurement
from lab.units import quantity

QUEUES_LEAST = 12
"""Undisturbed processes from which on intervals of medians can hold all together with 95 %: one of
32 has to cover 99.84 %, and that of 11 values covers 99.9 % at most."""


@dataclass(frozen=True)
class Wanted:
    """Between what shares an answer should lie.

    Attributes
    ----------
    metric, case
        Of the result; every case where none is named.
    low, high
        The shares.
    title
        What is counted, for a table.
    """

    metric: str
    case: str
    low: float
    high: float
    title: str

    @property
    def words(self) -> str:
        """What is wanted: "at most 5 %"."""
        low, high = quantity(self.low, "share"), quantity(self.high, "share")
        if self.low <= 0:
            return f"at most {high}"
        return f"at least {low}" if self.high >= 1 else f"{low.removesuffix(' %')} to {high}"


WANTED = (
    Wanted("false_alarm_share", "same_code", 0, 0.05, "false alarms, the same code twice"),
    Wanted("found_share", "planted_3_percent", 0.95, 1, "a planted slowdown of 3 % found"),
    Wanted("found_share", "planted_1_percent", 0.5, 1, "a planted slowdown of 1 % found"),
    Wanted("coverage", "", 0.92, 0.98, "95 % intervals that hold the truth, simulated"),
)


def missed(measurements: Sequence[Measurement]) -> list[str]:
    """Return a sentence for each answer that is not what was wanted, with its whole interval.

    An answer from few tries has a wide interval, and one that might be right is none.
    """
    found = [
        f"{item.case.replace('_', ' ')}: {wanted.metric.replace('_', ' ')} "
        f"{quantity(item.median, 'share')} ({quantity(item.low, 'share')} to "
        f"{quantity(item.high, 'share')}), wanted {wanted.words}"
        for wanted in WANTED
        for item in measurements
        if item.metric == wanted.metric and wanted.case in ("", item.case)
        if item.low > wanted.high or item.high < wanted.low
    ]
    found += [
        f"{item.case}: off theory by {quantity(item.median, 'relative')} "
        f"({quantity(item.low, 'relative')} to {quantity(item.high, 'relative')})"
        for item in measurements
        if is_queue(item) and not item.low <= 0 <= item.high
    ]
    return found


def is_queue(item: Measurement) -> bool:
    """Whether a measurement holds servers against theory, often enough to have an interval."""
    return item.metric == "queueing_error" and item.runs >= QUEUES_LEAST
