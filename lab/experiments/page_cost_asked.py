"""What pages are asked of, and what is said of the answers."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engines.errors import InputError
from lab.experiments.memory_sizes import allowed_bytes
from lab.experiments.page_cost_task import METRIC, PAGE, WAYS, digest_of
from lab.hardware.clock import calibrate
from lab.hardware.mounts import mount_of
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.tally import measurements_of
from lab.units import bytes_text, duration

_HUGE_BYTES = 2**21
_IN_MEMORY = ("tmpfs", "ramfs")


def task_for(bench: Bench, mebibytes: int, files_in: str, seconds: float) -> tuple[Task, str]:
    """Return what a process does, and the case: how much memory comes each time.

    Raises
    ------
    InputError
        The folder is none, or nothing can be written there.
    """
    nbytes = max(1, allowed_bytes(bench, mebibytes, 2 * 2) // _HUGE_BYTES) * _HUGE_BYTES
    folder = _usable(files_in)
    ways = list(WAYS)
    if (free := shutil.disk_usage(folder).free) < 4 * nbytes:
        ways = [name for name in ways if not name.startswith("file")]
        bench.note(f"Files: {folder} has {bytes_text(free)} free; name another folder.")
    else:
        bench.note(f"Files: {_where(folder)}.")
    clock = calibrate()
    bench.expect(digest_of(nbytes, 0))
    arguments = {
        "ways": ways,
        "nbytes": nbytes,
        "folder": str(folder),
        "clock": clock.code,
        "ns_per_tick": clock.ns_per_tick,
        "seconds": seconds,
    }
    return Task("lab.experiments.page_cost_task:costs", arguments), bytes_text(nbytes)


def _usable(files_in: str) -> Path:
    """Return the folder for files; refuse one in which none can be made."""
    folder = Path(files_in or tempfile.gettempdir()).expanduser().absolute()
    try:
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise InputError(
            f"no file can be made in {folder} ({error.strerror}); name another folder"
        ) from None


def _where(folder: Path) -> str:
    """Say which file system a folder is on, and on which device."""
    kind, device = mount_of(folder.resolve())
    if kind in _IN_MEMORY:
        return (
            f"{folder} is on {kind}, which is memory and no disk; name a folder on a disk to see "
            "what one adds"
        )
    return f"{folder} is on {kind}, device {device}"


def say_what_was_found(bench: Bench) -> None:
    """Say what a page costs, what makes it cheaper, and what could not be had here."""
    for way, why in sorted({pair for run in bench.runs for pair in _missing(run.outcome)}):
        bench.note(f"Left out, {way}: {why}.")
    bench.note(f"What a page costs is told for {bytes_text(PAGE)} of memory, of huge ones too.")
    stops = bench.runs[0].outcome["faults"] if bench.runs else {}
    told = ", ".join(f"{way} {count:,}" for way, count in stops.items())
    bench.note(
        f"Times that the processor was stopped for {bench.main_case}, by the kernel: {told}."
    )
    found = {
        item.rival: item.median
        for item in measurements_of(bench.runs, bench.expected)
        if item.metric == METRIC
    }
    if "first touch" not in found:
        return
    first = found["first touch"]
    words = [f"A page costs {duration(first)} when it is first touched"]
    if "populate" in found:
        words.append(f"{duration(found['populate'])} when the kernel makes all at once")
    if "huge page, populate" in found:
        words.append(f"{duration(found['huge page, populate'])} as part of a huge one")
    if "there already" in found:
        words.append(f"{duration(found['there already'])} once it is there")
    bench.finding = ", ".join(words)
    if "file, re-dirtied" in found:
        bench.finding += (
            f"; a file's page costs {duration(found['file, re-dirtied'])} at its first write after "
            "a sync"
        )


def _missing(outcome: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    return list(outcome.get("missing", {}).items())
