"""What a report is made of: results from files, from folders and from the data of other reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.errors import FileError, InputError
from lab.measure.result import Result, load, read


@dataclass
class Found:
    """Results, and the files of folders that hold none that can be read, each with its reason."""

    results: list[Result] = field(default_factory=list)
    left_out: list[FileError] = field(default_factory=list)


def results_at(paths: Iterable[Path], experiment: str | None = None) -> Found:
    """Return the results that files and folders hold, each once.

    Parameters
    ----------
    paths
        Results and data of reports, in the order that is wanted; a folder's are the newest first.
    experiment
        Only those of this experiment.

    Returns
    -------
    Found
        What is damaged or from a newer program is left out where it lies in a folder.

    Raises
    ------
    FileError
        A file that is named cannot be read, or is no result.
    InputError
        Nothing is left.
    """
    found = Found()
    places = list(paths)
    for path in places:
        if path.is_dir():
            _add_folder(found, path)
        else:
            found.results += _of_file(path)
    known = {result.experiment for result in found.results}
    if experiment is not None:
        found.results = [one for one in found.results if one.experiment == experiment]
    if not found.results:
        raise InputError(_why_none(places, found, experiment, sorted(known)))
    found.results = _each_once(found.results)
    return found


def _add_folder(found: Found, folder: Path) -> None:
    """Add what lies in a folder; another report's data repeats results and is passed over."""
    results: list[Result] = []
    for path in sorted(folder.glob("*.json")):
        try:
            results += [] if _report_in(path) is not None else [load(path)]
        except FileError as error:
            found.left_out.append(error)
    found.results += sorted(results, key=lambda result: result.created, reverse=True)


def _of_file(path: Path) -> list[Result]:
    content = _report_in(path)
    if content is None:
        return [load(path)]
    return [read(path, json.dumps(item).encode()) for item in content]


def _report_in(path: Path) -> list[Any] | None:
    """Return the results in a report's data; None where a file is something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # load says what is wrong with it
    if not isinstance(content, dict) or "report_version" not in content:
        return None
    found = content.get("results")
    return found if isinstance(found, list) else []


def _each_once(results: Sequence[Result]) -> list[Result]:
    """Return results without those that are there already: a file may be named twice."""
    seen: dict[object, Result] = {}
    for result in results:
        seen.setdefault(result.checksum or id(result), result)
    return list(seen.values())


def _why_none(
    places: Sequence[Path], found: Found, experiment: str | None, known: Sequence[str]
) -> str:
    """Say why there is nothing to report, and what instead."""
    words = ", ".join(str(place) for place in places)
    kind = "folder " if len(places) == 1 and places[0].is_dir() else ""
    if experiment is not None and known:
        return f"{kind}{words} holds no result of {experiment}; choose from {', '.join(known)}"
    if found.left_out:
        return f"{kind}{words} holds no result that can be read: {found.left_out[0]}"
    return f"{kind}{words} holds no results; name a file that lab run has written"
