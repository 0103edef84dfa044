"""A paragraph on how far a result's comparisons can be trusted, made from what the result holds.

Not for the comparisons themselves: ``lab.tables`` has them. What a result does not know, such as a
q-value in a file of version 1, the paragraph does not speak of.
"""

from __future__ import annotations

from lab.measure import claims
from lab.measure.effects import ERROR_RATE
from lab.measure.result import Comparison, Result
from lab.measure.words import noise_text, percent_text

_TURNS_LEAST = 2


def how_to_read(result: Result) -> str:
    """Return how to read a result's comparisons, as plain text; "" where it has none.

    Parameters
    ----------
    result
        Whose processes, turns, looks and number of comparisons are told.
    """
    pairs = claims.pairs(result)
    if not pairs:
        return ""
    sentences = (_processes(result), _claimed(pairs), _looks(pairs), _several(pairs))
    return " ".join(sentence for sentence in sentences if sentence)


def _processes(result: Result) -> str:
    """Say what was run: how many processes, whether they took turns, and what is noise."""
    runs = max(item.runs for item in result.measurements)
    turns = max(
        (one.turn[-1] + 1 for item in result.measurements for one in item.turns if one.turn),
        default=0,
    )
    how = f"{runs} fresh processes of each rival"
    if turns >= _TURNS_LEAST:
        how += (
            f", those of a round alive at once and let go on one at a time, in random order, for "
            f"up to {turns:,} turns; what a turn did to all of them is taken out"
        )
    floors = [item.noise_high for item in result.comparisons]
    return (
        f"Measured in {how}. The noise is how far the same code differs from itself in this run: "
        f"{noise_text(min(floors))}"
        + (f" to {noise_text(max(floors))}." if max(floors) > min(floors) else ".")
    )


def _claimed(pairs: list[Comparison]) -> str:
    """Say when a difference is claimed."""
    wrong = percent_text(claims.error_rate(pairs))
    return (
        f"An interval misses the true ratio in at most {wrong} of cases; a difference is claimed "
        "only where the interval lies on one side of 1 and the ratio is beyond the noise."
    )


def _looks(pairs: list[Comparison]) -> str:
    """Say how the error rate is kept where the data was looked at more than once."""
    most = max(item.looks for item in pairs)
    if most == 1:
        return ""
    return (
        f"The run was looked at {most} times and could have stopped at each: the intervals are "
        f"wider for it, so that all looks together give a false alarm in {percent_text(ERROR_RATE)}"
        " of cases and not in more."
    )


def _several(pairs: list[Comparison]) -> str:
    """Say how false discoveries are held down among several comparisons."""
    tested = [item for item in pairs if item.q_value is not None]
    if len(tested) < 2:
        return ""
    clear = sum(item.clear for item in tested)
    lost = sum(
        item.state in ("faster", "slower") and claims.state_of(item) == claims.CANNOT_TELL
        for item in tested
    )
    told = (
        f"{len(tested)} comparisons would show something by chance: of the differences that are "
        f"claimed ({clear}) at most {percent_text(ERROR_RATE)} are expected to be none, because "
        "only such count whose q, the share of false ones among all that are as clear, is below "
        f"{ERROR_RATE:g} (Benjamini and Hochberg)."
    )
    return told + (f" {lost} that would pass alone did not." if lost else "")
