"""What a measured process does in ``jitter``: it spins on one CPU, in slices, and takes note."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.hardware.interruptions import Interruptions, interruptions_of
from lab.measure.histogram import Histogram
from lab.measure.talk import Talk

if TYPE_CHECKING:
    from lab.hardware.gaps import Slice

RIGHT = "all time accounted for, on one CPU"
_TURNS_MOST = 10_000


def gaps(
    say: Talk, *, cpu: int, slice_ms: float, threshold_ns: float, seconds: float
) -> dict[str, Any]:
    """Spin on a CPU and note every gap.

    Parameters
    ----------
    say
        Told the phase; grants the turns.
    cpu
        Where.
    slice_ms
        How long a turn spins.
    threshold_ns
        The shortest gap that counts.
    seconds
        How long to measure; at least one slice.

    Returns
    -------
    dict
        ``readings``: the part of the time that lay in gaps, gaps a second, and a histogram of
        their lengths; ``digests``: whether gaps and what lies between
        them make up each slice, and whether the process was seen on its CPU alone;
        ``interruptions``: what the kernel counted meanwhile; ``longest_ns``; ``spun_s``;
        ``gaps_cut``: how many gaps are not in the histogram, for which a slice had no room.
    """
    from lab.hardware.affinity import pinned
    from lab.hardware.gaps import Spinner
    from lab.hardware.whereabouts import Watch

    say("compiling")
    with pinned(cpu):
        spinner = Spinner(threshold_ns=threshold_ns)
        say("warming")
        spinner.slice(slice_ms)
        say("measuring")
        watch, seen = Watch(), Seen()
        for turn in say.turns(seconds, _TURNS_MOST):
            before = interruptions_of(cpu)
            one = spinner.slice(slice_ms)
            seen.add(turn, one, interruptions_of(cpu).since(before))
            watch.look()
        where = watch.end()
    is_right = seen.is_whole and where.stayed and where.ended_on in (cpu, None)
    return {
        "readings": seen.readings(),
        "digests": [RIGHT if is_right else f"not so: {where.as_dict()}"],
        "interruptions": seen.interruptions.as_dict(),
        "longest_ns": seen.longest_ns,
        "spun_s": seen.span_ns / 1e9,
        "gaps_cut": seen.cut,
    }


@dataclass
class Seen:
    """What was seen in all slices of a process.

    Attributes
    ----------
    times
        The lengths of all gaps that were kept.
    turns, stolen, rates
        The number of each slice, the part of it that lay in gaps, and its gaps a second.
    interruptions
        What the kernel counted in all of them.
    gaps, cut, lost_ns, span_ns, longest_ns
        Of all slices together; ``cut`` gaps were not kept; the longest gap, kept or not.
    is_whole
        Whether the gaps that were kept make up what each slice lost, but for what lay in others.
    """

    times: Histogram = field(default_factory=Histogram)
    turns: list[int] = field(default_factory=list)
    stolen: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    interruptions: Interruptions = field(default_factory=Interruptions)
    gaps: int = 0
    cut: int = 0
    lost_ns: float = 0.0
    span_ns: float = 0.0
    longest_ns: float = 0.0
    is_whole: bool = True

    def add(self, turn: int, one: Slice, counted: Interruptions) -> None:
        """Add a slice, and what the kernel counted in it."""
        self.times.record_array(np.rint(one.lengths_ns))
        self.turns.append(turn)
        self.stolen.append(one.stolen)
        self.rates.append(one.gaps / (one.span_ns / 1e9))
        self.interruptions = self.interruptions.plus(counted)
        self.gaps += one.gaps
        self.cut += one.gaps - len(one.lengths_ns)
        self.lost_ns += one.lost_ns
        self.span_ns += one.span_ns
        self.longest_ns = max(self.longest_ns, one.longest_ns)
        off_ns = abs(float(one.lengths_ns.sum()) + one.cut_ns - one.lost_ns)
        self.is_whole = self.is_whole and one.readings > 0 and off_ns < 1.0

    def readings(self) -> list[dict[str, Any]]:
        """Return the part stolen, the rate, and the lengths where there were gaps at all.

        The first two are over all slices together: of a long gap that is rare a median slice
        knows nothing.
        """
        rate = self.gaps / (self.span_ns / 1e9)
        found = [
            self._reading("stolen", "relative", self.lost_ns / self.span_ns, self.stolen),
            self._reading("gaps", "per_second", rate, self.rates),
        ]
        if self.times.samples:
            found.append(
                {
                    "metric": "gap",
                    "unit": "ns",
                    "value": self.times.middle(),
                    "samples": self.times.samples,
                    "histogram": self.times.to_hdr(),
                }
            )
        return found

    def _reading(self, metric: str, unit: str, value: float, by_turn: list[float]) -> Any:
        turns = {"turn": self.turns, "value": by_turn}
        samples = len(by_turn)
        return {"metric": metric, "unit": unit, "value": value, "samples": samples, "turns": turns}
