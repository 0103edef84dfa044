"""What is found out about memory: touched pages, a load's time, what a book of orders takes up."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

from engines.matching import present
from lab.hardware import chase
from lab.hardware.memory import own_bytes, small_pages, touched_pages
from lab.hardware.sysfs import Tree
from lab.hardware.topology import Cache, Topology, read
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.workloads.order_flow import generate

PAGE = mmap.PAGESIZE


def silent(*_: object) -> None:
    """Report to nobody."""


def test_a_page_is_touched_when_it_is_written_and_not_before():
    buffer = small_pages(64 * PAGE)
    assert not touched_pages(buffer).any()
    buffer[[0, 5 * PAGE + 17, 63 * PAGE]] = 1
    assert np.flatnonzero(touched_pages(buffer)).tolist() == [0, 5, 63]


def test_a_process_grows_by_what_it_touches():
    before = own_bytes(Tree())
    buffer = small_pages(256 * PAGE)
    buffer[::PAGE] = 1
    after = own_bytes(Tree())
    if before is None or after is None:
        pytest.skip("the kernel does not say what a process has for itself")
    assert 200 * PAGE <= after - before <= 400 * PAGE


def test_the_chase_is_one_cycle_through_every_line():
    lines = 1_000
    memory = np.zeros(8 * lines, np.int64)
    chase.make_cycle(memory, lines, np.uint64(3))
    place, seen = 0, set()
    for _ in range(lines):
        seen.add(place)
        place = chase.follow(memory, place, 1)
    assert place == 0 and seen == set(range(0, 8 * lines, 8))
    steps = np.diff(sorted(seen, key=lambda start: memory[start]))
    assert len(np.unique(steps)) > lines // 4  # at random: no stride that a machine could foresee


def topology_with(*sizes: int) -> Topology:
    found = read()
    caches = tuple(Cache(3, "unified", size, 64, frozenset({0})) for size in sizes)
    return Topology(**{**found.__dict__, "caches": caches})


def test_the_chase_goes_through_more_than_any_cache_and_no_more_than_there_is():
    mib = 2**20
    assert chase.chase_bytes(topology_with(mib, 32 * mib)) == 128 * mib
    assert (
        chase.chase_bytes(topology_with(2 * mib)) == chase.chase_bytes(topology_with()) == 64 * mib
    )
    assert chase.chase_bytes(topology_with(2**30)) == 2**30
    assert chase.chase_bytes(topology_with(32 * mib), available=100 * mib) == 25 * mib


def test_a_load_takes_some_time():
    assert all(0.1 < ns < 100_000 for ns in chase.load_ns(2**20, passes=2))


@pytest.fixture(scope="module")
def filled():
    """Return a function that fills a book in a fresh process: this one has memory to spare."""
    flow = generate("balanced", 1, 20_000, 1)
    room = {"orders": flow.orders_max, "symbols": 1}
    with Bench(silent) as bench:
        shared = {"preload": bench.share(flow.preload), "commands": bench.share(flow.commands)}

        def fill(engine):
            where = "lab.experiments.memory_task:footprint"
            return bench.run(Task(where, {"room": room, "engine": engine}, shared), engine)

        yield fill


@pytest.mark.parametrize("engine", [name for name in present() if name != "reference"])
def test_what_a_book_takes_up_is_counted(filled, engine):
    found = filled(engine)
    assert found["live"] == 20_000
    assert 24 <= found["bytes"] / found["live"] < 1_000
    if engine in ("price_ladder", "native"):
        # 32 bytes a slot, 8 an entry of the table of ids, of which there are 65,536 here
        exact = 32 * 20_000 + 8 * 65_536
        assert exact <= found["of_orders"] <= exact + 8 * PAGE
        assert found["of_orders"] < found["bytes"] < 1.2 * found["of_orders"]
    else:
        assert found["of_orders"] is None
