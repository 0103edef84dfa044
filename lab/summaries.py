"""What ``lab`` prints for a person: a result, a replay, as plain text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.terminal import table
from lab.units import quantity

if TYPE_CHECKING:
    from lab.experiments.replay_check import ReplayReport
    from lab.measure.result import Result


def result_text(result: Result) -> str:
    """Return a result as text: finding, table, comparisons, verdict, where it is."""
    head = ("rival", "case", "metric", "median", "interval", "p99", "p99.9", "runs", "digest")
    from lab.tables import nearest_and_farthest

    told = nearest_and_farthest(result.measurements)
    rows = []
    for measured in told:
        low, high = quantity(measured.low, measured.unit), quantity(measured.high, measured.unit)
        tail = [
            quantity(measured.quantiles[name], measured.unit) if name in measured.quantiles else ""
            for name in ("99", "99.9")
        ]
        rows.append(
            (
                measured.rival,
                measured.case,
                measured.metric.replace("_", " "),
                quantity(measured.median, measured.unit),
                f"{low} to {high}{measured.coverage_text()}",
                *tail,
                str(measured.runs),
                "right" if measured.digest_ok else "WRONG: void",
            )
        )
    verdict = result.verdict
    state = "stable" if verdict.stable else f"not stable: {verdict.reason}; {verdict.remedy}"
    parts = [
        verdict.finding,
        table(_used(head, rows), _used_rows(rows), right=()) if rows else "",
        _left_out(len(result.measurements) - len(told)),
        _beside(result),
        f"{state}\n{result.machine.get('name', 'unknown machine')}",
        f"again   {result.command()}\nsaved   {shlex.quote(str(result.path))}",
    ]
    return "\n\n".join(part for part in parts if part)


def _left_out(count: int) -> str:
    """Say how many pairs of many are not written out."""
    return f"{count:,} more pairs lie between these: --json has them" if count else ""


def _beside(result: Result) -> str:
    """Return how rivals compare as a table: of many, the fastest of a case with the rest."""
    from lab.tables import comparisons

    return "\n".join(
        table(found.headings, found.rows)
        for found in (one.without("times as fast") for one in comparisons(result))
    )


def replay_text(replays: Sequence[ReplayReport], checked: bool) -> str:
    """Return replays as a table, and the first difference of each that has one."""
    rows, differences = [], []
    for done in replays:
        books = f"{done.rows_equal:,} of {done.rows_checked:,}" if checked else "not checked"
        queues = f"{done.fifo_equal:,} of {done.fifo_checked:,}" if checked else "not checked"
        seconds = f"{done.seconds:.2f} s"
        rows.append((done.engine, f"{done.messages:,}", books, queues, seconds, done.digest))
        if done.first_difference:
            differences.append(f"{done.engine}: first difference {done.first_difference}")
    head = ("engine", "read", "rows equal", "queues equal", "time", "digest")
    return "\n".join([table(head, rows, right=(1, 2, 3, 4)), *differences])


def _used(head: Sequence[str], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the titles of the columns that hold anything."""
    return [title for index, title in enumerate(head) if any(row[index] for row in rows)]


def _used_rows(rows: list[tuple[str, ...]]) -> list[list[str]]:
    """Return the rows without the columns that hold nothing."""
    columns = [index for index in range(len(rows[0])) if any(row[index] for row in rows)]
    return [[row[index] for index in columns] for row in rows]
