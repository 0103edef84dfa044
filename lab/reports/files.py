"""A report's files: their names, how they are written whole or not at all, and where they lie."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from engines.errors import FileError
from lab.measure.result import CHECKOUT, Result
from lab.reports.formats import USUAL, format_of

if TYPE_CHECKING:
    _SystemPath = Path
else:
    _SystemPath = type(Path())  # before Python 3.12 Path itself cannot be subclassed


class PagePath(_SystemPath):
    """A report's path, which a notebook shows as a link."""

    def _repr_html_(self) -> str:
        # relative, as Jupyter resolves a link from the notebook's folder, which is the kernel's
        address = quote(Path(os.path.relpath(self)).as_posix())
        return f'report: <a href="{escape(address)}">{escape(place(self)[0])}</a>'


def place(path: Path) -> tuple[str, str | None]:
    """Return a file's name for people, and its address where our own JupyterLab serves it."""
    path = Path(path)
    if not path.is_relative_to(CHECKOUT):
        return str(path), None
    inside = path.relative_to(CHECKOUT)
    # `lab open` keeps Jupyter's folders in the checkout and serves the checkout itself.
    is_ours = Path(os.environ.get("JUPYTERLAB_SETTINGS_DIR", "/")).is_relative_to(CHECKOUT)
    return str(inside), f"/files/{quote(inside.as_posix())}" if is_ours else None


def file_name(result: Result) -> str:
    """Return a name for a result's report, without an ending: its time and its experiment."""
    stamp = "".join(letter for letter in result.created if letter.isalnum())
    return f"{stamp}_{result.experiment}"


def target(path: Path) -> tuple[Path, str]:
    """Return the file to write and its format; a name without an ending gets the usual one."""
    has_ending = path.suffix and path.suffix != "."
    page = path if has_ending else path.with_name(f"{path.name.rstrip('.')}.{USUAL}")
    form = format_of(page)
    try:
        is_folder = page.is_dir()
    except (OSError, ValueError) as error:  # a name of 300 letters, say
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(page, f"cannot be a file ({reason}); choose another name") from None
    if is_folder:
        raise FileError(page, "is a folder; name a file in it")
    return page, form


def data_beside(page: Path) -> Path:
    """Return where all numbers lie beside a page.

    Raises
    ------
    FileError
        Only files that are no report's data have the names that it could have.
    """
    # r.html made of r.json, say, has its data in r.data.json: no result is ever replaced.
    names = [page.with_suffix(ending) for ending in (".json", ".data.json")]
    for name in names:
        if not name.exists() or is_report_data(name):
            return name
    raise FileError(
        names[-1],
        "holds something else than a report's data; choose another page: "
        f"--output NAME{page.suffix}",
    )


def refuse_to_replace(page: Path) -> None:
    """Refuse to write a report's data over a file that is none.

    Raises
    ------
    FileError
        The file is a result, say, which the report may have been made of.
    """
    if page.exists() and not is_report_data(page):
        raise FileError(page, "holds something else than a report's data; choose another name")


def is_report_data(path: Path) -> bool:
    """Say whether a file holds what a report keeps beside itself."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "report_version" in found


def write_all(contents: dict[Path, bytes]) -> None:
    """Write files whole or not at all: first all beside their names, then all renamed.

    Raises
    ------
    FileError
        The disk is full, or a folder cannot be written; what was there before is untouched.
    """
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in contents}
    is_new = {path: not path.exists() for path in contents}
    made: list[Path] = []
    moved: list[Path] = []
    path = next(iter(contents))
    try:
        for path, content in contents.items():
            made += _make_folder(path.parent)
            _write_durably(parts[path], content)
        for path, part in parts.items():
            os.replace(part, path)
            moved.append(path)
    except BaseException as error:
        _take_back([done for done in moved if is_new[done]], made, parts)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise FileError(
                path, f"cannot be written ({reason}); free some room or choose another folder"
            ) from None
        raise
    finally:
        _remove(parts.values())


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and return those that were not there, the outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _take_back(files: list[Path], folders: list[Path], parts: dict[Path, Path]) -> None:
    """Remove what was made for nothing."""
    _remove([*files, *parts.values()])
    for folder in reversed(folders):
        with contextlib.suppress(OSError):  # somebody else has put something into it
            folder.rmdir()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):  # not there, or nor is its folder
            path.unlink()


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
