"""How fast does each engine run a recorded day, and is its book right?

``replay_file`` is what ``lab replay`` runs: one engine, every row checked. ``replay`` is the
experiment: the same commands through several engines, timed.
"""

from __future__ import annotations

from pathlib import Path

from lab.experiments.replay_check import ReplayReport, run_script, script_of
from lab.measure.progress import Phase, Report


def replay_file(
    path: str | Path,
    format: str,
    engine: str,
    check: bool,
    progress: Report | None = None,
    book: str | Path | None = None,
) -> ReplayReport:
    """Run a recorded day through one engine.

    Parameters
    ----------
    path
        The day: a LOBSTER message file, order book file or zip, or a Databento MBO file.
    format
        A name in ``lab.workloads.day.FORMATS``.
    engine
        A name in ``engines.matching.IMPLEMENTATIONS``.
    check
        Whether to hold the engine's book against the recorded book after each row.
    progress
        Told phase, rows done, rows in all, and what is being done.
    book
        The recorded book, where its name does not follow from that of the day.

    Returns
    -------
    ReplayReport

    Raises
    ------
    FileError
        A file is missing or damaged; names row and field.
    InputError
        The format or the engine is unknown, or there is no book to check against.
    """
    report = progress or _say_nothing
    script = script_of(Path(path), format, Path(book) if book else None, check, report)
    made, differences, filled, seconds = run_script(script, engine, check, report)
    known = script.fills["known"]
    rows = len(script.ends) - script.first_row if check else 0
    wrong = {row for row in differences.rows if row >= script.first_row}
    report("measuring", 1, 1, f"{engine} done")
    return ReplayReport(
        file=str(path),
        engine=engine,
        messages=script.messages,
        rows_checked=rows,
        rows_equal=rows - len(wrong) if check else 0,
        fifo_checked=int(known.sum()) if check else 0,
        fifo_equal=int((known & filled).sum()) if check else 0,
        first_difference=differences.first if check else None,
        digest=made.digest(),
        seconds=seconds,
        commands=len(script.commands),
        passed=not (check and differences.rows),
    )


def _say_nothing(phase: Phase, done: int, total: int, detail: str) -> None:
    """Report to nobody."""
