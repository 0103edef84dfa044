"""Whether the engines in C++ were built here, and what to install where they were not.

An install without a C++ compiler succeeds, and these engines are left out. Nothing is imported here
but the standard library: ``lab list`` asks, and ``make setup`` runs this file as a script at every
call, to see a compiler that has come since.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from functools import cache
from pathlib import Path

EXTENSION = "engines.matching.native._native"
_COMPILERS = ("c++", "g++", "clang++")  # as CMake looks for them
_DEBIAN_HEADERS = "python{}.{}-dev".format(*sys.version_info)
_INSTALL = "pip install --verbose --no-build-isolation --no-deps --no-index --editable ."


def is_built() -> bool:
    """Return whether the extension is installed; it is not loaded, as its package loads Numba."""
    folder = str(Path(__file__).resolve().parent / "native")
    return any(finder.find_spec(EXTENSION, [folder]) for finder in sys.meta_path)


@cache
def what_is_missing() -> str:
    """Return why there are no engines in C++ here, and the remedy, in one line; "" if there are."""
    if is_built():
        return ""
    if not _compiler():
        named = os.environ.get("CXX")
        fact = f"CXX names {named}, which is not there" if named else "no C++ compiler was found"
        return f"{fact}; install one (Debian, Ubuntu: apt install g++), then run make setup"
    if not _headers():
        return (
            "the headers of this Python were not found; install them "
            f"(Debian, Ubuntu: apt install {_DEBIAN_HEADERS}), then run make setup"
        )
    return (
        f"the compiler {_compiler()} came later or failed; run make setup, "
        f"and if that does not help see what it says: {_INSTALL}"
    )


def _compiler() -> str:
    """Return the path of the C++ compiler that a build would take, or ""."""
    named = os.environ.get("CXX", "").split(maxsplit=1)
    found = (shutil.which(name) for name in named[:1] or _COMPILERS)
    return next(filter(None, found), "")


def _headers() -> str:
    """Return the path of the file that a build needs of Python itself, or ""."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    return str(header) if header.exists() else ""


def main() -> None:
    """Print what a build depends on: to compare. On standard error, what is missing: to read."""
    print("built" if is_built() else f"not built: {_compiler() or '-'} {_headers() or '-'}")
    if what_is_missing():
        print(f"      the engines in C++ are left out: {what_is_missing()}", file=sys.stderr)


if __name__ == "__main__":
    main()
