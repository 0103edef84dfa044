"""Saved results by their headers: what a list of hundreds shows without reading their numbers.

A result's file begins with everything but its numbers, so the first few kilobytes tell what it is.
Whether the rest is whole is checked when it is loaded, and here only at its last bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from engines.errors import FileError, InputError
from lab.measure.result import RUNS, SCHEMA_VERSION, SHIPPED, Result, load
from lab.measure.sweep_folder import SWEEPS

State = Literal["stable", "not stable", "failed", "unreadable"]
STATES: tuple[State, ...] = ("stable", "not stable", "failed", "unreadable")
_HEAD_BYTES = 2**16  # of 170 results the longest header had 9 kB
_TAIL_BYTES = 16
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_NUMBERS = b'\n "measurements":'  # no text in JSON holds a line's end as it is
# What was read of a file, as long as its time and its size are the same.
_read: dict[Path, tuple[tuple[int, int], Entry]] = {}


@dataclass(frozen=True)
class Entry:
    """What the list shows of one file.

    Attributes
    ----------
    path
        The file.
    created
        When it was measured, ISO 8601 in UTC; of a file that cannot be read, what
        its name says, or else when it was written.
    experiment, parameters, size, commit
        What was run.
    machine, machine_id
        Where; both empty where the file cannot be read.
    state
        The verdict in a word.
    finding, reason
        What was found, and why the verdict is as it is; of a file that cannot be read, what is
        wrong with it.
    is_shipped
        Whether it came with the lab, so that it is not ours to delete.
    """

    path: Path
    created: str
    experiment: str
    state: State
    finding: str
    reason: str = ""
    machine: str = ""
    machine_id: str = ""
    size: str | None = None
    commit: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    is_shipped: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether there is a result in the file."""
        return self.state != "unreadable"

    def text(self) -> str:
        """Return all that a search looks in, in small letters."""
        settings = " ".join(f"{name} {value}" for name, value in self.parameters.items())
        words = (self.experiment, self.finding, self.reason, self.machine, self.machine_id)
        rest = (self.created, self.size or "", self.commit, settings, self.path.name, self.state)
        return " ".join((*words, *rest)).replace("_", " ").lower()


@dataclass(frozen=True)
class Wanted:
    """Which results a list shows; what is empty leaves nothing out.

    Attributes
    ----------
    experiment
        Its whole name.
    machine
        An id, or a part of a name.
    since, until
        The first and the last day, as in ``2026-11-23`` (UTC).
    verdict
        One of ``STATES``.
    text
        Words that all stand somewhere in what is told of a result.

    Raises
    ------
    InputError
        A day is none, or there is no such verdict.
    """

    experiment: str = ""
    machine: str = ""
    since: str = ""
    until: str = ""
    verdict: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.verdict and self.verdict not in STATES:
            raise InputError(f"verdict {self.verdict} is unknown; choose of {', '.join(STATES)}")
        for day in filter(None, (self.since, self.until)):
            try:
                date.fromisoformat(day)
            except ValueError:
                raise InputError(f"{day} is no day; write it like 2026-11-23") from None

    def takes(self, entry: Entry) -> bool:
        """Say whether an entry is among them."""
        day = entry.created[:10]
        machine = self.machine.lower()
        return (
            self.experiment in ("", entry.experiment)
            and self.verdict in ("", entry.state)
            and (machine in entry.machine.lower() or machine == entry.machine_id)
            and (not self.since or day >= self.since)
            and (not self.until or day <= self.until)
            and all(word in entry.text() for word in self.text.replace("_", " ").lower().split())
        )


def folders() -> list[Path]:
    """Return where results lie: the user's runs, the points of sweeps, what is shipped."""
    sweeps = sorted(place for place in SWEEPS.glob("*") if place.is_dir())
    return [RUNS, *sweeps, SHIPPED]


def entries(places: Iterable[Path] | None = None, shipped: Path = SHIPPED) -> list[Entry]:
    """Return what lies in folders, the newest first, files that cannot be read among them.

    Parameters
    ----------
    places
        Folders; by default those of the checkout. One that is not there holds nothing.
    shipped
        The folder whose results are not the user's.

    Raises
    ------
    FileError
        A folder cannot be read.
    """
    found: list[Entry] = []
    for place in folders() if places is None else places:
        found += _in_folder(place, place == shipped)
    return sorted(found, key=lambda entry: (entry.created, entry.path.name), reverse=True)


def _in_folder(place: Path, is_shipped: bool) -> list[Entry]:
    found = []
    try:
        with os.scandir(place) as files:
            for item in files:
                if item.name.endswith(".json") and not item.name.startswith("."):
                    entry = _entry(Path(item.path), is_shipped)
                    found += [entry] if entry else []
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileError(
            place, f"cannot be read ({error.strerror}); check its permissions"
        ) from None
    return found


def _entry(path: Path, is_shipped: bool) -> Entry | None:
    """Return what is known of a file, read anew where it was written since; None where it went."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); check the name"
        return Entry(path, "", _name_of(path), "unreadable", "", reason, is_shipped=is_shipped)
    stamp = status.st_mtime_ns, status.st_size
    known = _read.get(path)
    if known is None or known[0] != stamp or known[1].is_shipped != is_shipped:
        known = _read[path] = stamp, _opened(path, status.st_mtime, is_shipped)
    return known[1]


def _opened(path: Path, written: float, is_shipped: bool) -> Entry:
    """Return an entry from a file's header; where that does not do, from the whole file."""
    try:
        return _of_header(path, _header(path), is_shipped)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    try:
        return _of_header(path, load(path).model_dump(mode="json"), is_shipped)
    except FileError as error:
        return unreadable(path, error, written, is_shipped)


def unreadable(path: Path, error: FileError, written: float, is_shipped: bool) -> Entry:
    """Return the entry of a file that holds no result, with what is wrong with it."""
    named = _STAMP.match(path.name)
    when = datetime.fromtimestamp(written, UTC)
    with contextlib.suppress(ValueError):  # a name may begin with digits that are no moment
        when = datetime.strptime(named.group(), "%Y%m%dT%H%M%SZ") if named else when
    moment = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    reason = str(error).removeprefix(f"{path}").lstrip(",: ")
    return Entry(path, moment, _name_of(path), "unreadable", "", reason, is_shipped=is_shipped)


def loaded(entry: Entry) -> Result:
    """Return an entry's result; where its file is damaged, the list knows it from now on.

    Raises
    ------
    FileError
        The file is damaged, newer than this program, or gone.
    """
    try:
        return load(entry.path)
    except FileError as error:
        known = _read.get(entry.path)
        if known and entry.path.exists():
            bad = unreadable(entry.path, error, known[0][0] / 1e9, entry.is_shipped)
            _read[entry.path] = known[0], bad
        raise


def _name_of(path: Path) -> str:
    """Return the experiment that a file's name names, the parts between its time and its end."""
    parts = path.stem.split("_")
    return "_".join(parts[1:-1]) or path.stem


def _header(path: Path) -> dict[str, Any]:
    """Return what stands before a result's numbers.

    Raises
    ------
    ValueError
        The file is cut short, or was not written as ``save`` writes it.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(-min(_TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
        tail = file.read()
    end = head.find(_NUMBERS)
    if end < 0 or tail.rstrip()[-2:] != b"\n}":
        raise ValueError("not laid out as save does it")
    content = json.loads(head[:end].rstrip().removesuffix(b",") + b"}")
    if content["schema_version"] not in range(1, SCHEMA_VERSION + 1):
        raise ValueError("another version")
    assert isinstance(content, dict)
    return content


def _of_header(path: Path, header: dict[str, Any], is_shipped: bool) -> Entry:
    verdict, machine = header["verdict"], header["machine"]
    state: State = "stable" if verdict["stable"] else "not stable"
    return Entry(
        path,
        str(header["created"]),
        str(header["experiment"]),
        "failed" if verdict.get("failed") else state,
        str(verdict["finding"]),
        "; ".join(verdict.get("failed") or [str(verdict["reason"])]),
        str(machine.get("name", "unknown machine")),
        str(machine.get("id", "")),
        header.get("size"),
        str(header["code"]["commit"] or "")[:7],
        dict(header["parameters"]),
        is_shipped,
    )


def machines(found: Sequence[Entry]) -> dict[str, str]:
    """Return the machines of entries: their names by their ids, the most frequent first."""
    ids = [entry.machine_id for entry in found if entry.machine_id]
    names = {entry.machine_id: entry.machine for entry in found}
    return {key: names[key] for key in sorted(set(ids), key=lambda key: (-ids.count(key), key))}
