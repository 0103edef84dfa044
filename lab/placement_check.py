"""Whether memory on this machine lies where it is asked to: tried, and looked at page by page.

``lab probe --placement`` runs it, and so does ``python -m lab.placement_check`` where there is
nothing but numpy and Numba. With one memory node it says which checks want another, and makes the
rest. Nothing is timed: under emulation the answers are as right as on a machine.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, MatchingEngine, present
from engines.messages import EVENT
from lab.hardware import placement
from lab.hardware.buffer import in_a_thread
from lab.hardware.memory import Buffer, Wanted, allocate
from lab.hardware.pages import PAGE, Found
from lab.hardware.placement import FIRST_TOUCH, Policy
from lab.hardware.sysfs import format_list

if TYPE_CHECKING:
    from lab.workloads.order_flow import Flow

_CHECKOUT = str(Path(__file__).resolve().parents[1])
_PAGES = 240  # in each buffer: a multiple of 2, 3, 4, 5, 6 and 8 nodes
_HUGE_BYTES = 4 << 20
_LIVE_ORDERS, _MESSAGES = 300, 2_000
_NODES_MOST = 8  # for a book each


@dataclass(frozen=True)
class Row:
    """One check: its name, how it went ("passed", "failed", "skipped"), what was seen."""

    name: str
    state: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.state:8} {self.name:34} {self.evidence}"


@dataclass(frozen=True)
class Nodes:
    """The memory nodes that may be used, those of them with CPUs, and a number that none has."""

    usable: tuple[int, ...]
    with_cpus: tuple[int, ...]
    missing: int

    @property
    def without_cpus(self) -> tuple[int, ...]:
        """Memory alone."""
        return tuple(node for node in self.usable if not placement.cpus_of(node))

    @property
    def two(self) -> tuple[int, int]:
        """The first and the last: as far from each other as any."""
        return self.usable[0], self.usable[-1]


def check() -> list[Row]:
    """Make every check.

    Returns
    -------
    list of Row
        In the order made. What needs another node, a newer kernel or a right that this process has
        not is skipped and says so.
    """
    return list(_rows())


def _rows() -> Iterator[Row]:
    nodes = _nodes()
    for name, wants_two, make in CHECKS:
        if wants_two and len(nodes.usable) < 2:
            yield Row(
                name, "skipped", f"needs a second memory node; here is {nodes.usable[0]} only"
            )
            continue
        try:
            yield from make(name, nodes)
        except OSError as error:
            said = str(error)
            if error.errno == errno.EPERM:
                said = f"this container forbids {error.strerror}; run it with --cap-add SYS_NICE"
            yield Row(name, _state_of(error), said)
        except (InputError, AssertionError) as error:
            yield Row(name, _state_of(error), str(error))


def _state_of(error: Exception) -> str:
    """Return "skipped" where a right or a kernel is missing, else "failed"."""
    number = getattr(error, "errno", None) or getattr(error.__context__, "errno", None)
    return "skipped" if number in (errno.EPERM, errno.ENOSYS) else "failed"


def _nodes() -> Nodes:
    usable = placement.usable_nodes()
    with_cpus = tuple(node for node in usable if placement.cpus_of(node) & _allowed())
    missing = max(placement.nodes_with_memory()) + 1
    return Nodes(usable, with_cpus, missing)


def _allowed() -> set[int]:
    return set(os.sched_getaffinity(0))


def _row(name: str, passed: bool, evidence: object) -> Row:
    return Row(name, "passed" if passed else "failed", str(evidence))


def _untold(name: str, found: Found) -> Row | None:
    """Return that nothing can be checked, where the kernel does not tell where the pages lie.

    A container that forbids move_pages leaves the counts of whole mappings, and the kernel joins a
    buffer without a policy of its own with a neighbour: then nothing is known of the buffer alone.
    """
    if not found.untold:
        return None
    return Row(name, "skipped", "; ".join(found.notes) or f"the kernel does not tell: {found}")


def _buffer(**words: object) -> Buffer:
    """Return a buffer of small pages, so that each may lie somewhere else."""
    wanted = {"pages": "small", "prefault": "populate", "nbytes": _PAGES * PAGE, **words}
    return allocate(Wanted(**wanted))  # type: ignore[arg-type]


# -- traps -----------------------------------------------------------------------------------------


def _maxnode(name: str, nodes: Nodes) -> Iterator[Row]:
    """The kernel counts one bit less than ``maxnode`` says."""
    last = nodes.usable[-1]
    words, most = placement.mask_of((last,), bits=last + 1)
    before = placement.get_policy()
    try:
        placement.call("set_mempolicy", placement.MODES["bind"], words, most)
        taken = placement.get_policy()
        placement.set_policy(before)
        try:
            placement.call("set_mempolicy", placement.MODES["bind"], words, most - 1)
            lost = f"bind {placement.get_policy()}"
        except OSError as error:
            lost = str(errno.errorcode.get(error.errno or 0))
    finally:
        placement.set_policy(before)
    evidence = f"node {last}: maxnode {most} gives {taken}, maxnode {most - 1} gives {lost}"
    yield _row(name, taken.nodes == (last,) and lost == "EINVAL", evidence)


def _missing_node(name: str, nodes: Nodes) -> Iterator[Row]:
    """libnuma hands out memory anyway; here nothing is handed out."""
    evidence = []
    for mode in ("bind", "preferred", "interleave"):
        try:
            _buffer(placement=mode, nodes=(nodes.missing,)).close()
        except InputError as error:
            evidence.append(str(error))
    with _buffer() as buffer:
        try:
            taken = placement.bind_range(buffer.address, PAGE, Policy("bind", (nodes.missing,)))
            kernel = f"the kernel took {taken}"
        except OSError as error:
            kernel = f"the kernel itself: {errno.errorcode.get(error.errno or 0)}"
    is_refused = "EINVAL" in kernel or "EPERM" in kernel  # or a container refuses everything
    said = f"{evidence[-1]}; {kernel}" if evidence else "it was not"
    yield _row(name, len(evidence) == 3 and is_refused, said)


def _narrowed_mask(name: str, nodes: Nodes) -> Iterator[Row]:
    """The kernel drops what it has not, and says nothing."""
    wanted = Policy("bind", (nodes.usable[0], nodes.missing))
    before = placement.get_policy()
    try:
        taken = placement.set_policy(wanted)
    finally:
        placement.set_policy(before)
    refused = ""
    try:
        placement.required(wanted, taken)
    except InputError as error:
        refused = str(error)
    was_left = placement.get_policy() == before
    yield _row(name, taken.nodes == nodes.usable[:1] and bool(refused) and was_left, refused)


def _untouched(name: str, nodes: Nodes) -> Iterator[Row]:
    """A page lies nowhere before it is touched."""
    with _buffer(prefault="no") as buffer:
        buffer.array[: 10 * PAGE : PAGE] = 1
        found = buffer.found()
    right = (found.present, found.absent, sum(found.nodes.values())) == (10, _PAGES - 10, 10)
    yield _untold(name, found) or _row(name, right, found)


def _given_back(name: str, nodes: Nodes) -> Iterator[Row]:
    """A policy ends with its ``with``, also where that is left by an error."""
    before = placement.get_policy()
    try:
        with placement.policy("bind", nodes.usable[-1:]) as within:
            raise KeyError("left by an error")
    except KeyError:
        after = placement.get_policy()
    yield _row(name, after == before and within != before, f"{before}, {within}, {after}")


def _too_much(name: str, nodes: Nodes) -> Iterator[Row]:
    """A bind to a node that has too little would be killed, or be a SIGBUS, page by page."""
    node = min(nodes.usable, key=lambda node: placement.free_bytes(node) or 0)
    free = placement.free_bytes(node)
    if free is None:
        yield Row(name, "skipped", f"node {node} does not show what is free")
        return
    try:
        _buffer(nbytes=free + (64 << 20), placement="bind", nodes=(node,), prefault="no").close()
        yield Row(name, "failed", f"more than the {free >> 20} MiB of node {node} were handed out")
    except InputError as error:
        yield Row(name, "passed", str(error))


# -- placements ------------------------------------------------------------------------------------


def _on_each(mode: str) -> Callable[[str, Nodes], Iterator[Row]]:
    """Return the check that a buffer asked for on a node lies there, for each node."""

    def make(name: str, nodes: Nodes) -> Iterator[Row]:
        for node in nodes.usable:
            with _buffer(placement=mode, nodes=(node,)) as buffer:
                found, wrong = buffer.found(), buffer.differences()
            evidence = "; ".join(wrong) or str(found)
            yield _row(f"{name} node {node}", not wrong and found.nodes == {node: _PAGES}, evidence)

    return make


def _huge(name: str, nodes: Nodes) -> Iterator[Row]:
    """A huge page goes to a node whole; where the kernel gives none, that is said."""
    for node in nodes.usable:
        words = {"nbytes": _HUGE_BYTES, "pages": "transparent", "placement": "bind"}
        with _buffer(**words, nodes=(node,)) as buffer:
            found = buffer.found()
            notes = [*buffer.notes, *found.notes]
        huge = sum(nbytes for size, nbytes in found.page_sizes.items() if size > PAGE)
        if huge:
            right = found.nodes == {node: _HUGE_BYTES // PAGE}
            yield _row(f"{name} node {node}", right, found)
        else:
            yield Row(f"{name} node {node}", "skipped", "; ".join(notes) or f"none given: {found}")


def _first_touch(name: str, nodes: Nodes) -> Iterator[Row]:
    """Whoever writes first decides, by where it runs."""
    for node in nodes.with_cpus:
        with _buffer(placement="first touch", nodes=(node,), prefault="touch") as buffer:
            found, wrong = buffer.found(), buffer.differences()
        cpus = format_list(placement.cpus_of(node))
        evidence = "; ".join(wrong) or f"touched on CPU {cpus}: {found}"
        right = not wrong and found.nodes == {node: _PAGES}
        name_here = f"{name} node {node}"
        yield _untold(name_here, found) or _row(name_here, right, evidence)


def _memory_alone(name: str, nodes: Nodes) -> Iterator[Row]:
    """A node without CPUs is memory like any other."""
    if not nodes.without_cpus:
        yield Row(name, "skipped", "every memory node here has CPUs")
    for node in nodes.without_cpus:
        with _buffer(placement="bind", nodes=(node,)) as buffer:
            buffer.array[:] = np.arange(len(buffer.array)) % 251
            right = np.array_equal(buffer.array, np.arange(len(buffer.array)) % 251)
            found = buffer.found()
        evidence = f"node {node} has no CPU; written and read back; {found}"
        yield _row(name, right and found.nodes == {node: _PAGES}, evidence)


def _interleave(name: str, nodes: Nodes) -> Iterator[Row]:
    """Page after page goes to the next node."""
    with _buffer(placement="interleave", nodes=nodes.usable) as buffer:
        found, wrong = buffer.found(), buffer.differences()
    status, count = found.status, len(nodes.usable)
    in_turn = np.array_equal(status[count:], status[:-count])
    each_once = sorted(status[:count].tolist()) == list(nodes.usable)
    evidence = "; ".join(wrong) or f"{found}; in turn {status[: 2 * count].tolist()} …"
    yield _row(name, not wrong and in_turn and each_once, evidence)


def _weighted(name: str, nodes: Nodes) -> Iterator[Row]:
    """Each node gets as many pages in a row as its weight."""
    heavy = placement.weights()
    if not heavy:
        yield Row(name, "skipped", f"Linux {os.uname().release} has none; it came with 6.9")
        return
    with _buffer(placement="weighted interleave", nodes=nodes.usable) as buffer:
        found, wrong = buffer.found(), buffer.differences()
    yield _row(name, not wrong, "; ".join(wrong) or f"weights {heavy}; {found}")


# -- moving ----------------------------------------------------------------------------------------


def _later_policy(name: str, nodes: Nodes) -> Iterator[Row]:
    """A policy that comes after the pages moves none of them, unless it is told to."""
    old, new = nodes.two
    with _buffer(placement="bind", nodes=(old,)) as buffer:
        buffer.place("bind", (new,), move=False)
        stayed, told = buffer.found(), buffer.differences()
        buffer.place("bind", (new,), move=True)
        moved, wrong = buffer.found(), buffer.differences()
    right = stayed.nodes == {old: _PAGES} and bool(told) and moved.nodes == {new: _PAGES}
    yield _row(name, right and not wrong, f"without move {stayed}; with move {moved}")


def _move_pages(name: str, nodes: Nodes) -> Iterator[Row]:
    """Each page to its own node, what is in it unchanged."""
    with _buffer(placement="bind", nodes=nodes.usable[:1]) as buffer:
        buffer.array[:] = np.arange(len(buffer.array)) % 251
        addresses = buffer.address + PAGE * np.arange(_PAGES)
        wanted = np.resize(np.array(nodes.usable, np.int32), _PAGES)
        buffer.place("first touch")  # or the bind would be held against where they go
        told = placement.move_pages(addresses, wanted)
        found = buffer.found()
        same = np.array_equal(buffer.array, np.arange(len(buffer.array)) % 251)
    right = np.array_equal(found.status, wanted) and np.array_equal(told, wanted) and same
    yield _row(name, right, f"from node {nodes.usable[0]}: {found}; contents unchanged")


def _migrate_pages(name: str, nodes: Nodes) -> Iterator[Row]:
    """All of a process at once; in one of its own, since it moves its Python too."""
    old, new = nodes.two
    child = subprocess.run(
        [sys.executable, "-P", "-m", "lab.placement_check", "--migrate", str(old), str(new)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([_CHECKOUT, *sys.path[1:]])},
        capture_output=True,
        text=True,
    )
    lines = child.stdout.splitlines() or [child.stderr.strip()[-200:] or "it said nothing"]
    yield _row(name, child.returncode == 0, lines[-1])


def _migrate_myself(old: int, new: int) -> int:
    """Move this process's pages from one node to another; print what was seen."""
    with _buffer() as buffer:
        addresses = buffer.address + PAGE * np.arange(_PAGES)
        placement.move_pages(addresses, np.full(_PAGES, old, np.int32))
        before = buffer.found()
        stayed = placement.migrate_pages((old,), (new,))
        after = buffer.found()
    print(f"{before}; after {old} → {new}: {after}; {stayed} pages of the process would not move")
    return 0 if (before.nodes, after.nodes) == ({old: _PAGES}, {new: _PAGES}) else 1


# -- a book ----------------------------------------------------------------------------------------


def _book(name: str, nodes: Nodes) -> Iterator[Row]:
    """An engine gives the reference's bytes wherever its book lies."""
    from lab.workloads.order_flow import generate

    flow = generate("balanced", _MESSAGES, _LIVE_ORDERS, seed=1)
    oracle = IMPLEMENTATIONS["reference"].create(flow.orders_max, flow.symbols)
    expected = _answers(oracle, flow)
    for engine in ("price_ladder", "native"):
        if engine not in present():
            yield Row(f"{engine}: {name}", "skipped", IMPLEMENTATIONS[engine].missing)
            continue
        for node in nodes.usable[:_NODES_MOST]:
            yield _book_on(f"{engine}: {name} node {node}", nodes, node, flow, engine, expected)


def _book_on(name: str, nodes: Nodes, node: int, flow: Flow, engine: str, expected: str) -> Row:
    """Carry out a flow on the first node's CPUs, the book on another node."""
    # Where no node shows its CPUs: any.
    here = frozenset().union(*map(placement.cpus_of, nodes.with_cpus[:1])) & _allowed()
    create = partial(IMPLEMENTATIONS[engine].create, flow.orders_max, flow.symbols)
    nbytes = create().buffer.nbytes  # type: ignore[attr-defined]
    seen: list[str] = []
    with _buffer(nbytes=nbytes, placement="bind", nodes=(node,)) as buffer:

        def run() -> None:
            book = create(buffer=buffer.array)
            seen.append(_answers(book, flow))
            book.check()

        in_a_thread(run, here, FIRST_TOUCH)
        found, wrong = buffer.found(), buffer.differences()
    evidence = (
        f"run on CPU {format_list(here) or 'any'}: events and book {seen[0]}, "
        f"the reference's {expected}; {'; '.join(wrong) or found}"
    )
    return _row(name, seen == [expected] and not wrong, evidence)


def _answers(engine: MatchingEngine, flow: Flow) -> str:
    """Return a digest of every event of a flow and of the book at its end."""
    events = np.zeros(8 * (_MESSAGES + _LIVE_ORDERS), EVENT)
    digest = hashlib.blake2b(digest_size=8)
    for commands in (flow.preload, flow.commands):
        taken, written = engine.submit(commands.copy(), events)
        assert taken == len(commands), f"{taken} of {len(commands)} commands were taken"
        digest.update(events[:written].view(np.uint8).data)
    digest.update(engine.digest().encode())
    return digest.hexdigest()


CHECKS: tuple[tuple[str, bool, Callable[[str, Nodes], Iterator[Row]]], ...] = (
    ("maxnode", False, _maxnode),
    ("missing node refused", False, _missing_node),
    ("narrowed mask seen", False, _narrowed_mask),
    ("untouched pages told", False, _untouched),
    ("policy given back", False, _given_back),
    ("more than a node has", False, _too_much),
    ("bind,", False, _on_each("bind")),
    ("preferred,", False, _on_each("preferred")),
    ("huge pages,", False, _huge),
    ("first touch,", False, _first_touch),
    ("memory-only node", False, _memory_alone),
    ("interleave", True, _interleave),
    ("weighted interleave", True, _weighted),
    ("policy after the pages", True, _later_policy),
    ("move_pages", True, _move_pages),
    ("migrate_pages", True, _migrate_pages),
    ("book on", False, _book),
)


def main(words: list[str]) -> int:
    """Print each check, a line or with ``--json`` an object; return 1 where one failed."""
    if words[:1] == ["--migrate"]:
        return _migrate_myself(int(words[1]), int(words[2]))
    rows = []
    for row in _rows():
        rows.append(row)
        if "--json" not in words:
            print(row, flush=True)
    if "--json" in words:
        print(json.dumps({"checks": [asdict(row) for row in rows]}))
    else:
        states = [row.state for row in rows]
        print(
            ", ".join(f"{states.count(state)} {state}" for state in ("passed", "failed", "skipped"))
        )
    return 1 if any(row.state == "failed" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
