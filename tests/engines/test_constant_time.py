"""What costs the same whatever the book's size, proven by counting instructions and not by time.

``constant_time.c`` does one thing many times on a book of the C library; callgrind counts what that
takes, on books of 10^3 to 10^6 live orders, all on 64 levels a side ("deep") or each on a level of
its own ("wide"). Time would grow: a larger book lies in slower memory. That is another matter, and
``matching_scaling`` measures it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.matching import IMPLEMENTATIONS

SOURCE = Path(__file__).with_name("constant_time.c")
INCLUDE = Path(__file__).parents[2] / "engines" / "matching" / "native" / "include"
LIVE = (2**10, 2**14, 2**17, 2**20)  # powers of two, so the table of ids is as full in each
TIMES = 512
MOST = 1.05  # probes of a hash table differ by a few

missing = IMPLEMENTATIONS["native"].missing
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(bool(missing), reason=missing),
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is called cc here"),
]


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, int], float]:
    """Return a function that counts the instructions of one call on a book of a shape and size."""
    from engines.matching.native import library_path

    library = library_path()
    program = tmp_path_factory.mktemp("constant_time") / "constant_time"
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    words = ["cc", "-std=c11", "-O1", *warnings, f"-I{INCLUDE}", str(SOURCE), "-o", str(program)]
    subprocess.run([*words, str(library), f"-Wl,-rpath,{library.parent}"], check=True)

    def count(what: str, shape: str, live: int) -> float:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        command = [*valgrind, "--toggle-collect=measured", str(program)]
        out = subprocess.run(
            [*command, what, shape, str(live), str(TIMES)],
            capture_output=True,
            text=True,
            check=True,
        )
        left = int(re.match(r"(\d+) orders live", out.stdout)[1])
        change = {"add": TIMES, "cancel": -TIMES, "take": -TIMES}.get(what, 0)
        assert left == live + change, "it did not do what was counted"
        return int(re.search(r"Collected : (\d+)", out.stderr)[1]) / TIMES

    return count


@pytest.mark.parametrize("shape", ["deep", "wide"])
@pytest.mark.parametrize("what", ["best", "quantity", "cancel", "add", "take"])
def test_it_costs_as_many_instructions_in_a_large_book_as_in_a_small_one(instructions, what, shape):
    counts = {live: instructions(what, shape, live) for live in LIVE}
    print(f"{what}, {shape}: {counts}")
    assert min(counts.values()) > 0
    assert max(counts.values()) <= MOST * min(counts.values()), counts


def test_what_grows_with_the_book_would_be_seen(instructions):
    few, many = (instructions("scan", "wide", live) for live in (2**10, 2**12))
    assert 3.5 < many / few < 4.5
