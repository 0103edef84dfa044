"""Building ``sanitized.cpp`` with AddressSanitizer and UBSan, and putting flows through it.

The program holds the engines in C++ and nothing else, so whatever the sanitizers find is ours. It
is built with ``XLAB_CHECKED``: every record that is reached by index is looked at first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

import engines
from engines.messages import EVENT

NATIVE = Path(engines.__file__).parent / "matching" / "native"
SOURCES = {
    "sanitized": Path(__file__).with_name("sanitized.cpp"),
    "ladder": NATIVE / "src" / "ladder.cpp",
    "c_api": NATIVE / "src" / "c_api.cpp",
}
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FLAGS = ["-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-D_GLIBCXX_ASSERTIONS"]
FLAGS += ["-DXLAB_CHECKED", *SANITIZE]
COMPILER = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), "")
PATIENCE_S = 600


def what_is_missing(folder: Path) -> str:
    """Return why nothing can be built with sanitizers here, or ''."""
    if not COMPILER:
        return "no C++ compiler here; Debian, Ubuntu: apt install build-essential"
    source = folder / "nothing.cpp"
    source.write_text("int main() {}\n", encoding="ascii")
    command = [COMPILER, *SANITIZE, str(source), "-o", str(folder / "nothing")]
    done = subprocess.run(command, capture_output=True)
    if done.returncode or subprocess.run([folder / "nothing"], capture_output=True).returncode:
        return f"{COMPILER} builds nothing with sanitizers; Debian, Ubuntu: apt install gcc"
    return ""


def compiled(source: Path, out: Path, headers: Path = NATIVE / "src") -> Path:
    """Compile one file into an object beside ``out``'s others."""
    includes = [f"-I{headers}", f"-I{NATIVE / 'include'}"]
    subprocess.run([COMPILER, *FLAGS, *includes, "-c", str(source), "-o", str(out)], check=True)
    return out


def linked(objects: list[Path], program: Path) -> Path:
    """Link objects into a program."""
    subprocess.run([COMPILER, *FLAGS, *map(str, objects), "-o", str(program)], check=True)
    return program


def build(folder: Path) -> Path:
    """Build the program in a folder, where its objects stay."""
    with ThreadPoolExecutor(2) as pool:
        objects = pool.map(lambda name: compiled(SOURCES[name], folder / f"{name}.o"), SOURCES)
        return linked(list(objects), folder / "sanitized")


def build_with_fault(folder: Path, objects: Path, name: str, there: str, instead: str) -> Path:
    """Build it with one piece of text of a source replaced; the other objects are taken over."""
    sources = folder / "src"
    shutil.copytree(NATIVE / "src", sources)
    path = sources / name
    text = path.read_text(encoding="utf-8")
    assert text.count(there) == 1, f"{name} has {text.count(there)} times: {there}"
    path.write_text(text.replace(there, instead), encoding="utf-8")
    ladder = compiled(sources / "ladder.cpp", folder / "ladder.o", sources)
    return linked([objects / "sanitized.o", ladder, objects / "c_api.o"], folder / "sanitized")


class Job(NamedTuple):
    """A flow and how it is put through which engine; see ``sanitized.cpp``."""

    engine: str
    orders: int
    symbols: int
    owners: int
    commands: np.ndarray
    batch: int
    room: int
    pages: int = 0
    timed: bool = False

    def line(self) -> str:
        """Return the job as the program reads it."""
        sizes = [self.orders, self.symbols, self.owners, self.pages, self.batch, self.room]
        return " ".join(map(str, [self.engine, *sizes, int(self.timed), len(self.commands)])) + "\n"


def run(program: Path, jobs: list[Job], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program over jobs; its events are in ``folder``."""
    with open(folder / "commands", "wb") as file:
        for job in jobs:
            file.write(job.commands.tobytes())
    # Leaks are not looked for: that needs to trace the process, which containers forbid.
    options = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    return subprocess.run(
        [program, folder / "commands", folder / "events"],
        input="".join(job.line() for job in jobs), env=os.environ | options,
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip


def events_of(program: Path, jobs: list[Job], folder: Path) -> list[np.ndarray]:
    """Return the events of each job; what a sanitizer says is a failure."""
    done = run(program, jobs, folder)
    assert done.returncode == 0, done.stderr[-6_000:]
    counts = list(map(int, done.stdout.split()))
    events = np.fromfile(folder / "events", EVENT)
    assert len(counts) == len(jobs) and sum(counts) == len(events)
    return np.split(events, np.cumsum(counts)[:-1])


def assert_answers(program: Path, number: int, market, commands, expected: np.ndarray) -> None:
    """Put commands through the ladder, cut as ``number`` says, and compare the events."""
    sizes = market.orders, market.symbols, market.owners + 1
    job = Job("ladder", *sizes, commands, 1 + number % 61, 1 + number % 97, timed=number % 5 == 0)
    with TemporaryDirectory() as folder:
        (actual,) = events_of(program, [job], Path(folder))
    assert actual.tobytes() == expected.tobytes(), f"piece {number}: {job.line()}"
