"""The processor's counters: what is asked of the kernel, and what its answers and refusals mean."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from lab.hardware.counters import EVENTS, LiveKernel, counted, open_counters, what_is_missing
from lab.hardware.sysfs import Tree

FIRST, SECOND = 101, 105  # the descriptors of the two groups' leaders: four events, and one


class FakeKernel:
    """A kernel that counts as it is told, and refuses the events that it is told to."""

    def __init__(self, refusals: dict[int, int] | None = None, room: int = 99) -> None:
        """``refusals``: by an event's number, the error; ``room``: how many a group may have."""
        self.refusals, self.room = refusals or {}, room
        self.opened: list[tuple[bytes, int]] = []
        self.closed: list[int] = []
        self.asked: list[tuple[int, int]] = []
        self.answers: dict[int, bytes] = {}

    def open_event(self, attribute: bytes, group: int) -> int:
        number = struct.unpack_from("=IIQ", attribute)[2]
        if problem := self.refusals.get(number, self.refusals.get(-1)):
            raise OSError(problem, os.strerror(problem))
        if group != -1 and sum(leader == group for _, leader in self.opened) + 1 >= self.room:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self.opened.append((attribute, group))
        return 100 + len(self.opened)

    def control(self, descriptor: int, request: int) -> None:
        self.asked.append((descriptor, request))

    def read(self, descriptor: int, nbytes: int) -> bytes:
        answer = self.answers.pop(descriptor)
        assert len(answer) == nbytes
        return answer

    def close(self, descriptor: int) -> None:
        self.closed.append(descriptor)

    def will_say(self, leader: int, enabled: int, running: int, *counts: int) -> None:
        """What the next reading of a group gives."""
        words = len(counts), enabled, running, *counts
        self.answers[leader] = struct.pack(f"{len(words)}Q", *words)


def test_four_counters_are_one_group_and_the_fifth_another_of_this_threads_own_code():
    kernel = FakeKernel()
    counters, reason = open_counters(kernel)
    assert counters is not None and reason == "" and counters.missing == {}
    assert [group for _, group in kernel.opened] == [-1, FIRST, FIRST, FIRST, -1]
    for (attribute, group), event in zip(kernel.opened, EVENTS.values(), strict=True):
        kind, size, config, _, _, read_format, flags = struct.unpack_from("=IIQQQQQ", attribute)
        assert (kind, size, config) == (event.kind, len(attribute), event.number)
        assert read_format == 1 | 2 | 8  # both times, and the whole group at once
        assert flags == 1 << 5 | 1 << 6 | (group == -1)  # no kernel, no hypervisor; starts stopped
    counters.close()
    assert kernel.closed == [101, 102, 103, 104, 105]


def test_the_kernels_numbers():
    """As in linux/perf_event.h: of the last, data TLB (3), reads (0), misses (1), a byte each."""
    assert [tuple(event) for event in EVENTS.values()] == [
        (0, 0),
        (0, 1),
        (0, 3),
        (0, 5),
        (3, 0x010003),
    ]


def test_counts_are_of_what_lies_between_start_and_stop():
    kernel = FakeKernel()
    counters, _ = open_counters(kernel)
    assert counters is not None
    kernel.will_say(FIRST, 1_000, 1_000, 11, 22, 33, 44)
    kernel.will_say(SECOND, 1_000, 1_000, 55)
    counters.start()
    assert counters.stop() == dict(zip(EVENTS, (11, 22, 33, 44, 55), strict=True))
    reset, enable, disable = 0x2403, 0x2400, 0x2401
    expected = [(group, request) for request in (reset, enable) for group in (FIRST, SECOND)]
    assert kernel.asked == [*expected, (FIRST, disable), (SECOND, disable)]


def test_what_was_not_counted_all_the_time_is_left_out():
    kernel = FakeKernel()
    counters, _ = open_counters(kernel)
    assert counters is not None
    kernel.will_say(FIRST, 1_000, 900, 11, 22, 33, 44)  # 1,000 ns enabled, of which it counted 900
    kernel.will_say(SECOND, 1_000, 1_000, 55)
    counters.start()
    found = counters.stop()
    assert found == {"tlb_misses": 55}
    assert "cycles, instructions" in what_is_missing(counters, found)
    kernel.will_say(FIRST, 1_400, 1_300, 5, 6, 7, 8)  # the whole of these 400
    kernel.will_say(SECOND, 1_400, 1_200, 9)
    counters.start()
    assert counters.stop() == dict(zip(EVENTS, (5, 6, 7, 8), strict=False))


def test_counters_that_never_ran_count_nothing():
    kernel = FakeKernel()
    kernel.will_say(FIRST, 0, 0, 0, 0, 0, 0)
    kernel.will_say(SECOND, 0, 0, 0)
    with counted(kernel) as count:
        pass
    assert count.values is None
    assert count.reason == "the counters were shared with others; run again alone"


@pytest.mark.parametrize("lacking", list(EVENTS))
def test_an_event_that_the_machine_lacks_is_left_out_by_name(lacking):
    kernel = FakeKernel({EVENTS[lacking].number: errno.ENOENT})
    counters, reason = open_counters(kernel)
    assert counters is not None and reason == ""
    assert counters.names == [name for name in EVENTS if name != lacking]
    assert what_is_missing(counters, dict.fromkeys(counters.names, 1)) == (
        f"not counted here: {lacking} (ENOENT)"
    )


def test_a_processor_with_two_counters_counts_in_groups_of_two():
    kernel = FakeKernel(room=2)
    counters, _ = open_counters(kernel)
    assert counters is not None
    assert counters.names == list(EVENTS)
    assert [group for _, group in kernel.opened] == [-1, 101, -1, 103, -1]


def test_counted_counts_its_block_and_gives_the_counters_back_after_an_error():
    kernel = FakeKernel()
    kernel.will_say(FIRST, 10, 10, 1, 2, 3, 4)
    kernel.will_say(SECOND, 10, 10, 5)
    with pytest.raises(ZeroDivisionError), counted(kernel) as count:
        raise ZeroDivisionError
    assert count.values == dict(zip(EVENTS, (1, 2, 3, 4, 5), strict=True))
    assert count.reason == ""
    assert len(kernel.closed) == len(kernel.opened)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (errno.ENOENT, "shows the kernel no counters (perf_event_open: ENOENT); use bare metal or"),
        (errno.EOPNOTSUPP, "(perf_event_open: E"),
        (
            errno.EACCES,
            "kernel.perf_event_paranoid is 4); sudo sysctl kernel.perf_event_paranoid=2",
        ),
        (errno.EPERM, "in a container allow the call"),
        (errno.ENOSYS, "this kernel has no counters (perf_event_open: ENOSYS); use Linux"),
    ],
)
def test_a_refusal_is_one_line_with_what_would_help(tmp_path, problem, words):
    setting = tmp_path / "proc" / "sys" / "kernel" / "perf_event_paranoid"
    setting.parent.mkdir(parents=True)
    setting.write_text("4\n")
    with counted(FakeKernel({-1: problem}), Tree(tmp_path)) as count:
        pass
    assert count.values is None
    assert words in count.reason and "\n" not in count.reason


@pytest.mark.parametrize(
    ("cpuinfo", "where"), [("flags : tsc hypervisor\n", "virtual machine"), ("", "this machine")]
)
def test_a_virtual_machine_is_called_one(tmp_path, cpuinfo, where):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(cpuinfo)
    _, reason = open_counters(FakeKernel({-1: errno.ENOENT}), Tree(tmp_path))
    assert where in reason


def test_this_machine_counts_or_says_why_not():
    with counted(LiveKernel()) as count:
        total = sum(range(100_000))
    assert total
    if count.values is None:
        assert count.reason
        pytest.skip(f"nothing is counted here: {count.reason}")
    assert count.values["instructions"] > 100_000
