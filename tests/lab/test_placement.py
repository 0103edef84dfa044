"""Memory lies where it is asked to, page by page; what cannot be had is refused or said."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

from engines.errors import InputError
from lab import placement_check
from lab.hardware import placement
from lab.hardware.comparing import differences_of
from lab.hardware.memory import Buffer, Wanted, allocate
from lab.hardware.pages import PAGE, Found
from lab.hardware.placement import FIRST_TOUCH, Policy, policy

MISSING = max(placement.nodes_with_memory()) + 1


def can_place() -> bool:
    """Whether this process may ask for a policy at all: some containers forbid the call."""
    try:
        return placement.set_policy(placement.get_policy()) is not None
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not can_place(), reason="the calls about nodes are forbidden here")


# -- the check that a person runs ------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows() -> list[placement_check.Row]:
    return placement_check.check()


@pytest.mark.parametrize("name", [name for name, _, _ in placement_check.CHECKS])
def test_this_machine(rows, name):
    """With one memory node, those that want another are skipped and say so."""
    mine = [row for row in rows if name in row.name]
    assert mine and all(row.evidence for row in mine)
    assert [row for row in mine if row.state == "failed"] == []
    reasons = {row.evidence for row in mine if row.state == "skipped"}
    if not [row for row in mine if row.state == "passed"]:
        pytest.skip("; ".join(reasons))


def test_it_runs_where_only_numpy_and_numba_are():
    """As in a guest that was made for it."""
    absent = ("click", "pydantic", "pytest", "scipy", "matplotlib", "ipywidgets")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); "
        "from lab.placement_check import main; sys.exit(main([]))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines()[-1].endswith("skipped")


# What a container's usual filter of system calls does: these answer "not permitted".
FILTERED = """
import ctypes, struct, sys
from lab import placement_check
from lab.hardware import placement
from lab.hardware.memory import Wanted, allocate

numbers = [placement._CALLS[name] for name in
           ("mbind", "set_mempolicy", "get_mempolicy", "move_pages", "migrate_pages")]
steps = [(0x20, 0, 0, 0)]  # load the call's number
steps += [(0x15, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
steps += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]  # allow it; or EPERM
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
if libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0):
    sys.exit(77)
placement_check.CHECKS = placement_check.CHECKS[:-1]  # nothing is compiled for this
status = placement_check.main([])
with allocate(Wanted(64 * 4096, pages="small", prefault="populate")) as buffer:
    print(buffer.found(), *buffer.found().notes, *buffer.differences())
sys.exit(status)
"""


def test_where_a_container_forbids_the_calls_it_is_said_and_nothing_fails():
    child = subprocess.run([sys.executable, "-c", FILTERED], capture_output=True, text=True)
    if child.returncode == 77:
        pytest.skip("no filter can be set here")
    assert child.returncode == 0, child.stdout + child.stderr
    *rows, total, last = child.stdout.splitlines()
    assert ", 0 failed, " in total
    forbidden = [row for row in rows if "this container forbids" in row]
    assert len(forbidden) > 3 and all(row.startswith("skipped") for row in forbidden)
    assert "counted in numa_maps" in last


def test_a_failure_is_a_failure(monkeypatch, capsys):
    """A kernel that leaves the pages where they are would be seen."""

    def lies_elsewhere(self: Buffer) -> Found:
        status = np.full(placement_check._PAGES, 7, np.int32)
        return Found(len(status), {7: len(status)}, 0, 0, {PAGE: 0}, 0, 0, (), status)

    monkeypatch.setattr(Buffer, "found", lies_elsewhere)
    chosen = [entry for entry in placement_check.CHECKS if entry[0] == "bind,"]
    monkeypatch.setattr(placement_check, "CHECKS", tuple(chosen))
    assert placement_check.main([]) == 1
    said = capsys.readouterr().out
    node = placement.usable_nodes()[0]
    assert f"failed   bind, node {node}" in said
    assert f"240 on node 7, not on {node} as asked (bind)" in said


# -- a thread's policy -----------------------------------------------------------------------------


def test_a_policy_is_given_back_after_success_and_failure_and_inside_another():
    before = placement.get_policy()
    with policy("preferred", placement.usable_nodes()[:1]) as outer:
        assert placement.get_policy() == outer != before
        with pytest.raises(ZeroDivisionError), policy("interleave", placement.usable_nodes()):
            assert placement.get_policy().mode == "interleave"
            raise ZeroDivisionError
        assert placement.get_policy() == outer
        with pytest.raises(InputError), policy("bind", (MISSING,)):
            pytest.fail("there is no such node")
        assert placement.get_policy() == outer
    assert placement.get_policy() == before


def test_a_policy_is_this_threads_and_those_it_starts():
    seen = []
    with policy("bind", placement.usable_nodes()[:1]) as taken:
        thread = threading.Thread(target=lambda: seen.append(placement.get_policy()))
        thread.start()
        thread.join()
        child = "from lab.hardware.placement import get_policy; print(get_policy())"
        inherited = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
    assert seen == [taken] and inherited.stdout.strip() == str(taken)


@pytest.mark.parametrize(
    ("mode", "nodes", "message"),
    [
        (
            "bind",
            (MISSING,),
            f"^node {MISSING} cannot be used: this machine has memory on .*choose",
        ),
        ("bind", (0, MISSING, MISSING + 1), f"^nodes {MISSING}, {MISSING + 1} cannot be used"),
        ("bind", (), "^bind takes nodes; name some$"),
        ("local", (0,), "^local takes no nodes; leave them out$"),
        ("preferred", (0, 1), "names 2 nodes; name one, or take preferred many"),
        ("everywhere", (), "^'everywhere' is no placement; choose from first touch, preferred"),
    ],
)
def test_what_cannot_be_is_refused_before_the_kernel_is_asked(mode, nodes, message):
    with pytest.raises(InputError, match=message), policy(mode, nodes):
        pytest.fail("it was taken")


def test_a_narrowed_mask_is_an_error():
    there, before = placement.usable_nodes()[0], placement.get_policy()
    wanted = Policy("bind", (there, MISSING))
    try:
        taken = placement.set_policy(wanted)
    finally:
        placement.set_policy(before)
    assert taken == Policy("bind", (there,))  # this is what the kernel does with it
    with pytest.raises(InputError, match=re.escape(f"{wanted} became {taken} in the kernel")):
        placement.required(wanted, taken)


def test_a_mask_ends_one_before_maxnode():
    words, most = placement.mask_of((0, 63, 64), bits=128)
    assert (list(words), most) == ([1 << 63 | 1, 1], 129)


def test_a_node_outside_the_control_group_is_told_from_one_that_is_not_there(monkeypatch):
    monkeypatch.setattr(placement, "usable_nodes", lambda: (0,))
    monkeypatch.setattr(placement, "nodes_with_memory", lambda: (0, 1))
    assert placement.refusal(Policy("bind", (1,))) == (
        "node 1 cannot be used: this process may use 0 (cpuset.mems); "
        "choose from those or widen the control group"
    )
    assert "this machine has memory on 0-1" in placement.refusal(Policy("bind", (2,)))


def test_what_an_old_kernel_and_a_container_refuse_is_said():
    too_old = OSError(errno.EINVAL, "set_mempolicy: Invalid argument")
    told = str(placement.explained(too_old, Policy("weighted interleave", (0,))))
    assert "does not know it, it came with 6.9; take interleave" in told
    forbidden = OSError(errno.EPERM, "set_mempolicy: Operation not permitted")
    assert "--cap-add SYS_NICE" in str(placement.explained(forbidden, FIRST_TOUCH))


def test_the_calls_that_find_out():
    cpu, node = placement.current_place()
    assert cpu in os.sched_getaffinity(0) and cpu in placement.cpus_of(node)
    assert node in placement.usable_nodes() or not placement.free_bytes(node)
    with pytest.raises(OSError) as refused:
        placement.move_pages(np.array([id(cpu)], np.int64), np.array([MISSING], np.int32))
    assert refused.value.errno == errno.ENODEV
    assert placement.migrate_pages(placement.usable_nodes()[:1], placement.usable_nodes()[:1]) == 0


def test_where_single_pages_are_not_told_the_kernels_counts_are_taken(monkeypatch):
    """A container may forbid move_pages; numa_maps tells of a mapping as a whole."""

    def forbidden(addresses: np.ndarray) -> np.ndarray:
        raise OSError(errno.EPERM, "move_pages: Operation not permitted")

    node = placement.usable_nodes()[0]
    with allocate(Wanted(64 * PAGE, backing="shared", placement="bind", nodes=(node,))) as buffer:
        buffer.array[: 16 * PAGE] = 1
        exact = buffer.found()
        monkeypatch.setattr("lab.hardware.pages.node_of_pages", forbidden)
        counted = buffer.found()
    assert counted.nodes == exact.nodes == {node: 16}
    assert (counted.absent, counted.present, len(counted.status)) == (48, 16, 0)
    assert "counted in numa_maps" in counted.notes[0]


def test_memory_of_a_node_is_read_from_its_own_file(tmp_path):
    from lab.hardware.sysfs import Tree

    text = "Node 1 MemTotal: 500 kB\nNode 1 MemFree: 100 kB\nNode 1 Inactive(file): 40 kB\n"
    file = tmp_path / "sys/devices/system/node/node1/meminfo"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert placement.free_bytes(1, Tree(tmp_path)) == (100 + 40 - 10) * 1024
    assert placement.free_bytes(2, Tree(tmp_path)) is None


# -- what was asked beside what was found ----------------------------------------------------------


def found(nodes: dict[int, int], absent: int = 0, huge: int = 0) -> Found:
    pages = sum(nodes.values()) + absent
    return Found(pages, nodes, absent, 0, {PAGE: sum(nodes.values()) * PAGE - huge}, 0, 0)


@pytest.mark.parametrize(
    ("wanted", "seen", "difference"),
    [
        ({"placement": "bind", "nodes": [1]}, {1: 64}, ""),
        ({"placement": "bind", "nodes": [1]}, {1: 60, 0: 4}, "of 64 pages 4 on node 0, not on 1"),
        ({"placement": "preferred", "nodes": [1]}, {0: 64}, "of 64 pages 64 on node 0"),
        ({"placement": "interleave", "nodes": [0, 1]}, {0: 32, 1: 32}, ""),
        ({"placement": "interleave", "nodes": [0, 1]}, {0: 33, 1: 31}, ""),
        ({"placement": "interleave", "nodes": [0, 1]}, {0: 40, 1: 24}, "node 0 has 40 of 64"),
        (
            {"placement": "interleave", "nodes": [0, 1]},
            {0: 64},
            "node 1 has 0 of 64 pages, its sha",
        ),
        ({"placement": "weighted interleave", "nodes": [0, 1]}, {0: 48, 1: 16}, ""),
        ({"placement": "weighted interleave", "nodes": [0, 1]}, {0: 32, 1: 32}, "its share is 48"),
    ],
)
def test_a_difference_is_told(monkeypatch, wanted, seen, difference):
    monkeypatch.setattr("lab.hardware.comparing.weights", lambda: {0: 3, 1: 1})
    told = differences_of(Wanted(64 * PAGE, **wanted), found(seen))
    assert bool(told) == bool(difference) and difference in " ".join(told)


def test_pages_that_should_be_there_and_are_not_are_told():
    wanted = Wanted(64 * PAGE, prefault="populate")
    assert differences_of(wanted, found({0: 60}, absent=4)) == ["4 of 64 pages are not there"]
    assert differences_of(Wanted(64 * PAGE), found({0: 60}, absent=4)) == []


def test_what_cannot_be_seen_is_not_taken_for_right(monkeypatch):
    """Without /proc/self/smaps and pagemap."""
    monkeypatch.setattr("lab.hardware.pages._areas", lambda *_: iter(()))
    monkeypatch.setattr("lab.hardware.pages._scanned", lambda *_: None)
    wanted = Wanted(64 * PAGE, pages="small", prefault="populate", lock="on fault")
    with allocate(wanted) as buffer:
        seen = buffer.found()
        assert (seen.present, seen.page_sizes, seen.locked_bytes) == (64, {}, None)
        assert seen.notes == ("the sizes of pages are not shown here (/proc/self/smaps)",)
        assert buffer.differences() == [
            "the sizes of its pages cannot be seen here",
            "whether it is locked cannot be seen here",
        ]


def test_more_than_a_node_has_is_refused_before_it_is_touched():
    node = placement.usable_nodes()[-1]
    free = placement.free_bytes(node)
    if free is None:
        pytest.skip("the node does not show what is free")
    with pytest.raises(
        InputError, match=rf"^node {node} has \d+ MiB to give and \d+ MiB are wanted"
    ):
        allocate(Wanted(free + (1 << 30), placement="bind", nodes=(node,)))
