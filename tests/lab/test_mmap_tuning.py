"""mmap_tuning: each memory is what it is called, the work is right, and no file is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engines.errors import InputError
from lab.experiments import EXPERIMENTS
from lab.experiments.mmap_tuning import CHOICES, MEMORIES
from lab.experiments.mmap_tuning_asked import Asked, file_system
from lab.experiments.mmap_tuning_task import AT_SIZE, FILLING, being_synced
from lab.hardware.memory import Wanted, allocate
from lab.measure.bench import Bench
from lab.measure.lifeline import environment, python
from lab.measure.runner import run_experiment
from lab.plots.styles import RIVALS


def silent(*_: object) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for files, which must lie on a disk."""
    folder = tmp_path_factory.mktemp("files")
    if file_system(folder) in ("tmpfs", "ramfs"):
        pytest.skip("temporary files lie in memory here, and this is about files on a disk")
    return folder


@pytest.fixture(scope="module")
def result(tmp_path_factory, place):
    """A smoke run with every kind of memory."""
    settings = {"memories": ["all"], "place": str(place), "live_orders": 3_000}
    folder = tmp_path_factory.mktemp("results")
    return run_experiment("mmap_tuning", settings, "smoke", silent, folder)


def values(result, metric, case):
    """The medians of a metric by kind of memory."""
    found = [item for item in result.measurements if (item.metric, item.case) == (metric, case)]
    return {item.rival: item.median for item in found}


def test_every_kind_is_measured_or_left_out_with_its_reason(result):
    measured = {item.rival for item in result.measurements}
    left_out = {
        match[1] for note in result.notes if (match := re.match(r"(.+) is left out: .+\.$", note))
    }
    assert measured | left_out == set(MEMORIES)
    assert not measured & left_out
    assert {"private", "private, prefaulted", "file", "shared memory"} <= measured
    assert all(item.digest_ok for item in result.measurements)
    assert not result.verdict.failed


def test_what_was_there_beforehand_is_not_faulted_in(result):
    """So the kinds are what they are called, also in the processes that were measured."""
    filling = values(result, "page_faults", FILLING)
    set_up = values(result, "set_up", FILLING)
    for touched, prefaulted in (
        ("private", "private, prefaulted"),
        ("file", "file, prefaulted"),
        ("shared memory", "shared memory, prefaulted"),
    ):
        assert filling[touched] > 10 * filling[prefaulted]
        assert set_up[touched] < set_up[prefaulted]
    if "huge pages" in filling:
        assert filling["huge pages"] < filling["private"] / 4
    assert set(values(result, "service_time", FILLING)) == set(
        values(result, "service_time", AT_SIZE)
    )


def test_a_note_says_of_each_what_became_of_its_pages(result, place):
    for rival in {item.rival for item in result.measurements}:
        (note,) = [note for note in result.notes if note.startswith(f"{rival}: ")]
        assert re.search(r"to have it, then .+ page faults in 1,000 orders", note)
        assert re.search(r"in the end \d+ pages: \d+ on node 0", note)
    assert any(file_system(place) in note and str(place) in note for note in result.notes)
    assert re.search(r"filling book: .+ in .+ and .+; a full one: .+ in ", result.verdict.finding)


def test_each_kind_has_a_look_of_its_own():
    assert set(MEMORIES) == set(RIVALS["mmap_tuning"])


class TestWhatIsAsked:
    def asked(self, *names, folder="", engine="price_ladder"):
        with Bench(silent) as bench:
            return Asked(bench, engine, names, folder, 1.0), bench

    def test_a_folder_in_memory_gives_no_files(self):
        shared = Path("/dev/shm")
        if not shared.is_dir() or file_system(shared) != "tmpfs":
            pytest.skip("this machine has no folder in memory")
        asked, bench = self.asked("private", "file", folder=str(shared))
        assert asked.baseline == "private"
        assert bench.notes == [
            "file is left out: /dev/shm lies in memory (tmpfs); choose a place on a disk."
        ]
        with pytest.raises(InputError, match="none of the memories can be had here: .*tmpfs"):
            self.asked("file", folder=str(shared))

    def test_a_folder_that_is_none_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="is no folder; name one"):
            self.asked("private", folder=str(tmp_path / "nowhere"))

    def test_a_book_that_does_not_fit_is_refused_before_it_is_made(self, monkeypatch):
        monkeypatch.setattr("lab.experiments.mmap_tuning_asked.left_bytes", lambda tree: 1 << 20)
        asked, _ = self.asked("private")
        with pytest.raises(InputError, match="1 MiB are left here; choose fewer live orders"):
            asked.task(messages=100, live_orders=1_000, seed=1, seconds=0.1)

    def test_the_choices_can_be_written_on_a_command_line(self):
        assert not any("," in choice for choice in CHOICES)
        told = EXPERIMENTS["mmap_tuning"].parameters({"memories": "private,private prefaulted"})
        assert told["memories"] == ["private", "private prefaulted"]
        everything = EXPERIMENTS["mmap_tuning"].parameters({"memories": "all"})
        assert everything["memories"] == list(CHOICES)


def test_the_thread_that_syncs_keeps_to_its_cpus(place, monkeypatch):
    """It leaves the engine's CPU to the engine, and never one that it was not given."""
    moved = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda who, cpus: moved.append((who, cpus)))
    monkeypatch.setattr("lab.experiments.mmap_tuning_task.allowed_cpus", lambda: [1])
    with allocate(Wanted(1 << 20, backing="file", folder=str(place))) as buffer:
        for cpus in ([0, 1, 2], [1]):
            with being_synced(buffer, 0.001, cpus):
                pass
    assert moved == [(0, {0, 2})]


def test_a_file_is_synced_as_often_as_asked(place):
    with allocate(Wanted(1 << 20, backing="file", folder=str(place))) as buffer:
        with being_synced(buffer, 0.001) as took_s:
            end_s = time.monotonic() + 5
            while len(took_s) < 3 and time.monotonic() < end_s:
                buffer.array[::4096] += 1
        assert len(took_s) >= 3 and all(one > 0 for one in took_s)
        with being_synced(buffer, 0.0) as took_s:
            pass
        assert took_s == []


# -- files, however a run ends ---------------------------------------------------------------------


def started(place, seconds):
    """A run that measures files, as the command line starts it."""
    settings = ["--memories", "file,file being synced", "--place", place, "--rounds", "1"]
    settings += ["--messages", "200", "--live-orders", "100", "--seconds", seconds]
    return subprocess.Popen(
        python("-m", "lab", "run", "mmap_tuning", *map(str, settings), "--json"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def users_of(place):
    """The measured processes that have a file of a folder mapped."""
    found = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            is_measured = b"lab.measure.worker" in (maps.parent / "cmdline").read_bytes()
            if is_measured and f"{place}/" in maps.read_text():
                found.append(int(maps.parent.name))
        except OSError:
            continue
    return found


def until(found, seconds=30):
    """Wait until there is something; return it."""
    end_s = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < end_s:
        time.sleep(0.05)  # looking at every process's maps is work, which the run would lack
    return value


def test_a_run_that_ends_well_leaves_no_file(result, place):
    assert os.listdir(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_file_and_no_process(tmp_path, place, number):
    process = started(place, seconds=4)
    try:
        assert until(lambda: users_of(place)), "no process ever had a file mapped"
        process.send_signal(number)
        process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    assert until(lambda: not users_of(place), seconds=5)
    assert os.listdir(place) == []


def test_a_process_that_dies_leaves_no_file(place):
    process = started(place, seconds=4)
    try:
        user, *_ = until(lambda: users_of(place))
        os.kill(user, signal.SIGKILL)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 1 and "killed by signal 9" in errors
    assert until(lambda: not users_of(place), seconds=5)
    assert os.listdir(place) == []
