"""Deleting results so that it can be undone: they are moved into a folder, and moved back.

Not for cleaning up: the folder is emptied by hand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import EEXIST
from pathlib import Path

from engines.errors import FileError
from lab.measure.result import CHECKOUT

TRASH = CHECKOUT / "data" / "results" / "trash"
Moved = list[tuple[Path, Path]]


def discard(paths: Sequence[Path], trash: Path = TRASH) -> Moved:
    """Move files into the trash; all of them, or none.

    Parameters
    ----------
    paths
        The files. One that has gone meanwhile is passed over: it is where it should be.
    trash
        The folder, made where it is not there; on the same disk as the files.

    Returns
    -------
    list of (Path, Path)
        Where each file was and where it is now, for ``restore``.

    Raises
    ------
    FileError
        A file cannot be moved; those moved before it are back in their places.
    """
    moved: Moved = []
    for path in paths:
        try:
            trash.mkdir(parents=True, exist_ok=True)
            target = _free(trash, path)
            os.rename(path, target)
        except FileNotFoundError:
            continue
        except OSError as error:
            restore(moved)
            raise FileError(
                path,
                f"cannot be deleted ({error.strerror}), and nothing was; check its folder's "
                "permissions",
            ) from None
        moved.append((path, target))
    return moved


def restore(moved: Moved) -> list[Path]:
    """Move files back to where they were.

    Returns
    -------
    list of Path
        The files that are back.

    Raises
    ------
    FileError
        A file is no longer in the trash, or another has taken its place; the others are back.
    """
    back, problems = [], []
    for path, target in moved:
        try:
            if path.exists():
                raise FileExistsError(EEXIST, os.strerror(EEXIST))
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(target, path)
            back.append(path)
        except OSError as error:
            problems.append((target, error.strerror))
    if problems:
        place, reason = problems[0]
        raise FileError(
            place, f"cannot be put back ({reason}), {len(back)} others were; move it by hand"
        )
    return back


def _free(trash: Path, path: Path) -> Path:
    """Return a name in the trash that no file has."""
    target, number = trash / path.name, 1
    while target.exists():
        number += 1
        target = trash / f"{path.stem}.{number}{path.suffix}"
    return target
