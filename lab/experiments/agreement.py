"""How far an independent program and the lab are apart, turn by turn of the same run.

A machine wanders: a word between two CPUs of one guest took 27 ns at one moment and 104 ns at
another, by the lab's measure and by the program's. So what is compared is what both found in the
same turn, not the one's median with the other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from lab.measure.tally import Run

APART = "apart"
"""The metric of how much more the lab found than the program, as a part of what that found."""


def hold_beside(
    runs: Sequence[Run], rival: str, program: str, case: str, metric: str
) -> float | None:
    """Add to each of a program's runs how far the lab's rival is from it; return the middle.

    Parameters
    ----------
    runs
        Of both, with turns.
    rival, program
        What the lab measures, and the line of the program that measures the same.
    case, metric
        On what, and what.

    Returns
    -------
    float or None
        The median over all turns that both took part in: 0.1 where the lab's number is larger by
        10 %. None where there is no such turn.
    """
    ours = [(run.round, turns) for run in runs if (turns := _turns(run, rival, case, metric))]
    every: list[float] = []
    for run in runs:
        theirs = _turns(run, program, case, metric)
        beside = [turns for number, turns in ours if number == run.round]
        apart = [
            fmean(turns[turn] for turns in beside if turn in turns) / value - 1
            for turn, value in theirs.items()
            if value > 0 and any(turn in turns for turns in beside)
        ]
        if apart:
            run.outcome["readings"].append(_reading(run, case, metric, apart))
        every += apart
    return median(every) if every else None


def _turns(run: Run, rival: str, case: str, metric: str) -> dict[int, float]:
    """Return what a process found in each turn; nothing if it is another rival's."""
    reading = run.reading(case, metric) if run.rival == rival else None
    turns = reading["turns"] if reading else {"turn": [], "value": []}
    return dict(zip(turns["turn"], turns["value"], strict=True))


def _reading(run: Run, case: str, metric: str, apart: Sequence[float]) -> dict[str, object]:
    """Return a reading of how far a process of the program is from the lab's of its round."""
    reading: dict[str, object] = {
        "case": case,
        "metric": APART,
        "unit": "relative",
        "value": median(apart),
        "samples": len(apart),
    }
    measured = run.reading(case, metric)
    assert measured is not None
    return reading | ({"at": measured["at"]} if "at" in measured else {})
