"""How many instructions a plain command costs on the price ladder, counted by callgrind.

A count, not a time: the same on a loaded machine. It holds for the locked Numba and x86-64-v3; the
figures were taken before the engine knew any order type but limit and market. Larger books are not
counted: there a batch is looked at ahead, which costs instructions and saves misses.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys

import pytest

BEFORE = {1_000: 291.5}  # live orders: instructions a command
NUMBA = "0.68.1"
MOST = 1.03
PASSES = (1, 11)
SCRIPT = """
import sys
import numpy as np
from engines.matching.price_ladder import PriceLadder
from engines.messages import EVENT
from lab.workloads.order_flow import generate

live, passes = int(sys.argv[1]), int(sys.argv[2])
if passes == 0:
    flow = generate("balanced", messages=200_000, live_orders=live, seed=1)
    np.save(sys.argv[3], np.concatenate([flow.preload, flow.commands]))
    passes = 1
commands, events = np.load(sys.argv[3]), np.zeros(2**19, EVENT)
for _ in range(passes):
    taken, _ = PriceLadder(orders=2 * live + 1_000).submit(commands, events)
    assert taken == len(commands)
print(len(commands))
"""


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the figures are for x86-64")
@pytest.mark.skipif(
    importlib.metadata.version("numba") != NUMBA, reason="the figures are for another Numba"
)
@pytest.mark.parametrize("live", list(BEFORE))
def test_rare_rules_cost_plain_orders_nothing(tmp_path, live):
    place = str(tmp_path / "flow.npy")
    # for the code to be the same under valgrind, which shows the program another processor
    settings = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "PYTHONHASHSEED": "0"}
    environment = os.environ | settings

    def run(passes, *before):
        command = [*before, sys.executable, "-c", SCRIPT, str(live), str(passes), place]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    count = int(run(0).stdout)  # makes the flow, and compiles

    def instructions(passes):
        out = run(passes, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
        return int(re.search(r"Collected : (\d+)", out.stderr)[1])

    few, many = PASSES
    actual = (instructions(many) - instructions(few)) / ((many - few) * count)
    print(f"{live} live orders: {actual:.1f} instructions a command, {BEFORE[live]} before")
    assert actual <= MOST * BEFORE[live]
