"""Pinning threads and processes, proof of where they ran, real time: all of it given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.hardware import affinity, scheduling
from lab.hardware.gaps import Spinner, least_disturbed
from lab.hardware.interruptions import interruptions_of
from lab.hardware.sysfs import Tree
from lab.hardware.whereabouts import Watch

two_cpus = pytest.mark.skipif(len(affinity.allowed_cpus()) < 2, reason="one CPU: nowhere to go")


@contextmanager
def waiting_thread() -> Iterator[int]:
    """A thread that does nothing, by the kernel's number of it."""
    numbers: list[int] = []
    started, release = threading.Event(), threading.Event()

    def wait() -> None:
        numbers.append(threading.get_native_id())
        started.set()
        release.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    try:
        yield numbers[0]
    finally:
        release.set()
        thread.join()


@contextmanager
def busy_processes(cpu: int, count: int) -> Iterator[None]:
    """Processes that never rest, all on one CPU; before others there where that is allowed."""
    code = (
        f"import os\nos.sched_setaffinity(0, {{{cpu}}})\n"
        "try: os.nice(-15)\nexcept OSError: pass\n"
        "print(flush=True)\nwhile True: pass"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class TestPinning:
    def test_pins_and_gives_back(self) -> None:
        before = affinity.allowed_cpus()
        with affinity.pinned(before[-1]):
            assert affinity.allowed_cpus() == [before[-1]]
        assert affinity.allowed_cpus() == before

    def test_gives_back_after_an_error(self) -> None:
        before = affinity.allowed_cpus()
        with pytest.raises(KeyboardInterrupt), affinity.pinned(before[0]):
            raise KeyboardInterrupt
        assert affinity.allowed_cpus() == before

    def test_pins_its_own_thread_only(self) -> None:
        before = affinity.allowed_cpus()
        with waiting_thread() as other, affinity.pinned(before[0]):
            assert affinity.allowed_cpus(other) == before

    def test_pins_another_thread_by_its_number(self) -> None:
        before = affinity.allowed_cpus()
        with waiting_thread() as other:
            with affinity.pinned(before[-1], other):
                assert affinity.allowed_cpus(other) == [before[-1]]
                assert affinity.allowed_cpus() == before
            assert affinity.allowed_cpus(other) == before

    def test_a_thread_that_has_ended_has_nothing_to_be_given_back(self) -> None:
        with waiting_thread() as other:
            pin = affinity.pinned(affinity.allowed_cpus()[0], other)
            pin.__enter__()
        for _ in range(500):  # Python is done with it a moment before the kernel is
            if other not in affinity.threads_of():
                break
            time.sleep(0.01)
        pin.__exit__(None, None, None)

    def test_left_by_another_thread_it_is_given_back_to_the_first(self) -> None:
        before = affinity.allowed_cpus()
        pin = affinity.pinned(before[0])
        pin.__enter__()
        leaver = threading.Thread(target=pin.__exit__, args=(None, None, None))
        leaver.start()
        leaver.join()
        assert affinity.allowed_cpus() == before

    def test_a_cpu_that_is_not_there_is_named(self) -> None:
        with (
            pytest.raises(ValueError, match=r"cpu 4000 is not among .*; choose one"),
            affinity.pinned(4000),
        ):
            raise AssertionError("not reached")

    def test_none_pins_nothing(self) -> None:
        before = affinity.allowed_cpus()
        with affinity.pinned(None):
            assert affinity.allowed_cpus() == before

    def test_a_whole_process(self) -> None:
        before = affinity.allowed_cpus()
        with waiting_thread() as old:
            with affinity.pinned_process(before[-1]):
                own = {number: affinity.allowed_cpus(number) for number in affinity.threads_of()}
                assert old in own
                assert set(map(tuple, own.values())) == {(before[-1],)}
                late = waiting_thread()
                new = late.__enter__()
                assert affinity.allowed_cpus(new) == [before[-1]]
            assert affinity.allowed_cpus(old) == affinity.allowed_cpus() == before
            assert affinity.allowed_cpus(new) == before, "it was born pinned"
            late.__exit__(None, None, None)

    def test_another_process(self) -> None:
        cpus = affinity.allowed_cpus()
        with subprocess.Popen(["sleep", "60"]) as other:
            try:
                with affinity.pinned_process(cpus[0], other.pid):
                    assert affinity.allowed_cpus(other.pid) == [cpus[0]]
                assert affinity.allowed_cpus(other.pid) == cpus
            finally:
                other.kill()


class TestProof:
    @pytest.mark.parametrize("place", [0, -1])
    def test_a_pinned_thread_is_seen_on_its_cpu_alone(self, place: int) -> None:
        cpu = affinity.allowed_cpus()[place]
        with affinity.pinned(cpu):
            watch = Watch()
            watch.look()
            where = watch.end()
        assert where.stayed
        assert where.samples == {cpu: 3}
        assert where.ended_on == cpu
        assert where.allowed == [cpu]

    @two_cpus
    def test_a_thread_that_was_moved_did_not_stay(self) -> None:
        first, *_, last = affinity.allowed_cpus()
        with affinity.pinned(first):
            watch = Watch()
        with affinity.pinned(last):
            where = watch.end()
        assert not where.stayed
        assert where.samples == {first: 1, last: 1}
        assert where.migrations >= 1

    @two_cpus
    def test_without_the_kernels_count_changes_are_counted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lab.hardware.whereabouts.migrations", lambda thread: None)
        first, *_, last = affinity.allowed_cpus()
        with affinity.pinned(first):
            watch = Watch()
        for cpu in (last, first):
            with affinity.pinned(cpu):
                watch.look()
        where = watch.end()
        assert not where.counted
        assert where.migrations >= 2

    def test_where_nothing_is_shown_a_set_of_one_is_the_proof(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lab.hardware.whereabouts.migrations", lambda thread: None)
        monkeypatch.setattr("lab.hardware.whereabouts.current_cpu", lambda thread: None)
        with affinity.pinned(affinity.allowed_cpus()[0]):
            where = Watch().end()
        assert (where.stayed, where.samples, where.ended_on) == (True, {}, None)
        assert Watch().end().stayed == (len(affinity.allowed_cpus()) == 1)

    def test_another_thread_is_watched_by_its_number(self) -> None:
        with waiting_thread() as other, affinity.pinned(affinity.allowed_cpus()[0], other):
            where = Watch(other).end()
            assert where.allowed == [affinity.allowed_cpus()[0]]


class TestWhatTheKernelWasTold:
    def test_isolated_and_tickless_cpus(self, tmp_path: Path) -> None:
        folder = tmp_path / "sys/devices/system/cpu"
        folder.mkdir(parents=True)
        (folder / "isolated").write_text("2-3\n")
        (folder / "nohz_full").write_text("  (null)\n")
        assert affinity.isolated_cpus(Tree(tmp_path)) == [2, 3]
        assert affinity.tickless_cpus(Tree(tmp_path)) == []
        (folder / "nohz_full").write_text("3\n")
        assert affinity.tickless_cpus(Tree(tmp_path)) == [3]

    def test_nothing_is_shown(self, tmp_path: Path) -> None:
        assert affinity.isolated_cpus(Tree(tmp_path)) == []
        assert affinity.tickless_cpus(Tree(tmp_path)) == []
        assert scheduling.real_time_share(Tree(tmp_path)) is None

    def test_how_much_real_time_threads_may_have(self, tmp_path: Path) -> None:
        folder = tmp_path / "proc/sys/kernel"
        folder.mkdir(parents=True)
        (folder / "sched_rt_period_us").write_text("1000000\n")
        for runtime, part in (("950000", 0.95), ("-1", 1.0)):
            (folder / "sched_rt_runtime_us").write_text(runtime)
            assert scheduling.real_time_share(Tree(tmp_path)) == part

    def test_interrupts_of_one_cpu(self, tmp_path: Path) -> None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/interrupts").write_text(
            "           CPU0       CPU2\n"
            "  28:          7          9  PCI-MSIX-0000:00:01.0   0-edge      virtio0-config\n"
            " LOC:        100        250   Local timer interrupts\n"
            " ERR:          3\n"
        )
        (tmp_path / "proc/stat").write_text("cpu 1 1\ncpu0 1 2 3\ncpu2 1 2 3 4 5 6 7 8 0 0\n")
        seen = interruptions_of(2, Tree(tmp_path))
        assert seen.interrupts == {"virtio0-config": 9, "Local timer interrupts": 250}
        assert seen.ticks == {"irq": 6, "softirq": 7, "steal": 8}
        assert interruptions_of(0, Tree(tmp_path)).ticks == {"irq": 0, "softirq": 0, "steal": 0}
        assert interruptions_of(1, Tree(tmp_path)).interrupts == {}

    def test_what_came_since(self) -> None:
        before = interruptions_of(affinity.allowed_cpus()[0])
        time.sleep(0.01)
        since = interruptions_of(affinity.allowed_cpus()[0]).since(before)
        assert since.voluntary >= 1, "it slept"
        assert all(count > 0 for count in since.interrupts.values())
        assert since.plus(since).voluntary == 2 * since.voluntary


may_run_in_real_time = pytest.mark.skipif(
    bool(scheduling.real_time_refusal()), reason="real time is not allowed here"
)


class TestRealTime:
    @may_run_in_real_time
    @pytest.mark.parametrize("policy", ["fifo", "rr"])
    def test_and_back(self, policy: str) -> None:
        before = scheduling.scheduling_of()
        with scheduling.real_time(2, policy):
            assert scheduling.scheduling_of() == scheduling.SchedulingClass(policy, 2)
        assert scheduling.scheduling_of() == before

    @may_run_in_real_time
    def test_back_after_an_error(self) -> None:
        before = scheduling.scheduling_of()
        with pytest.raises(KeyboardInterrupt), scheduling.real_time():
            raise KeyboardInterrupt
        assert scheduling.scheduling_of() == before

    @may_run_in_real_time
    def test_one_within_another(self) -> None:
        with scheduling.real_time(1):
            with scheduling.real_time(3, "rr"):
                pass
            assert scheduling.scheduling_of() == scheduling.SchedulingClass("fifo", 1)

    @may_run_in_real_time
    def test_of_another_thread(self) -> None:
        before = scheduling.scheduling_of()
        with waiting_thread() as other, scheduling.real_time(1, thread=other):
            assert scheduling.scheduling_of(other).policy == "fifo"
            assert scheduling.scheduling_of() == before

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become less")
    def test_an_ordinary_user_is_told_what_would_help(self) -> None:
        code = (
            "import os, resource\n"
            "from lab.hardware.scheduling import real_time_refusal, scheduling_of\n"
            "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
            "os.setuid(65534)\n"
            "print(real_time_refusal())\n"
            "print(scheduling_of().policy)\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert told[0].startswith("SCHED_FIFO 1 is refused (ulimit -r is 0")
        assert "limits.conf" in told[0]
        assert "CAP_SYS_NICE" in told[0]
        assert told[1:] == ["other"], "one line"

    @pytest.mark.parametrize(
        ("priority", "policy", "words"),
        [
            (0, "fifo", "priority 0 is not among 1..99"),
            (1, "batch", "policy batch is not real time"),
        ],
    )
    def test_what_is_not_real_time_is_refused(self, priority: int, policy: str, words: str) -> None:
        with pytest.raises(ValueError, match=words), scheduling.real_time(priority, policy):
            raise AssertionError("not reached")


class TestWhichCpuIsLeftAlone:
    def test_all_are_ranked_and_pinning_is_given_back(self) -> None:
        before = affinity.allowed_cpus()
        ranking = least_disturbed(milliseconds=2, passes=3)
        assert affinity.allowed_cpus() == before
        assert sorted(one.cpu for one in ranking) == before
        assert [one.stolen for one in ranking] == sorted(one.stolen for one in ranking)
        assert all(one.spun_ms >= 6 and one.longest_ns >= 0 for one in ranking)

    @two_cpus
    def test_a_cpu_that_others_use_comes_last(self) -> None:
        busy = affinity.allowed_cpus()[0]
        with busy_processes(busy, 6):
            ranking = least_disturbed(passes=5, milliseconds=40)
        assert ranking[-1].cpu == busy
        assert ranking[-1].stolen > 0.3
        assert ranking[-1].longest_ns > 1e6, "a time slice"

    def test_interrupted_it_gives_back(self) -> None:
        before = affinity.allowed_cpus()
        alarm = threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,))
        alarm.start()
        with pytest.raises(KeyboardInterrupt):
            least_disturbed(milliseconds=5, passes=1_000)
        assert affinity.allowed_cpus() == before

    def test_a_slice_is_all_accounted_for(self) -> None:
        spinner = Spinner(threshold_ns=200)
        one = spinner.slice(20)
        assert one.span_ns == pytest.approx(one.lost_ns + one.free_ns)
        assert one.span_ns >= 20e6 * 0.999
        assert one.lengths_ns.sum() == pytest.approx(one.lost_ns)
        assert all(one.lengths_ns >= 190)
        ends_ns = one.starts_ns[:-1] + one.lengths_ns[:-1]
        assert all(one.starts_ns[1:] >= ends_ns - 0.01)  # one may follow at once: rounding
        assert one.readings > 100_000 * (1 - one.stolen)

    def test_a_gap_that_was_made_is_found(self) -> None:
        """The process is stopped for 30 ms while it spins."""
        stop = (
            "import os, signal, sys, time\n"
            "time.sleep(0.05)\n"
            "os.kill(int(sys.argv[1]), signal.SIGSTOP)\n"
            "time.sleep(0.03)\n"
            "os.kill(int(sys.argv[1]), signal.SIGCONT)\n"
        )
        Spinner().slice(1)
        with subprocess.Popen([sys.executable, "-c", stop, str(os.getpid())]):
            one = Spinner().slice(400)
        assert one.longest_ns >= 29e6
