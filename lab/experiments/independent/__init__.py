"""Programs that share no code with the lab and measure what it measures, for the same turns.

A number that only one's own code has ever given is a claim. Each of these is one C++ file that can
be read by itself, compiled here with the machine's own compiler when it is first asked for:

==================  ============================================================================
``timers``          what a reading of each clock costs, and by how much it moves (``clock_cost``)
``core_to_core``    how long a word takes from one core to another (``core_to_core``)
``memory_latency``  what a load takes, through ever more memory (``memory_latency``)
==================  ============================================================================

A program stays for a whole measurement: for each line on standard input it measures once and writes
one line of JSON (``turns.hpp``). ``lab.experiments.independent_task`` starts it in a measured
process and passes the turns on; there too are programs that run once a turn, such as lat_mem_rd.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from lab.measure.result import CHECKOUT

_SOURCES = Path(__file__).resolve().parent
_BUILT = CHECKOUT / ".cache" / "independent"
_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-std=c++17", "-O2", "-pthread")
_SECONDS_MOST = 120


@cache
def built(name: str) -> tuple[Path | None, str]:
    """Return a program, compiled if it is not there yet, or why there is none.

    Parameters
    ----------
    name
        The name of its source without ``.cpp``.

    Returns
    -------
    tuple
        The program's path and "", or None and one line: the fact, then the remedy.
    """
    words, problem = compiler()
    if problem:
        return None, problem
    source = _SOURCES / f"{name}.cpp"
    program = _BUILT / f"{name}-{_digest(source, words)}"
    if program.exists():
        return program, ""
    try:
        problem = _compile(source, words, program)
    except OSError as error:
        problem = f"{name} could not be written: {error}; make {_BUILT.parent} writable"
    except subprocess.TimeoutExpired:
        problem = f"{name} was not compiled within {_SECONDS_MOST} s; try again"
    return (None, problem) if problem else (program, "")


def compiler() -> tuple[list[str], str]:
    """Return the words that call the C++ compiler, or none and what to install.

    ``CXX`` comes first, as everywhere; then the first of c++, g++ and clang++ that is there.
    """
    named = shlex.split(os.environ.get("CXX", ""))
    for name in named[:1] or _COMPILERS:
        if path := shutil.which(name):
            return [path, *named[1:]], ""
    fact = f"CXX names {named[0]}, which is not there" if named else "no C++ compiler was found"
    return [], f"{fact}; install one to have independent programs (Debian, Ubuntu: apt install g++)"


def _digest(source: Path, words: list[str]) -> str:
    """Return 12 hex digits over all that decides a program: sources, compiler, flags."""
    compiled_by = os.stat(words[0])
    digest = hashlib.sha256(repr((words, _FLAGS, compiled_by.st_size)).encode())
    digest.update(str(compiled_by.st_mtime_ns).encode())
    for path in (source, *sorted(_SOURCES.glob("*.hpp"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _compile(source: Path, words: list[str], program: Path) -> str:
    """Compile a program beside its place and move it there whole; return what went wrong, or ""."""
    _BUILT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILT) as folder:
        half_done = Path(folder) / source.stem
        done = subprocess.run(
            [*words, *_FLAGS, str(source), "-o", str(half_done)],
            capture_output=True,
            text=True,
            timeout=_SECONDS_MOST,
        )
        if done.returncode:
            lines = done.stderr.splitlines()
            said = next((line for line in lines if "error" in line), "it said nothing")
            return f"{source.name} was refused by {words[0]}: {said}; name another one in CXX"
        half_done.replace(program)
    return ""
