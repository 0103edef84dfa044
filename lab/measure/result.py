"""Results: what a run leaves behind, as one versioned JSON file that needs no program to be read.

A result's file is written whole or not at all, and never changed afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from engines.errors import FileError
from lab.experiments.parameters import call_text, command_text
from lab.measure.statistics import CONFIDENCE

SCHEMA_VERSION = 3
CHECKOUT = Path(__file__).resolve().parents[2]
RUNS = CHECKOUT / "data" / "results" / "runs"
SHIPPED = CHECKOUT / "data" / "results" / "shipped"
_PART_NAME = re.compile(r"\.\d{8}T\d{6}Z_\w+_[0-9a-f]{4}\.json\.\d+\.part")
_ABANDONED_S = 60
_NAMED_MOST = 5  # files that a warning names
_ROOM_BYTES = 2**21  # of a probe: more than a result of all engines has
NO_CHECKSUM = "The file has no checksum: it is from before results had one, or was changed by hand."


class _Record(BaseModel):
    """A part of a result. Unknown fields are an error: a typing mistake must not lose a number."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Code(_Record):
    """What was run: the version, the commit it came from, and whether files had changed since."""

    version: str
    commit: str | None
    dirty: bool


class Verdict(_Record):
    """Whether the numbers stand, why not, what to do about it, and what they say.

    ``failed`` is what an experiment was to check and did not find as it should be.
    """

    stable: bool
    reason: str
    remedy: str
    finding: str
    failed: list[str] = Field(default_factory=list)


class Measurement(_Record):
    """One rival on one case: a number a run, their median and its interval.

    ``median``, ``low`` and ``high`` are over the runs' ``values``. For times, a run's value is its
    median, and ``quantiles`` and ``histogram`` hold all runs together. ``spread`` has the lowest
    and the highest run's value of each quantile: where these lie far apart, the machine was
    measured, not the code. ``coverage`` is the probability that such an interval encloses the true
    median; older files do not have it. A ``share`` is of outcomes that are 0 or 1: its ``median``
    is their mean, in an exact interval. What is ``relative`` is a part of what would be right.
    ``at`` is the number that a case stands for where the cases are points of an axis: a book's
    size, a count of cores. ``turns`` are some of each process's passes, ``shape`` is what their
    median hides.
    """

    rival: str
    case: str
    metric: str
    unit: Literal[
        "per_second",
        "bytes_per_second",
        "ns",
        "per_command",
        "bytes",
        "times",
        "share",
        "relative",
    ]
    at: float | None = None
    median: float
    low: float
    high: float
    coverage: float | None = None
    runs: int
    digest: str
    digest_ok: bool
    values: list[float]
    quantiles: dict[str, float] = Field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = Field(default_factory=dict)
    histogram: str | None = None
    samples: int = 0
    turns: list[Turns] = Field(default_factory=list)
    shape: Shape | None = None
    over_time: OverTime | None = None

    def coverage_text(self) -> str:
        """Say what the interval is worth where that is less than 95 %, to stand behind it; else "".

        One round has two runs, and between two values the true median lies every second time.
        """
        if self.coverage is None or self.coverage >= CONFIDENCE:
            return ""
        return f" ({100 * self.coverage:.0f} %)"


class Turns(_Record):
    """What one process did by turn; processes of a round share the numbers of its turns."""

    round: int
    turn: list[int]
    value: list[float]


class OverTime(_Record):
    """Times by when they were taken: each slice of a pass has a histogram, of all passes together.

    ``axis`` is what a pass was cut by, and ``span`` how many of these it has. ``counts`` are
    unsigned 32-bit numbers, little-endian, a row a slice and a column between two of ``edges_ns``
    (the lower one included), compressed by zlib and in base64.
    """

    axis: Literal["commands", "ns"]
    span: float
    slices: int = Field(ge=1, le=4096)
    edges_ns: list[int] = Field(min_length=2)
    counts: str


class Shape(_Record):
    """What a median hides: outliers by class, groups as centre and share, a drift, all in words."""

    outliers: dict[str, int]
    modes: list[tuple[float, float]] = Field(default_factory=list)
    process_modes: list[tuple[float, float]] = Field(default_factory=list)
    drift: float | None = None
    words: list[str] = Field(default_factory=list)


class Preparation(_Record):
    """What a rival's processes did before they were measured: medians over the processes.

    ``compile_s`` is the time to its first answer, ``is_warm`` whether passes had stopped getting
    faster in all processes when measuring began, or else the limit of time had come.
    """

    compile_s: float
    warm_up_s: float
    warm_up_passes: float
    is_warm: bool


class Comparison(_Record):
    """A rival beside a baseline: how many times faster, between what bounds, above what noise.

    Where both are the same, it is that rival against itself: the noise. ``coverage`` is that of the
    interval from ``low`` to ``high``. ``state`` is what is claimed: "faster", "slower", "same" (no
    difference as large as was looked for) or "cannot tell"; ``clear``, whether a difference holds
    up among all comparisons of the run. ``p_value`` is of the interval, ``rank_p`` of ranks alone,
    ``q_value`` the share of false ones among all that are as clear as this one; ``looks`` says how
    often the data was looked at before. Older files have none of these.
    """

    rival: str
    baseline: str
    case: str
    metric: str
    ratio: float
    low: float
    high: float
    coverage: float | None = None
    noise_low: float
    noise_high: float
    words: str
    clear: bool
    state: Literal["faster", "slower", "same", "cannot tell"] | None = None
    p_value: float | None = None
    rank_p: float | None = None
    q_value: float | None = None
    looks: int = 1


class Result(_Record):
    """What one run of an experiment found. See ``measurements``, ``comparisons``, ``verdict``.

    ``checksum`` is over everything else in the file; ``data/README.md`` says how. It shows what was
    changed by mistake, and not who signed it.
    """

    schema_version: Literal[1, 2, 3] = 3
    experiment: str
    question: str
    parameters: dict[str, Any]
    size: str | None = None
    created: str
    seconds: float
    code: Code
    machine: dict[str, Any]
    clocks: dict[str, dict[str, Any]]
    verdict: Verdict
    measurements: list[Measurement]
    comparisons: list[Comparison]
    digest: str
    notes: list[str] = Field(default_factory=list)
    preparation: dict[str, Preparation] = Field(default_factory=dict)
    checksum: str | None = None
    _path: Path | None = PrivateAttr(None)

    @property
    def way(self) -> int:
        """How it was measured: 1 without turns, 2 in turns; a later version only holds more."""
        return min(self.schema_version, 2)

    @property
    def path(self) -> Path | None:
        """The file that this result was read from or saved to."""
        return self._path

    def rows(self) -> list[dict[str, Any]]:
        """Return the measurements as flat dicts, the quantiles as ``p50``, ``p99`` …, ``max``."""
        return [_row(measurement) for measurement in self.measurements]

    def command(self) -> str:
        """Return the ``lab run`` line that repeats this run."""
        return command_text(self.experiment, self.parameters)

    def call(self) -> str:
        """Return the ``lab.run(…)`` call that repeats this run."""
        return call_text(self.experiment, self.parameters)

    def content(self) -> dict[str, Any]:
        """Return the result as its file holds it, so that its checksum is right."""
        # A file of an older program lacks the fields that came later.
        as_read = self.model_dump(mode="json", exclude_unset=True)
        return as_read if _checksum(as_read) == self.checksum else self.model_dump(mode="json")

    def _repr_html_(self) -> str:
        from lab.result_html import result_html

        return result_html(self)


def now_utc() -> str:
    """Return this moment as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def save(result: Result, folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a result into a folder under a name that sorts by time.

    Parameters
    ----------
    result
        The result; its ``path`` and its ``checksum`` are set.
    folder
        Where to; ``data/results/runs`` of the checkout by default.

    Returns
    -------
    Path
        ``<created>_<experiment>_<4 hex>.json``. After a crash it is there whole or not at all.

    Raises
    ------
    FileError
        The folder cannot be written, or the disk is full.
    """
    stamp = result.created.replace(":", "").replace("-", "")
    name = f"{stamp}_{result.experiment}_{secrets.token_hex(2)}.json"
    return save_as(result, _folder(folder) / name)


def save_as(result: Result, path: Path) -> Path:
    """Write a result under a name, as ``save`` does; a file of that name is replaced."""
    result.checksum = _checksum(json.loads(result.model_dump_json()))
    text = result.model_dump_json(indent=1) + "\n"
    part = path.with_name(f".{path.name}.{os.getpid()}.part")  # see _PART_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path.parent)
        try:
            _write_durably(part, text.encode())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from None
    result._path = path
    return path


def check_folder(folder: str | os.PathLike[str] | None = None) -> None:
    """Make a result's folder and write into it as ``save`` will, so that no run is for nothing.

    Raises
    ------
    FileError
        The folder cannot be written, or the disk is full.
    """
    target = _folder(folder)
    probe = target / f".probe.{os.getpid()}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        try:
            _write_durably(probe, bytes(_ROOM_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(target, error) from None


def load(path: str | os.PathLike[str]) -> Result:
    """Read a result.

    Raises
    ------
    FileError
        There is no such file, it is damaged or was changed, or a newer program wrote it.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror}); check the name") from None
    result = read(path, text)
    result._path = path
    return result


def read(path: Path, text: bytes) -> Result:
    """Return the result that a text holds, as ``load`` does of a whole file.

    Parameters
    ----------
    path
        Where the text is from, for messages.
    text
        JSON.
    """
    content = _content(path, text)
    try:
        result = Result.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or None
        raise FileError(
            path,
            f"is not a result ({problem['msg'].lower()}); run the experiment again",
            field=field,
        ) from None
    if result.checksum is None:
        result.notes.append(NO_CHECKSUM)
    elif result.checksum != _checksum(content):
        raise FileError(
            path, "was changed after it was written (checksum differs); take the original"
        )
    return result


def results(
    folder: str | os.PathLike[str] | None = None, experiment: str | None = None
) -> list[Result]:
    """Return saved results, the newest first.

    Parameters
    ----------
    folder
        Where to look; by default the user's runs and the shipped results of the checkout.
    experiment
        Only those of this experiment.

    Warns
    -----
    UserWarning
        Files that cannot be read are left out; one line names them.
    """
    folders = [Path(folder)] if folder is not None else [RUNS, SHIPPED]
    # The experiment's name stands in the file's name, so that others need not be read.
    pattern = f"*_{experiment}_*.json" if experiment else "*.json"
    found = _readable([path for place in folders for path in sorted(place.glob(pattern))])
    if experiment:
        found = [result for result in found if result.experiment == experiment]
    return sorted(found, key=lambda result: result.created, reverse=True)


def summary(result: Result) -> dict[str, Any]:
    """Return what ``lab run --json`` prints: the result without histograms and single values."""
    return {
        "experiment": result.experiment,
        "parameters": result.parameters,
        "machine": result.machine,
        "verdict": result.verdict.model_dump(),
        "measurements": [
            measurement.model_dump(exclude={"histogram", "turns", "over_time"})
            for measurement in result.measurements
        ],
        "comparisons": [comparison.model_dump() for comparison in result.comparisons],
        "path": str(result.path) if result.path else None,
    }


def _readable(paths: Sequence[Path]) -> list[Result]:
    """Return the results that can be read; warn of the others, in one line for all."""
    found, problems = [], []
    for path in paths:
        try:
            found.append(load(path))
        except FileError as error:
            problems.append(str(error))
    if problems:
        named, left = problems[:_NAMED_MOST], len(problems) - _NAMED_MOST
        words = "; ".join([*named, f"and {left} more"] if left > 0 else named)
        warnings.warn(f"left out {len(problems)} of {len(paths)} files: {words}", stacklevel=4)
    return found


def _folder(folder: str | os.PathLike[str] | None) -> Path:
    """Return where a result goes."""
    return Path(folder) if folder is not None else RUNS


def _not_written(path: Path, error: OSError) -> FileError:
    """Return why nothing can be written there."""
    return FileError(path, f"cannot be written ({error.strerror}); choose another folder")


def _checksum(content: dict[str, Any]) -> str:
    """Return the checksum of a result as JSON holds it.

    Over its values and not its bytes, so that indenting the file anew is no change.
    """
    rest = {name: value for name, value in content.items() if name != "checksum"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _content(path: Path, text: bytes) -> dict[str, Any]:
    """Return a file's JSON; refuse what is none, or has another version than this program reads."""
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        row = getattr(error, "lineno", None)
        problem = "is not JSON; it was cut short or changed by hand: run the experiment again"
        raise FileError(path, problem, row=row) from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version is None:
        raise FileError(path, "is not a result: it has no schema_version; name a file of lab run")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise FileError(
            path, f"has schema version {version}, this program reads {SCHEMA_VERSION}; update it"
        )
    assert isinstance(content, dict)  # only an object has a version
    return content


def _clear_abandoned(folder: Path) -> None:
    """Remove what saves that were killed have left; another's save takes no minute."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):  # another save was quicker, or it is not ours to remove
            is_old = time.time() - part.stat().st_mtime > _ABANDONED_S
            if is_old and _PART_NAME.fullmatch(part.name):
                part.unlink()


def _write_durably(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until a folder's new entry is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row(measurement: Measurement) -> dict[str, Any]:
    """Return one measurement as a flat dict."""
    hidden = {"quantiles", "histogram", "values", "spread", "turns", "shape", "over_time"}
    row = measurement.model_dump(exclude=hidden)
    quantiles = {
        name if name == "max" else f"p{name}": value
        for name, value in measurement.quantiles.items()
    }
    return row | quantiles
