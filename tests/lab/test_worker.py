"""What a measured process loads: a numba that has not looked at SciPy, which is there all the same.

How processes are started, pinned and ended is in test_runner.py.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import sys
from lab.measure.worker import spare_numba_scipy
spare_numba_scipy()
from engines.matching import IMPLEMENTATIONS
IMPLEMENTATIONS["price_ladder"].create(orders=10, symbols=1)
assert "numba" in sys.modules
"""


def said_by(program: str) -> str:
    """Return what a program prints in a fresh process."""
    words = [sys.executable, "-c", program]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_kernels_are_loaded_without_the_half_of_scipy():
    assert said_by(START + "print('scipy.linalg' in sys.modules)") == "False"


@pytest.mark.parametrize("before", ["", START])
def test_whoever_imports_scipy_has_all_of_it(before):
    program = "\nimport scipy.stats, scipy.linalg.cython_blas; print(scipy.stats.norm.cdf(0.0))"
    assert said_by("import sys" + before + program) == "0.5"
