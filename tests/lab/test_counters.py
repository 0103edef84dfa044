"""The processor's counters: what is asked of the kernel, and what its answers and refusals mean."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from lab.hardware.counters import EVENTS, LiveKernel, open_counters
from lab.hardware.sysfs import Tree


class FakeKernel:
    """A kernel that counts as it is told, or refuses the event with a number."""

    def __init__(self, refuses_at: int = -1, problem: int = 0) -> None:
        self.refuses_at, self.problem = refuses_at, problem
        self.opened: list[tuple[bytes, int]] = []
        self.closed: list[int] = []
        self.asked: list[tuple[int, int]] = []
        self.answers: list[bytes] = []

    def open_event(self, attribute: bytes, group: int) -> int:
        if len(self.opened) == self.refuses_at:
            raise OSError(self.problem, os.strerror(self.problem))
        self.opened.append((attribute, group))
        return 100 + len(self.opened)

    def control(self, descriptor: int, request: int) -> None:
        self.asked.append((descriptor, request))

    def read(self, descriptor: int, nbytes: int) -> bytes:
        answer = self.answers.pop(0)
        assert len(answer) == nbytes
        return answer

    def close(self, descriptor: int) -> None:
        self.closed.append(descriptor)

    def will_say(self, enabled: int, running: int, *counts: int) -> None:
        self.answers.append(struct.pack("7Q", len(counts), enabled, running, *counts))


def test_four_counters_are_one_group_of_this_threads_own_code():
    kernel = FakeKernel()
    counters, reason = open_counters(kernel)
    assert counters is not None and reason == ""
    assert [group for _, group in kernel.opened] == [-1, 101, 101, 101]
    for (attribute, group), number in zip(kernel.opened, EVENTS.values(), strict=True):
        kind, size, config, _, _, read_format, flags = struct.unpack_from("=IIQQQQQ", attribute)
        assert (kind, size, config) == (0, len(attribute), number)
        assert read_format == 1 | 2 | 8  # both times, and the whole group at once
        assert flags == 1 << 5 | 1 << 6 | (group == -1)  # no kernel, no hypervisor; starts stopped
    counters.close()
    assert kernel.closed == [101, 102, 103, 104]


def test_counts_are_of_what_lies_between_start_and_stop():
    kernel = FakeKernel()
    counters, _ = open_counters(kernel)
    assert counters is not None
    kernel.will_say(1_000, 1_000, 11, 22, 33, 44)
    counters.start()
    first = counters.stop()
    assert first == {"cycles": 11, "instructions": 22, "cache_misses": 33, "branch_misses": 44}
    assert kernel.asked == [(101, 0x2403), (101, 0x2400), (101, 0x2401)]  # reset, enable, disable
    kernel.will_say(1_500, 1_400, 1, 2, 3, 4)  # 500 ns enabled, of which it counted 400
    counters.start()
    assert counters.stop() is None
    kernel.will_say(1_900, 1_800, 5, 6, 7, 8)  # the whole of these 400
    counters.start()
    assert counters.stop() == {
        "cycles": 5,
        "instructions": 6,
        "cache_misses": 7,
        "branch_misses": 8,
    }


def test_counters_that_never_ran_count_nothing():
    kernel = FakeKernel()
    counters, _ = open_counters(kernel)
    assert counters is not None
    kernel.will_say(0, 0, 0, 0, 0, 0)
    counters.start()
    assert counters.stop() is None


@pytest.mark.parametrize("refuses_at", [0, 3])
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
def test_a_refusal_is_one_line_with_what_would_help(tmp_path, problem, words, refuses_at):
    setting = tmp_path / "proc" / "sys" / "kernel" / "perf_event_paranoid"
    setting.parent.mkdir(parents=True)
    setting.write_text("4\n")
    kernel = FakeKernel(refuses_at, problem)
    counters, reason = open_counters(kernel, Tree(tmp_path))
    assert counters is None
    assert words in reason and "\n" not in reason
    assert len(kernel.closed) == len(kernel.opened) == refuses_at  # none is left open


@pytest.mark.parametrize(
    ("cpuinfo", "where"), [("flags : tsc hypervisor\n", "virtual machine"), ("", "this machine")]
)
def test_a_virtual_machine_is_called_one(tmp_path, cpuinfo, where):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(cpuinfo)
    _, reason = open_counters(FakeKernel(0, errno.ENOENT), Tree(tmp_path))
    assert where in reason


def test_this_machine_counts_or_says_why_not():
    counters, reason = open_counters(LiveKernel())
    assert (counters is None) == bool(reason)
    if counters is None:
        pytest.skip(f"nothing is counted here: {reason}")
    counters.start()
    total = sum(range(100_000))
    found = counters.stop()
    counters.close()
    assert total and found is not None
    assert found["instructions"] > 100_000 and found["cycles"] > 0
