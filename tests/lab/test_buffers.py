"""Buffers for engines: made as asked, the same bytes on each, given back whatever happens."""

from __future__ import annotations

import errno
import gc
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from engines.errors import InputError, MeasurementError
from engines.matching import IMPLEMENTATIONS, present
from engines.messages import EVENT
from lab.hardware import buffer as buffers
from lab.hardware import placement, reserve
from lab.hardware.capacity import lockable_bytes, own_bytes
from lab.hardware.memory import (
    Wanted,
    allocate,
    attached,
    prefaulted,
    prefaulted_array,
    touched_pages,
)
from lab.hardware.pages import PAGE, found_of
from lab.hardware.sysfs import Tree
from lab.measure.process import Attended, Task
from lab.workloads.order_flow import generate

MIB = 1 << 20
KINDS = [
    {},
    {"pages": "small", "prefault": "populate"},
    {"pages": "transparent", "prefault": "populate"},
    {"pages": "2 MiB", "prefault": "touch"},
    {"prefault": "touch", "lock": "all"},
    {"lock": "on fault", "advice": ["random"]},
    {"backing": "shared"},
    {"backing": "shared", "prefault": "populate", "lock": "all"},
    {"backing": "shared", "pages": "2 MiB", "prefault": "populate"},
    {"backing": "file"},
    {"backing": "file", "prefault": "read", "advice": ["sequential", "willneed"]},
    {"backing": "file", "prefault": "populate", "lock": "all"},
]


def named(kind: dict) -> str:
    return ",".join(str(word) for word in kind.values()) or "plain"


def locked_kib() -> int:
    return int(Tree().fields("/proc/self/status")["VmLck"].split()[0])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- as it was asked -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_a_buffer_is_as_it_was_asked_for_or_says_in_what_not(kind, tmp_path):
    folder = {"folder": str(tmp_path)} if kind.get("backing") == "file" else {}
    files, nbytes = open_files(), 5 * MIB + 100
    with allocate(Wanted(nbytes, **kind, **folder)) as buffer:
        array = buffer.array
        assert (array.dtype, array.shape, array.ctypes.data % PAGE) == (np.uint8, (nbytes,), 0)
        assert not array.any() and array.flags.writeable
        assert not buffer.differences() or buffer.notes
        array[:] = 7
        assert buffer.found().absent == 0
        del array
    assert open_files() == files and locked_kib() == 0
    assert list(tmp_path.iterdir()) == []


def test_pages_are_there_when_they_were_asked_to_be_and_not_before():
    for prefault, expected in (("no", 0), ("populate", 64), ("touch", 64)):
        with allocate(Wanted(64 * PAGE, pages="small", prefault=prefault)) as buffer:
            assert buffer.found().present == touched_pages(buffer.array).sum() == expected


def test_where_the_kernel_cannot_populate_each_page_is_written(monkeypatch):
    """Linux before 5.14. What a shared buffer holds stays."""
    real = placement.advise

    def older(address: int, nbytes: int, advice: int) -> None:
        if advice in (22, 23):
            raise OSError(errno.EINVAL, "madvise: Invalid argument")
        real(address, nbytes, advice)

    monkeypatch.setattr(placement, "advise", older)
    with allocate(Wanted(64 * PAGE, backing="shared")) as first:
        first.array[:] = 9
        with attached(first.descriptor, 64 * PAGE, prefault="populate") as second:
            assert second.found().absent == 0 and (second.array == 9).all()
    with allocate(Wanted(64 * PAGE, prefault="populate")) as buffer:
        assert buffer.differences() == []


def test_huge_pages_come_where_the_kernel_gives_them():
    setting = Tree().text("/sys/kernel/mm/transparent_hugepage/enabled")
    if setting is None:
        pytest.skip("the kernel does not show whether it has huge pages")
    with allocate(Wanted(8 * MIB, pages="transparent", prefault="populate")) as buffer:
        assert buffer.address % (2 * MIB) == 0
        huge = buffer.found().page_sizes.get(2 * MIB, 0)
        assert ("[never]" in setting) == bool(buffer.notes)
        # Memory may be in pieces; then it is said.
        assert (huge == 8 * MIB) == (buffer.differences() == [])
    with allocate(Wanted(8 * MIB, pages="small", prefault="populate")) as buffer:
        assert buffer.found().page_sizes == {PAGE: 8 * MIB}


def test_an_empty_reserve_is_said_with_the_command(monkeypatch):
    monkeypatch.setattr(buffers, "missing_pages", lambda *_: 3)
    with allocate(Wanted(5 * MIB, pages="2 MiB", prefault="populate")) as buffer:
        assert "the reserve has 3 too few free" in buffer.notes[0]
        assert (
            "echo 3 | sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
            in buffer.notes[0]
        )
        assert "are in 2 MiB pages of the reserve" in buffer.differences()[0]


def test_a_reserve_is_counted_on_the_nodes_that_are_bound_to(tmp_path):
    """Granted by the count over all nodes, a page that its node has not is a SIGBUS."""
    for folder, (total, free) in {
        reserve.folder(2 * MIB): (8, 8),
        reserve.folder(2 * MIB, 0): (8, 8),
        reserve.folder(2 * MIB, 1): (0, 0),
    }.items():
        place = tmp_path / folder.lstrip("/")
        place.mkdir(parents=True)
        (place / "nr_hugepages").write_text(f"{total}\n")
        (place / "free_hugepages").write_text(f"{free}\n")
        (place / "resv_hugepages").write_text("1\n")
    tree = Tree(tmp_path)
    assert reserve.missing_pages(14 * MIB, 2 * MIB, (), tree) == 0
    assert reserve.missing_pages(16 * MIB, 2 * MIB, (), tree) == 1  # one is promised to somebody
    assert reserve.missing_pages(4 * MIB, 2 * MIB, (1,), tree) == 3
    assert reserve.missing_pages(1 << 30, 1 << 30, (), tree) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"nbytes": 0}, "^0 bytes is no buffer; ask for 1 or more$"),
        ({"backing": "tape"}, "^backing 'tape' is not known; choose from private, shared, file$"),
        ({"pages": "4 MiB"}, "^pages '4 MiB' is not known; choose from default, small"),
        ({"advice": ["hurry"]}, "^advice 'hurry' is not known; choose from normal"),
        ({"backing": "file", "pages": "2 MiB"}, "^a file is not mapped in 2 MiB pages"),
        ({"backing": "shared", "path": "x"}, "^a shared buffer has no file"),
        ({"prefault": "read"}, "^reading private memory gives no page"),
        ({"placement": "bind", "nodes": [999]}, "^node 999 cannot be used: this machine has"),
        ({"placement": "first touch", "nodes": [999]}, "^node 999 cannot be used: this machine"),
        ({"backing": "file", "folder": "/nowhere"}, "^no file can be made in /nowhere"),
        ({"backing": "file", "path": "/nowhere/book"}, "^/nowhere/book cannot be opened"),
        ({"nbytes": 1 << 46, "prefault": "touch"}, "MiB are wanted and .* MiB may be had"),
        ({"nbytes": 1 << 52}, "^4503599627370496 bytes cannot be mapped"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(words, message):
    files = open_files()
    with pytest.raises(InputError, match=message):
        allocate(Wanted(**{"nbytes": PAGE} | words))
    assert open_files() == files


def test_where_nothing_is_left_a_small_buffer_is_not_what_is_too_much(monkeypatch):
    monkeypatch.setattr(buffers, "left_bytes", lambda _: 0)
    with allocate(Wanted(8 * MIB, prefault="touch")) as buffer:
        assert buffer.array.nbytes == 8 * MIB
    with pytest.raises(InputError, match="9 MiB are wanted and 0 MiB may be had"):
        allocate(Wanted(9 * MIB, prefault="touch"))


# -- locks -----------------------------------------------------------------------------------------


def test_a_lock_is_held_as_long_as_the_buffer():
    room = lockable_bytes(Tree())
    if room is not None and room < MIB:
        pytest.skip(f"this user may lock {room} bytes")
    with allocate(Wanted(MIB, pages="small", lock="all")) as buffer:
        assert (locked_kib(), buffer.found().locked_bytes, buffer.notes) == (1024, MIB, [])
    assert locked_kib() == 0
    with allocate(Wanted(MIB, pages="small", lock="on fault")) as buffer:
        assert buffer.found().locked_bytes == 0
        buffer.array[: 8 * PAGE] = 1
        assert buffer.found().locked_bytes == 8 * PAGE and buffer.differences() == []


LOCKS_AS_A_USER = """
import ctypes, json, resource
from lab.hardware.memory import Wanted, allocate
libc = ctypes.CDLL(None)
header, words = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capset(header, words) == 0  # no capability is left: as any user
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
with allocate(Wanted(1 << 20, pages="small", lock="all", prefault="populate")) as large:
    with allocate(Wanted(32768, pages="small", lock="all")) as small:
        print(json.dumps([large.notes, large.differences(), small.notes, small.differences()]))
"""


def test_a_limit_on_locks_is_said_and_what_fits_is_locked():
    child = subprocess.run(
        [sys.executable, "-c", LOCKS_AS_A_USER], capture_output=True, text=True, check=True
    )
    import json

    (note,), differences, *small = json.loads(child.stdout)
    assert "not locked: 1048576 bytes are wanted and this user may lock 65536 more" in note
    assert differences == ["0 of 1048576 bytes are locked"] and small == [[], []]


# -- shared memory and files -----------------------------------------------------------------------

ADDS_ONE = """
import sys
from lab.hardware.memory import attached
with attached(int(sys.argv[1]), int(sys.argv[2]), backing=sys.argv[3]) as buffer:
    buffer.array[:] += 1
    print(buffer.found().absent)
"""


@pytest.mark.parametrize("backing", ["shared", "file"])
def test_another_process_maps_the_same_pages(backing, tmp_path):
    with allocate(Wanted(64 * PAGE, backing=backing)) as buffer:
        buffer.array[:] = np.arange(64 * PAGE) % 199
        words = [sys.executable, "-c", ADDS_ONE, str(buffer.descriptor), str(64 * PAGE), backing]
        child = subprocess.run(
            words, pass_fds=(buffer.descriptor,), capture_output=True, text=True, check=True
        )
        assert child.stdout.strip() == "0"
        assert np.array_equal(buffer.array, np.arange(64 * PAGE) % 199 + 1)
        with pytest.raises(InputError, match="has 262144 bytes, not 524288; attach no more"):
            attached(buffer.descriptor, 128 * PAGE, backing=backing)


def test_a_persons_file_is_mapped_with_what_is_in_it_and_stays(tmp_path):
    path = tmp_path / "book"
    path.write_bytes(b"what was there")
    with allocate(Wanted(2 * PAGE, backing="file", path=str(path), prefault="populate")) as buffer:
        assert bytes(buffer.array[:14]) == b"what was there" and not buffer.array[14:].any()
        buffer.array[-1] = 5
    content = path.read_bytes()
    assert (len(content), content[:14], content[-1]) == (2 * PAGE, b"what was there", 5)
    with allocate(Wanted(PAGE, backing="file", path=str(path))):
        pass
    assert path.read_bytes() == content  # never cut short


def test_a_file_in_memory_is_said_to_be_one():
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no folder in memory here")
    with allocate(Wanted(PAGE, backing="file", folder="/dev/shm")) as buffer:
        assert buffer.notes == ["the folder lies in memory (tmpfs): a file there is shared memory"]


# -- an engine's book in each ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def flow():
    return generate("balanced", 5_000, 500, seed=3)


def events_of(engine, flow) -> bytes:
    events = np.zeros(8 * (len(flow.preload) + len(flow.commands)), EVENT)
    told = b""
    for commands in (flow.preload, flow.commands):
        taken, written = engine.submit(commands.copy(), events)
        assert taken == len(commands)
        told += events[:written].tobytes()
    return told


@pytest.fixture(scope="module")
def expected(flow) -> tuple[bytes, str]:
    oracle = IMPLEMENTATIONS["reference"].create(flow.orders_max, flow.symbols)
    return events_of(oracle, flow), oracle.digest()


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("name", [name for name in ("price_ladder", "native") if name in present()])
def test_a_book_gives_the_same_bytes_wherever_it_lies(name, kind, flow, expected):
    create = IMPLEMENTATIONS[name].create
    nbytes = create(flow.orders_max, flow.symbols).buffer.nbytes
    with allocate(Wanted(nbytes, **kind)) as buffer:
        book = create(flow.orders_max, flow.symbols, buffer=buffer.array)
        assert book.buffer.ctypes.data == buffer.address
        assert (events_of(book, flow), book.digest()) == expected
        book.check()
        del book


# -- given back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backing", ["private", "shared"])
def test_the_memory_is_given_back_while_somebody_still_looks_at_it(backing):
    """An engine that a traceback holds on to must neither crash nor keep the memory."""
    buffer = allocate(Wanted(16 * MIB, backing=backing, pages="small", prefault="populate"))
    view = buffer.array[3:]
    view[:] = 1
    with pytest.raises(ZeroDivisionError), buffer:
        raise ZeroDivisionError
    assert found_of(view[-3 % PAGE :]).present == 0
    assert not view.any() and buffer.descriptor is None
    buffer.close()  # again: nothing happens


def test_what_was_given_back_is_the_machines_again():
    before = own_bytes(Tree()) or 0
    with allocate(Wanted(64 * MIB, pages="small", prefault="populate")):
        assert (own_bytes(Tree()) or 0) - before > 60 * MIB
    gc.collect()
    assert abs((own_bytes(Tree()) or 0) - before) < 4 * MIB


def test_a_buffer_that_fails_half_way_is_given_back(monkeypatch):
    def fails(*_: object) -> None:
        raise InputError("no; never")

    monkeypatch.setattr(buffers.Buffer, "_lock", fails)
    files, before = open_files(), own_bytes(Tree()) or 0
    with pytest.raises(InputError, match="^no; never$"):
        allocate(Wanted(32 * MIB, backing="shared", prefault="populate", lock="all"))
    assert open_files() == files and abs((own_bytes(Tree()) or 0) - before) < 4 * MIB


def test_advice_is_followed_or_refused():
    with allocate(Wanted(64 * PAGE, pages="small", prefault="populate")) as buffer:
        buffer.advise("dontneed")
        assert buffer.found().present == 0
        with pytest.raises(InputError, match="^advice 'hurry' is not known"):
            buffer.advise("hurry")


@pytest.mark.parametrize("backing", ["private", "shared"])
def test_pages_that_are_there_are_put_together_or_it_is_said_that_they_cannot_be(backing):
    wanted = Wanted(8 * MIB, backing=backing, prefault="populate", advice=["random", "collapse"])
    with allocate(wanted) as buffer:
        buffer.array[:] = 1
        huge = buffer.found().page_sizes.get(2 * MIB, 0)
        assert (huge == 8 * MIB) != bool(buffer.notes)


def test_a_prefaulted_array_lives_as_long_as_a_view_of_it():
    for huge in (False, True):
        view = prefaulted(3 * MIB, huge)[PAGE:]
        gc.collect()
        view[:] = 1
        assert touched_pages(view).all()


@pytest.mark.parametrize("huge", [False, True])
def test_prefaulted_pages_are_there_before_they_are_used(huge):
    pages = 2_000
    buffer = prefaulted(pages * PAGE, huge)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffer[:] = 7
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < pages // 10
    assert int(buffer.sum()) == 7 * len(buffer)


def test_prefaulted_records():
    kind = np.dtype([("a", "<u8"), ("b", "<i4"), ("c", "<i4")])
    records = prefaulted_array(1_000, kind)
    assert records.shape == (1_000,)
    assert records.dtype == kind
    assert not records["a"].any()
    assert len(prefaulted_array(0, kind)) == 0
    with pytest.raises(ValueError, match="0 bytes is no buffer"):
        prefaulted(0)


TASKS = """
import os, time
from contextlib import ExitStack
from engines.errors import InputError
from lab.hardware.memory import Wanted, allocate
from lab.hardware.placement import policy, usable_nodes

def holds(say, folder, ending, reserve):
    with ExitStack() as stack:
        stack.enter_context(policy("bind", usable_nodes()[:1]))
        kinds = [dict(lock="all"), dict(backing="shared"), dict(backing="file", folder=folder)]
        kinds += [dict(pages="2 MiB", reserve=True)] if reserve else []
        held = [stack.enter_context(allocate(Wanted(2 << 20, prefault="populate", **kind)))
                for kind in kinds]
        notes = [note for buffer in held for note in buffer.notes]
        say("measuring")
        if ending == "failure":
            raise InputError("it failed; try again")
        if ending in ("cancel", "kill"):
            time.sleep(60)
    return {"readings": [], "digests": [], "notes": notes}
"""


def shared_names() -> set[str]:
    return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()


def in_reserve() -> int:
    return Tree().number(f"{reserve.folder(2 * MIB)}/nr_hugepages") or 0


@pytest.mark.parametrize("ending", ["success", "failure", "cancel", "kill"])
def test_nothing_is_left_behind_however_a_measured_process_ends(
    ending, tmp_path, monkeypatch, capfd
):
    (tmp_path / "buffer_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "files"
    folder.mkdir()
    before = placement.get_policy(), in_reserve(), os.sched_getaffinity(0)
    names, phases = shared_names(), []
    changes_system = os.geteuid() == 0 and os.access(
        f"{reserve.folder(2 * MIB)}/nr_hugepages", os.W_OK
    )
    words = {"folder": str(folder), "ending": ending, "reserve": changes_system}
    task = Task("buffer_tasks:holds", words)
    process = Attended(task, None, lambda phase: phases.append((phase, in_reserve())), "holds")
    if ending == "kill":
        monkeypatch.setattr(process._process, "terminate", process._process.kill)
    try:
        if ending == "success":
            process.finished()
        elif ending == "failure":
            with pytest.raises(MeasurementError, match="^it failed; try again$"):
                process.finished()
        else:
            process.set_off()
            _wait_for(lambda: b"measuring" in _read_so_far(process), "it measures")
    finally:
        process.stop()
    _wait_for(lambda: in_reserve() == before[1], "the reserve is as it was")
    assert (placement.get_policy(), os.sched_getaffinity(0)) == (before[0], before[2])
    assert list(folder.iterdir()) == [] and shared_names() <= names


def _read_so_far(process: Attended) -> bytes:
    """What the process has said since it was last asked, without waiting."""
    out = process._process.stdout
    assert out is not None
    os.set_blocking(out.fileno(), False)
    try:
        return os.read(out.fileno(), 65536)
    except BlockingIOError:
        return b""


def _wait_for(is_so, what: str, seconds: float = 20.0) -> None:
    end_s = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end_s, f"not within {seconds} s: {what}"
        time.sleep(0.02)
