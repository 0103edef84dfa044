"""What a report can be, by the ending of its file. Light: the command line's help reads it."""

from __future__ import annotations

from pathlib import Path

from engines.errors import FileError

FORMATS = {
    "html": "HTML page",
    "pdf": "PDF",
    "md": "Markdown",
    "json": "all data, JSON",
    "csv": "numbers, CSV",
    "svg": "one figure, SVG",
    "png": "one figure, PNG",
}
"""Each ending in words, the usual one first."""
USUAL = "html"
_ALIASES = {"htm": "html", "markdown": "md"}


def format_of(path: Path) -> str:
    """Return the format that a file's ending names.

    Parameters
    ----------
    path
        A file with an ending.

    Raises
    ------
    FileError
        The ending is none of ``FORMATS``.
    """
    ending = path.suffix.lower().removeprefix(".")
    found = _ALIASES.get(ending, ending)
    if found not in FORMATS:
        choices = ", ".join(f".{name}" for name in FORMATS)
        raise FileError(path, f"has the ending .{ending}; choose from {choices}")
    return found
