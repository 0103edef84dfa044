"""A sweep's folder: its plan, written whole before anything runs, and a result's file a point.

What was measured is told from the results alone, so nothing has to be kept in step with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from engines.errors import FileError, InputError
from lab.experiments import Experiment
from lab.measure.grid import Point, key_of, varied
from lab.measure.result import CHECKOUT

SWEEPS = CHECKOUT / "data" / "results" / "sweeps"
_PLAN = "sweep.plan"  # JSON, and not called so: a folder's results are its .json files
_LOCK = ".lock"
_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What a sweep measures: an experiment at several points, on one machine."""

    experiment: str
    size: str | None
    points: list[Point]
    machine: str

    @property
    def varied(self) -> list[str]:
        """The parameters that tell one point from another."""
        return varied(self.points)

    @property
    def folder(self) -> Path:
        """Where it lies unless another place is named: the same plan, the same place."""
        content = key_of([self.experiment, self.points, self.machine])
        digest = hashlib.blake2b(content.encode(), digest_size=4).hexdigest()
        return SWEEPS / f"{self.experiment}_{digest}"


def planned(experiment: Experiment, points: list[Point], size: str | None = None) -> Plan:
    """Return the plan of a sweep on this machine.

    Parameters
    ----------
    experiment, points, size
        What ``lab.measure.grid.points_of`` was given and gave.
    """
    from lab.hardware.machine import fingerprint

    return Plan(experiment.name, size, points, fingerprint()["id"])


def check_plan(plan: Plan, folder: Path, anew: bool = False) -> None:
    """Refuse a folder that holds another sweep, or anything else.

    Raises
    ------
    InputError
        It does. Another sweep is no hindrance where one starts ``anew``.
    """
    there = read_plan(folder)
    if there is None:
        if folder.is_dir() and any(path.name != _LOCK for path in folder.iterdir()):
            raise InputError(
                f"folder {folder} holds other files and no sweep; choose a new or an empty one"
            )
    elif not anew and (problem := _difference(there, plan)):
        raise InputError(
            f"folder {folder} holds another sweep: {problem}; choose another folder, or start "
            "anew, which removes what was measured there"
        )


def read_plan(folder: Path) -> Plan | None:
    """Return the plan that a folder holds, or None where there is none.

    Raises
    ------
    FileError
        It cannot be read, or is none.
    """
    path = folder / _PLAN
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("version")
        plan = Plan(**content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror}); check the folder") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FileError(path, "is not a sweep's plan; choose another folder") from None
    if version != _VERSION:
        raise FileError(path, f"has version {version}, this program reads {_VERSION}; update it")
    return plan


@contextlib.contextmanager
def held(plan: Plan, folder: Path, anew: bool) -> Iterator[None]:
    """Keep a folder to this process, with the plan in it.

    Parameters
    ----------
    plan, folder
        The sweep.
    anew
        Whether what was measured there is removed first.

    Raises
    ------
    InputError
        Another process is at it.
    FileError
        The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    except OSError as error:
        raise _not_written(folder, error) from None
    with lock:  # closing it, or the end of this process, gives it back
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"the sweep in {folder} is being run by another process; wait for it or stop it"
            ) from None
        if anew:
            _clear(folder)
        if read_plan(folder) is None:
            _write_plan(plan, folder)
        yield


def _difference(there: Plan, plan: Plan) -> str:
    """Say how a plan differs from the one that a folder holds, or ""."""
    if there.experiment != plan.experiment:
        return f"of {there.experiment}, not of {plan.experiment}"
    if there.machine != plan.machine:
        return f"of machine {there.machine}, and this is {plan.machine}"
    ours, theirs = set(map(key_of, plan.points)), set(map(key_of, there.points))
    if ours == theirs:
        return ""
    return f"{len(theirs)} points, {len(ours & theirs)} of them among these {len(ours)}"


def _write_plan(plan: Plan, folder: Path) -> None:
    """Write the plan whole or not at all."""
    part = folder / f".{_PLAN}.part"
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump({"version": _VERSION} | asdict(plan), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, folder / _PLAN)
    except OSError as error:
        raise _not_written(folder, error) from None
    finally:
        part.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Remove a sweep's plan and its results, and nothing else."""
    plan = read_plan(folder)
    if plan is not None:
        for path in folder.glob(f"*_{plan.experiment}_*.json"):
            path.unlink()
        (folder / _PLAN).unlink()


def _not_written(folder: Path, error: OSError) -> FileError:
    return FileError(folder, f"cannot be written ({error.strerror}); choose another folder")
