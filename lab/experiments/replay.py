"""How fast does each engine run a recorded day, and is its book right?

``replay_file`` is what ``lab replay`` runs: one engine, every row checked. ``replay`` is the
experiment: the same commands through several engines, timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.experiments.matching_parameters import (
    Batch,
    Core,
    Engines,
    Rounds,
    Seconds,
    Seed,
    Smallest,
    StopEarly,
    in_order,
)
from lab.experiments.parameters import Control
from lab.experiments.replay_check import ReplayReport, recording_at, replayed
from lab.measure.progress import Phase, Report

if TYPE_CHECKING:
    from lab.measure.bench import Bench

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE_DAY = "data/samples/XLAB_2026-01-02_34200000_57600000_10.zip"
DAY_CASE = "whole day"

DayFile = Annotated[
    str,
    Field(
        description="The day's file; a path that is not found from here is looked for in the "
        "checkout. The sample was made by the lab's own generator."
    ),
    Control(),
]
FormatName = Annotated[
    Literal["lobster", "databento", "itch", "dbn"],
    Field(description="Who wrote the file."),
    Control(),
]
_PANEL_ENGINES = ["binary_heap", "price_ladder"]

# Measured on GOOG's 40 MB (12 unpacked a zipped one) with the slowest engines, EPYC Milan.
_ZIP_FACTOR = 14
_SECONDS_BEFORE = 3.0
_SECONDS_A_MEGABYTE = 0.5
_SECONDS_A_PASS_MEGABYTE = 0.05
_SECONDS_A_PROCESS = 1.2


def replay_file(
    path: str | Path,
    format: str,
    engine: str,
    check: bool,
    progress: Report | None = None,
    book: str | Path | None = None,
    until_damage: bool = False,
    tick: int | None = None,
) -> ReplayReport:
    """Run a recorded day through one engine.

    Parameters
    ----------
    path
        The day: a LOBSTER message file, order book file or zip, a Databento MBO file (CSV or DBN),
        or an ITCH 5.0 file.
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
    until_damage
        Whether to replay what stands before a damage, where a file is damaged or cut short; the
        report's ``notes`` say so.
    tick
        What a tick is, in units of 0.0001, for formats that let it be chosen (ITCH).

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
    recording = recording_at(
        *(Path(path), format, Path(book) if book else None, check, report, until_damage, tick)
    )
    return replayed(recording, engine, check, report)


def _say_nothing(phase: Phase, done: int, total: int, detail: str) -> None:
    """Report to nobody."""


def replay(
    bench: Bench,
    *,
    day: DayFile = SAMPLE_DAY,
    format: FormatName = "lobster",
    engines: Engines = _PANEL_ENGINES,
    batch: Batch = 1_000,
    rounds: Rounds = 3,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 0.2,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Time a recorded day's commands, whole passes and one by one, after checking its book."""
    from lab.experiments.replay_task import prepare_replay

    tasks = prepare_replay(bench, found_day(day), format, in_order(engines), batch, seconds)
    bench.compare(
        tasks,
        case=DAY_CASE,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    day = found_day(parameters["day"])
    megabytes = sum(file.stat().st_size for file in (day,) if file.exists()) / 1e6
    zipped = _ZIP_FACTOR if day.suffix == ".zip" else 1
    preparing_s = _SECONDS_BEFORE + _SECONDS_A_MEGABYTE * zipped * megabytes
    processes = 2 * parameters["rounds"] * len(parameters["engines"])
    pass_s = _SECONDS_A_PASS_MEGABYTE * zipped * megabytes
    return preparing_s + processes * (_SECONDS_A_PROCESS + max(parameters["seconds"], pass_s))


def found_day(day: str) -> Path:
    """Return a day's file: as named from here, or else from the checkout."""
    path = Path(day).expanduser()
    if path.exists() or path.is_absolute():
        return path
    return CHECKOUT / path
